//! `POST /v1/tables/{name}/rows`: the rows of a file into a table that exists.

use crate::{
    app::App,
    auth::Caller,
    catalogue::Dataset,
    error::{Error, Result},
    http::{
        Descriptor, Path, Problem, Query, content_encoding, content_type, flag, idempotency_key, incoming,
        precondition, preference,
    },
    jobs::http::{prefers_async, respond_async},
    tables::{Appended, IdempotencyKey, NewRows, OnDuplicate, Told, query::names},
};
use axum::{
    body::Body,
    extract::{OriginalUri, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, ETAG, IF_MATCH, LOCATION},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Debug, Deserialize)]
pub struct AppendQuery {
    /// Columns that the table lacks are added to it; else they are an error.
    #[serde(default, deserialize_with = "flag")]
    add_columns: bool,
    /// Columns of a key or a unique index: rows whose values stand there are merged or ignored, as `Prefer` says.
    on_conflict: Option<String>,
    /// How the file is to be read: the parameters of [`Options`](crate::tables::Options), which refuses all others.
    #[serde(flatten)]
    told: Told,
}

/// `POST /v1/tables/{name}/rows`
pub async fn append(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<AppendQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let on_duplicate = resolution(&headers)?;
    if query.on_conflict.is_some() && on_duplicate.is_none() {
        let detail = "say what becomes of such rows: `resolution=merge-duplicates` or `resolution=ignore-duplicates`.";
        return Err(Error::invalid("Prefer", detail).into());
    }
    let request = |key| IdempotencyKey { key, request: request_hash("POST", &uri.to_string(), &headers) };
    let rows = NewRows {
        name,
        told: query.told,
        content_type: content_type(&headers),
        content_encoding: content_encoding(&headers),
        add_columns: query.add_columns,
        on_duplicate,
        on_conflict: query.on_conflict.as_deref().map(|columns| names("on_conflict", columns)).transpose()?,
        condition: precondition(&headers)?,
        idempotency: idempotency_key(&headers)?.map(request),
        job: None,
    };
    let answer = {
        let app = app.clone();
        move |dataset: &Dataset, appended: &Appended| describe(&app, dataset, appended, on_duplicate.is_some())
    };
    let incoming = incoming(&app.config, &headers, body)?;
    if prefers_async(&headers) {
        let target = rows.name.clone();
        let accepted = respond_async(&app, &caller, ("table-append", &target), |job, progress| {
            let (app, caller, rows) = (app.clone(), caller.clone(), NewRows { job: Some((job, progress)), ..rows });
            async move { app.tables.append(&caller, rows, incoming, &answer).await.map(|_| ()) }
        });
        return Ok(accepted.await?);
    }
    let answered = app.tables.append(&caller, rows, incoming, &answer).await?;
    let text = |pointer: &str| answered.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let shown = [(ETAG, text("/etag")), (LOCATION, text("/links/self")), (CACHE_CONTROL, "no-store".to_owned())];
    let mut response = (StatusCode::CREATED, shown, axum::Json(answered.body)).into_response();
    if answered.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    if let Some(on_duplicate) = on_duplicate {
        let applied = format!("resolution={}", on_duplicate.name());
        response.headers_mut().insert("preference-applied", HeaderValue::from_str(&applied).map_err(Error::internal)?);
    }
    Ok(response)
}

/// The descriptor as it now is, and what became of the rows.
fn describe(app: &App, dataset: &Dataset, appended: &Appended, upserted: bool) -> Value {
    let mut body = json!(Descriptor::of(app, dataset));
    body["appended"] = json!(appended.inserted);
    if upserted {
        body["inserted"] = json!(appended.inserted);
        body["updated"] = json!(appended.updated);
        body["ignored"] = json!(appended.ignored);
    }
    body
}

fn resolution(headers: &HeaderMap) -> Result<Option<OnDuplicate>> {
    let Some(told) = preference(headers, "resolution") else { return Ok(None) };
    OnDuplicate::named(&told)
        .map(Some)
        .ok_or_else(|| Error::invalid("Prefer", "`resolution` is `merge-duplicates` or `ignore-duplicates`."))
}

/// Of everything about a request that its body does not say.
pub(super) fn request_hash(method: &str, uri: &str, headers: &HeaderMap) -> Sha256 {
    let mut hash = Sha256::new_with_prefix(format!("{method} {uri}\n"));
    for name in ["content-type", "content-encoding", "prefer", IF_MATCH.as_str()] {
        for value in headers.get_all(name) {
            hash.update(name);
            hash.update([0]);
            hash.update(value.as_bytes());
            hash.update([0]);
        }
    }
    hash
}
