//! How much waits to be committed or deleted: numbers for operators.

use super::{Catalogue, store::database};
use crate::error::Result;

/// Of all replicas together.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct Queues {
    /// Leases, expired ones included.
    pub pending: f64,
    pub expired: f64,
    /// These two are counted up to 100,000.
    pub garbage: f64,
    pub garbage_due: f64,
    pub overdue_seconds: f64,
    /// Running jobs.
    pub jobs: f64,
}

impl Catalogue {
    pub async fn queues(&self) -> Result<Queues> {
        let sql = "select
             (select count(*) from larder.pending)::float8 as pending,
             (select count(*) from larder.pending where lease_until < now())::float8 as expired,
             (select count(*) from (select from larder.garbage limit 100000) as g)::float8 as garbage,
             (select count(*) from (select from larder.garbage where due_at < now() limit 100000) as g)::float8 as garbage_due,
             (select greatest(coalesce(extract(epoch from now() - min(due_at)), 0), 0) from larder.garbage)::float8 as overdue_seconds,
             (select count(*) from larder.jobs where state = 'running')::float8 as jobs";
        sqlx::query_as(sql).fetch_one(&self.control).await.map_err(database)
    }
}
