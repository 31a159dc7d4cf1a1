//! `GET /v1/shares/{id}/log`: who used a link.

use crate::{
    app::App,
    auth::Caller,
    error::Result,
    http::{PageOf, Paging, Path, Problem, Query},
};
use axum::extract::State;
use serde::Serialize;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// Those that the counts are of.
const DAYS: i64 = 31;

#[derive(Debug, Serialize)]
pub struct Log {
    /// Newest first.
    hits: Vec<HitView>,
    /// Of the last 31 days, the latest first; on the first page alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<Vec<DayView>>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct HitView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    outcome: String,
    /// `null` where they did not pass us, or are still on their way.
    bytes: Option<i64>,
    format: Option<String>,
    /// Below a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    agent: Option<String>,
    network: Option<String>,
    request_id: String,
}

/// A day of UTC.
#[derive(Debug, Serialize)]
struct DayView {
    day: String,
    hits: i64,
    bytes: i64,
    outcomes: BTreeMap<String, i64>,
}

pub async fn log(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(query): Query<PageOf>,
) -> Result<axum::Json<Log>, Problem> {
    let share = app.shares.find_own(&caller, id).await?.share;
    let page = Paging::of(&app, format!("share log {id}"), (query.cursor.as_deref(), query.limit))?;
    let hits = app.shares.hits(share.id, page.behind, page.wanted()).await?;
    let (hits, next) = page.cut(hits, |last| last.id)?;
    let days = if page.behind.is_none() { Some(days(&app, share.id).await?) } else { None };
    let hits = hits.into_iter().map(|hit| HitView {
        at: hit.at,
        outcome: hit.outcome,
        bytes: hit.bytes,
        format: hit.format,
        path: hit.path,
        agent: hit.agent,
        network: hit.network,
        request_id: hit.request_id,
    });
    Ok(axum::Json(Log { hits: hits.collect(), days, next }))
}

async fn days(app: &App, share: Uuid) -> Result<Vec<DayView>> {
    let first = OffsetDateTime::now_utc().date().midnight().assume_utc() - time::Duration::days(DAYS - 1);
    let mut days: Vec<DayView> = Vec::new();
    for count in app.shares.days(share, crate::shares::first_id(first)).await? {
        let day = count.day.to_string();
        if days.last().is_none_or(|last| last.day != day) {
            days.push(DayView { day, hits: 0, bytes: 0, outcomes: BTreeMap::new() });
        }
        if let Some(last) = days.last_mut() {
            last.hits += count.hits;
            last.bytes += count.bytes;
            last.outcomes.insert(count.outcome, count.hits);
        }
    }
    Ok(days)
}
