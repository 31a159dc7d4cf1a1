//! The sweep: what expired leases and deleted datasets named goes to the garbage, and what garbage named is deleted once it is due.
//!
//! **Invariant.** Nothing is deleted but what a row of the catalogue names; no store is ever listed for things that nobody knows.

use crate::{app::App, catalogue::Garbage, error::Result, shares::first_id};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

/// Sweeps for as long as the service runs.
pub async fn run(app: App) {
    let mut ticks = interval(Duration::from_secs(app.config.times.sweep_seconds));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = once(&app).await {
            tracing::warn!(?error, "not all was swept; the next sweep goes on");
        }
    }
}

/// One sweep. Several replicas may sweep at once: each row is taken by one of them. A step that fails holds up no other.
///
/// # Errors
/// The first of those that failed, once all were tried; the others are in the log.
pub async fn once(app: &App) -> Result<()> {
    let catalogue = &app.catalogue;
    app.tables.tend_searches();
    let steps = [
        ("leases", catalogue.expire_leases().await),
        ("documents", resolve_documents(app).await),
        ("writes of documents", catalogue.settle_documents().await),
        ("jobs", catalogue.expire_jobs().await),
        ("pinned versions", catalogue.release_pins().await),
        ("deleted datasets", expire_deleted(app).await),
        ("changes of rows", catalogue.expire_changes().await),
        ("idempotency keys", catalogue.expire_keys().await),
        ("renditions", catalogue.expire_renditions().await),
        ("hits of links", app.shares.expire_hits(oldest_hit(app)).await),
        ("garbage", collect(app).await),
        ("the audit", app.audit.expire().await),
        ("sessions", app.auth.expire_sessions().await),
    ];
    app.tables.tend_searches();
    let mut failed = Ok(());
    for (step, done) in steps {
        if let Err(error) = done {
            tracing::warn!(sweep.step = step, ?error, "a step of the sweep failed");
            failed = failed.and(Err(error));
        }
    }
    failed
}

/// No hit with a smaller id is kept.
fn oldest_hit(app: &App) -> Uuid {
    let days = i64::try_from(app.config.sharing.share_log_days).unwrap_or(i64::MAX);
    first_id(time::OffsetDateTime::now_utc() - time::Duration::days(days))
}

async fn resolve_documents(app: &App) -> Result<()> {
    let mut failed = Ok(());
    for document in app.catalogue.expired_documents().await? {
        if let Err(error) = app.documents.resolve(&document).await {
            tracing::warn!(pending.id = %document.id, ?error, "a document's lease was not resolved; it is tried again after another lease");
            failed = failed.and(app.catalogue.postpone_document(document.id, app.config.times.lease()).await);
        }
    }
    failed
}

async fn expire_deleted(app: &App) -> Result<()> {
    let mut failed = Ok(());
    for dataset in app.catalogue.expired_datasets().await? {
        // One that cannot go now must not hold up the others.
        failed = failed.and(app.catalogue.expire_dataset(dataset).await);
    }
    failed
}

async fn collect(app: &App) -> Result<()> {
    let mut after = Uuid::nil();
    while let Some(claim) = app.catalogue.claim_garbage(after).await? {
        after = claim.garbage.id;
        let done = match delete(app, &claim.garbage).await {
            Ok(()) => claim.deleted().await,
            Err(error) => Err(error),
        };
        // One that cannot go now must not hold up the others; its row stays.
        if let Err(error) = done {
            tracing::warn!(garbage.id = %after, ?error, "garbage not deleted; the next sweep tries again");
        }
    }
    Ok(())
}

async fn delete(app: &App, garbage: &Garbage) -> Result<()> {
    if let Some(object) = garbage.object_id {
        if let Some(multipart) = &garbage.multipart_id {
            app.objects.abort(object, multipart).await?;
        }
        app.objects.delete(object).await?;
    }
    if let Some(table) = garbage.table_id {
        app.tables.drop_physical(table).await?;
    }
    if let (Some(collection), Some(shards)) = (garbage.collection_id, garbage.shards) {
        app.documents.purge(collection, shards.unsigned_abs()).await?;
    }
    tracing::debug!(garbage.id = %garbage.id, "garbage deleted");
    Ok(())
}
