//! `GET /v1/audit` and `GET /v1/datasets/{id}/log`; and the layer that sees what is refused and what is read.

use super::{Audit, Entry, Filter, First, Note, Outcome, Read, ReadEntry, Refused, without_nul};
use crate::{
    app::App,
    auth::{Caller, http::origin},
    error::{Error, Result},
    http::{Paging, Path, Problem, Query, Refusal},
    shares::without_token,
};
use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{
    HeaderMap, Method,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

const NAME_CHARS_MAX: usize = 1024;
const NDJSON: &str = "application/x-ndjson";
/// That a URL was minted is written down whatever the answer's status says.
const PRESIGNED: &str = "presigned";

/// What an answer gives of a dataset. Handlers leave it among the extensions of the response.
#[derive(Debug, Clone, Copy)]
pub struct Gives {
    dataset: Uuid,
    how: &'static str,
}

impl Gives {
    /// Notes on a response in which form it gives something of the dataset.
    pub fn mark(dataset: Uuid, how: &'static str, mut response: Response) -> Response {
        response.extensions_mut().insert(Self { dataset, how });
        response
    }

    /// Notes that the response carries a presigned URL.
    pub fn minted(dataset: Uuid, response: Response) -> Response {
        Self::mark(dataset, PRESIGNED, response)
    }
}

/// Around authentication: a caller's refusal is written down before its answer goes, unless that would tell what is hidden from what is not there; a read once it has gone.
pub async fn watch<F: Future<Output = Response>>(
    app: &App,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let action = format!("{} {path}", request.method());
    let origin = origin(request.extensions());
    let uri = request.uri().clone();
    let gets = request.method() == Method::GET;
    let mut response = next(request).await;
    let caller = response.extensions_mut().remove::<Caller>();
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let detail = json!({ "request": action, "problem": refusal.slug });
        let note = Note { dataset: refusal.dataset, detail, ..Note::new("refuse", "request", told(uri.path())) };
        match caller {
            Some(caller) if !refusal.is_hidden() => {
                // Large, and seldom done.
                if let Err(error) = Box::pin(app.audit.refused(&caller, &note)).await {
                    tracing::error!(?error, "a refusal was not written down");
                }
            }
            caller => {
                let origin = caller.as_ref().map_or(origin, |caller| caller.origin.clone());
                let (address, token, dataset) = (origin.address, origin.token, refusal.dataset);
                let refused = Refused { address, token, share: None, dataset, action, problem: refusal.slug };
                app.audit.refused_later(refused, || First { caller, origin, note });
            }
        }
        return response;
    }
    match (caller, response.extensions_mut().remove::<Gives>()) {
        (Some(caller), Some(gives)) if gives.how == PRESIGNED || gets && response.status().is_success() => {
            count(&app.audit, Read::of(&caller, gives.dataset, gives.how), response)
        }
        _ => response,
    }
}

/// A path as the audit has it: without a link's token, which may have come to the wrong address.
fn told(path: &str) -> String {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let segments: Vec<&str> = path.split('/').map(without_token).collect();
    without_nul(&segments.join("/").chars().take(NAME_CHARS_MAX).collect::<String>())
}

/// Counts an answer as a read: a body in memory at once, a stream when it ends, with the bytes that have been sent until then.
fn count(audit: &Audit, read: Read, response: Response) -> Response {
    if let Some(bytes) = response.body().size_hint().exact() {
        let bytes = if read.how == PRESIGNED { 0 } else { bytes };
        audit.read(read, bytes);
        return response;
    }
    let mut reading = Reading { audit: audit.clone(), read: Some(read), bytes: 0 };
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |chunk| {
            reading.add(chunk.as_ref().map_or(0, Bytes::len));
        }))
    })
}

/// A read that goes on; dropped when its answer ends, or its client goes.
struct Reading {
    audit: Audit,
    read: Option<Read>,
    bytes: u64,
}

impl Reading {
    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(read) = self.read.take() {
            self.audit.read(read, self.bytes);
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Its name at that time, or its id.
    principal: Option<String>,
    action: Option<String>,
    outcome: Option<Outcome>,
    /// The id of a dataset.
    dataset: Option<Uuid>,
    request_id: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
    cursor: Option<String>,
    limit: Option<u64>,
    /// `json` or `ndjson`; else by `Accept`.
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
    Ndjson,
}

/// A page of the audit, the newest first.
#[derive(Debug, Serialize)]
pub struct Entries {
    entries: Vec<Entry>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/audit`: for admins. A page as JSON; all that there is, as NDJSON.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<AuditQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require_admin()?;
    let accepts = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(NDJSON.as_bytes()));
    let format = query.format.unwrap_or(if accepts { Format::Ndjson } else { Format::Json });
    let page = Paging::of(&app, "audit", (query.cursor.as_deref(), query.limit))?;
    let filter = Filter {
        principal: query.principal,
        action: query.action,
        outcome: query.outcome,
        dataset: query.dataset,
        request_id: query.request_id,
        since: query.since,
        until: query.until,
        before: page.behind,
    };
    if format == Format::Ndjson {
        if query.limit.is_some() {
            return Err(Error::invalid("limit", "NDJSON is all that there is; pages are JSON.").into());
        }
        return Ok(all(&app, filter));
    }
    let entries = app.audit.entries(&filter, page.wanted()).await?;
    let (entries, next) = page.cut(entries, |last| (last.at, last.id))?;
    Ok(([(CACHE_CONTROL, "no-store")], axum::Json(Entries { entries, next })).into_response())
}

/// One entry a line, page by page, so that neither memory nor a connection is held while a slow client reads; a failure midway breaks the transfer.
fn all(app: &App, filter: Filter) -> Response {
    let (audit, page_rows) = (app.audit.clone(), app.config.limits.page_rows_max);
    let pages = stream::try_unfold(Some(filter), move |filter| {
        let audit = audit.clone();
        async move {
            let Some(mut filter) = filter else { return Ok::<_, Error>(None) };
            let entries = audit.entries(&filter, page_rows).await?;
            let mut lines = Vec::new();
            for entry in &entries {
                serde_json::to_writer(&mut lines, entry).map_err(Error::internal)?;
                lines.push(b'\n');
            }
            filter.before = entries.last().map(|last| (last.at, last.id));
            let next = filter.before.is_some().then_some(filter);
            Ok(Some((Bytes::from(lines), next)))
        }
    });
    ([(CACHE_CONTROL, "no-store"), (CONTENT_TYPE, NDJSON)], Body::from_stream(pages)).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    cursor: Option<String>,
    limit: Option<u64>,
}

/// A page of who read a dataset, the newest hours first.
#[derive(Debug, Serialize)]
pub struct Log {
    reads: Vec<ReadEntry>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// `GET /v1/datasets/{id}/log`: for its owner and admins.
pub async fn log(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Problem> {
    let dataset = app.catalogue.find_by_id(&caller, id).await?;
    if !caller.admin && dataset.owner != caller.principal {
        return Err(Error::Forbidden { action: "see who read this dataset; its owner's may" }.into());
    }
    let page = Paging::of(&app, format!("reads {id}"), (query.cursor.as_deref(), query.limit))?;
    let reads = app.audit.reads(id, page.behind.as_ref(), page.wanted()).await?;
    let (reads, next) = page.cut(reads, ReadEntry::behind)?;
    Ok(([(CACHE_CONTROL, "no-store")], axum::Json(Log { reads, next })).into_response())
}
