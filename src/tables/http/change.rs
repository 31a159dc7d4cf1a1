//! `PATCH` and `DELETE /v1/tables/{name}/rows`: new values for the rows that a filter finds, or their end.

use super::{
    accept::{Shape, accepted},
    append::request_hash,
    rows::set,
    window::Asked,
};
use crate::{
    app::App,
    auth::Caller,
    error::{Error, Result},
    http::{Json, Path, Problem, Query, idempotency_key, precondition, preference, user_bytes},
    tables::{ChangedRows, Count, RowChange, RowEdit, RowFormat},
};
use axum::{
    body::Body,
    extract::{OriginalUri, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, VARY},
};
use serde_json::value::RawValue;
use sha2::Digest;

type Pairs = Query<Vec<(String, String)>>;

/// `PATCH /v1/tables/{name}/rows?filter`
pub async fn patch_rows(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Pairs,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Json(body): Json<Box<RawValue>>,
) -> Result<Response, Problem> {
    Ok(change(&app, &caller, name, (query, &uri, &headers), RowEdit::Update(body)).await?)
}

/// `DELETE /v1/tables/{name}/rows?filter`
pub async fn delete_rows(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Pairs,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(change(&app, &caller, name, (query, &uri, &headers), RowEdit::Delete).await?)
}

async fn change(
    app: &App,
    caller: &Caller,
    name: String,
    (query, uri, headers): (Vec<(String, String)>, &Uri, &HeaderMap),
    edit: RowEdit,
) -> Result<Response> {
    let preferences = Preferences::of(headers)?;
    let fingerprint = fingerprint(&edit, uri, headers);
    let asked = asked(query)?;
    let returned = preferences.format(headers)?.map(|format| (format, asked.options));
    if let Some((format, options)) = returned {
        options.check(format)?;
    }
    let change = RowChange {
        name,
        edit,
        parameters: asked.parameters,
        condition: precondition(headers)?,
        returned,
        affected_max: preferences.affected_max,
        rehearse: preferences.rehearse,
        idempotency: idempotency_key(headers)?.map(|key| (key, fingerprint)),
    };
    let changed = app.tables.change_rows(caller, &change).await?;
    answer(changed, returned.map(|(format, _)| format), &preferences).await
}

fn asked(query: Vec<(String, String)>) -> Result<Asked> {
    let asked = Asked::parse(query)?;
    match (&asked.version, &asked.cursor) {
        (None, None) => Ok(asked),
        (version, _) => {
            let name = if version.is_some() { "version" } else { "cursor" };
            Err(Error::invalid(name, "rows change in the current version, all that the filter finds."))
        }
    }
}

/// SHA-256 of all that the request says.
fn fingerprint(edit: &RowEdit, uri: &Uri, headers: &HeaderMap) -> Vec<u8> {
    let (method, body) = match edit {
        RowEdit::Update(body) => ("PATCH", body.get()),
        RowEdit::Delete => ("DELETE", ""),
    };
    let mut hash = request_hash(method, &uri.to_string(), headers);
    for accept in headers.get_all(ACCEPT) {
        hash.update(accept.as_bytes());
        hash.update([0]);
    }
    hash.chain_update(body).finalize().to_vec()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    Minimal,
    HeadersOnly,
    Representation,
}

/// What `Prefer` says of a change.
#[derive(Debug)]
struct Preferences {
    returns: Returns,
    count: bool,
    affected_max: Option<u64>,
    rehearse: bool,
    /// Those that were given, as `Preference-Applied` names them.
    applied: Vec<String>,
}

impl Preferences {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let wrong = |detail: &str| Error::invalid("Prefer", detail);
        let mut applied = Vec::new();
        let mut given = |name: &'static str| {
            let value = preference(headers, name);
            // Rows that change are counted in any case, so every count is exact.
            let exact = if name == "count" { Some("exact".to_owned()) } else { value.clone() };
            applied.extend(value.as_ref().and(exact).map(|value| format!("{name}={value}")));
            value
        };
        let returns = match given("return").as_deref() {
            None | Some("minimal") => Returns::Minimal,
            Some("headers-only") => Returns::HeadersOnly,
            Some("representation") => Returns::Representation,
            Some(_) => return Err(wrong("`return` is `minimal`, `headers-only` or `representation`.")),
        };
        let count = match given("count") {
            None => false,
            Some(name) if Count::named(&name).is_some() => true,
            Some(_) => return Err(wrong("`count` is `exact`, `planned` or `estimated`.")),
        };
        let affected_max = match given("max-affected").map(|max| max.parse()) {
            None => None,
            Some(Ok(max)) => Some(max),
            Some(Err(_)) => return Err(wrong("`max-affected` is a whole number.")),
        };
        let rehearse = match given("tx").as_deref() {
            None | Some("commit") => false,
            Some("rollback") => true,
            Some(_) => return Err(wrong("`tx` is `commit` or `rollback`.")),
        };
        Ok(Self { returns, count, affected_max, rehearse, applied })
    }

    fn format(&self, headers: &HeaderMap) -> Result<Option<RowFormat>> {
        if self.returns != Returns::Representation {
            return Ok(None);
        }
        match accepted(headers, RowFormat::Json)? {
            Shape::Rows(format) if !matches!(format, RowFormat::Parquet | RowFormat::Arrow | RowFormat::Xlsx) => {
                Ok(Some(format))
            }
            _ => Err(Error::NotAcceptable {
                detail: "Rows that changed come as JSON, NDJSON, CSV, TSV or HTML.".to_owned(),
            }),
        }
    }
}

async fn answer(changed: ChangedRows, format: Option<RowFormat>, preferences: &Preferences) -> Result<Response> {
    let mut headers = HeaderMap::new();
    set(&mut headers, ETAG, &changed.etag)?;
    set(&mut headers, CACHE_CONTROL, "no-store")?;
    if preferences.count || preferences.returns == Returns::HeadersOnly {
        set(&mut headers, CONTENT_RANGE, &format!("items */{}", changed.rows))?;
    }
    if let Some(change) = changed.change {
        set(&mut headers, HeaderName::from_static("larder-change"), &change.to_string())?;
    }
    if changed.replayed {
        set(&mut headers, HeaderName::from_static("idempotency-replayed"), "true")?;
    }
    if !preferences.applied.is_empty() {
        set(&mut headers, HeaderName::from_static("preference-applied"), &preferences.applied.join(", "))?;
    }
    let (Some(format), Some(body)) = (format, changed.body) else {
        return Ok((StatusCode::NO_CONTENT, headers).into_response());
    };
    user_bytes(&mut headers);
    set(&mut headers, VARY, "Accept, Authorization, Prefer")?;
    set(&mut headers, CONTENT_TYPE, format.content_type())?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.bytes()));
    Ok((headers, Body::from_stream(body.stream().await?)).into_response())
}
