//! Rows out: as `rows`, `rows.csv` and its like.

use super::{
    accept::{Shape, accepted},
    window::{Asked, ItemRange, Position, content_range},
};
use crate::{
    app::App,
    audit::http::Gives,
    auth::Caller,
    catalogue::{Dataset, Found, Kind, Version},
    error::{Error, Limit, Result},
    http::{Path, Problem, Query, disposition, encode_path, is_fresh, preference, user_bytes},
    tables::{Count, Export, Page, RowFormat, RowQuery, Searched, Witness, XLSX_ROWS_MAX},
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
        CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LINK, VARY,
    },
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// `GET /v1/tables/{name}/rows`: the format by `Accept`.
pub async fn rows(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (path, shape) = (format!("/v1/tables/{}/rows", encode_path(&name)), accepted(&headers, RowFormat::Json));
    read(&app, (&caller, &name), (shape, Asked::parse(query)?), &path, &method, &headers).await
}

/// `GET /v1/tables/{name}/rows.csv`: the format by extension.
pub async fn rows_as(
    State(app): State<App>,
    caller: Caller,
    Path((name, file)): Path<(String, String)>,
    Query(query): Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let extension = file.strip_prefix("rows.").ok_or(Error::NotFound { what: "page" })?;
    let asked = Asked::parse(query)?;
    let shape = Shape::Rows(RowFormat::from_extension(extension)?);
    let path = format!("/v1/tables/{}/{}", encode_path(&name), encode_path(&file));
    read(&app, (&caller, &name), (Ok(shape), asked), &path, &method, &headers).await
}

async fn read(
    app: &App,
    (caller, name): (&Caller, &str),
    (shape, mut asked): (Result<Shape>, Asked),
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let number = asked.version.take();
    let short = number.is_none()
        && asked.parameters.limit.is_some()
        && method == Method::GET
        && !headers.contains_key(IF_NONE_MATCH);
    if short
        && let Ok(shape) = shape
        && let Some(found) = app.catalogue.recent(caller, name)
    {
        let (id, state) = (found.dataset.id, found.dataset.state);
        match serve_found(app, found, (shape, &asked), path, method, headers).await {
            Ok(Some(response)) => return Ok(Gives::mark(id, shape.extension(), response)),
            Err(error) if app.catalogue.state(id).await? == Some(state) => return Err(error.into()),
            // It was of what the table is no longer.
            Ok(None) | Err(_) => {}
        }
    }
    let found = Found::from(app.catalogue.find_version(caller, Kind::Table, name, number).await?);
    if number.is_none() {
        app.catalogue.remember(&found);
    }
    let (shape, id) = (shape?, found.dataset.id);
    let response = serve_found(app, found, (shape, &asked), path, method, headers).await?;
    Ok(Gives::mark(id, shape.extension(), response.ok_or_else(unsure)?))
}

fn unsure() -> Error {
    Error::internal("rows of a table that was looked up for them, and is another now")
}

/// A page of ours may be shown, unlike one of a user's: each text in it is escaped, and it can neither run nor load a thing.
const PAGE_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'";

/// What is asked of the rows of one version.
struct Request<'a> {
    app: &'a App,
    dataset: &'a Dataset,
    /// Else the rows have to show that it still is.
    now: bool,
    version: &'a Version,
    table_id: Uuid,
    query: RowQuery,
    shape: Shape,
    asked: &'a Asked,
    /// Of all that the URL asks, for the ETag.
    hash: String,
    range: Option<ItemRange>,
    after: Option<Vec<Option<String>>>,
    count: Option<Count>,
    /// Of the answer's own address.
    path: &'a str,
}

/// The rows of the dataset's version. Without a limit all of them, and a failure midway breaks the transfer; with one, a part that says what follows it.
pub async fn serve_rows(
    app: &App,
    dataset: Dataset,
    asked: (Shape, &Asked),
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response> {
    serve_found(app, dataset.into(), asked, path, method, headers).await?.ok_or_else(unsure)
}

/// `None` if the dataset is no longer what it was found to be.
async fn serve_found(
    app: &App,
    Found { mut dataset, mut now }: Found,
    (shape, asked): (Shape, &Asked),
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Response>> {
    asked.options.check(shape.format())?;
    if asked.version.is_some() {
        return Err(Error::invalid("version", "a link shows the current version alone."));
    }
    let position = asked.cursor.as_deref().map(|cursor| Position::open(&app.keys, cursor, &dataset)).transpose()?;
    if let (Some(position), Some(pinned)) = (&position, asked.pinned)
        && position.version != pinned
    {
        return Err(Error::CursorExpired);
    }
    if let Some(position) = &position
        && dataset.current()?.number != position.version
    {
        let found = app.catalogue.at_version(&dataset, position.version).await?;
        (dataset, now) = (found.ok_or(Error::CursorExpired)?.into(), true);
    }
    let version = dataset.current()?;
    let table_id = version.table_id.ok_or_else(|| Error::internal("a version of a table without rows"))?;
    let query = RowQuery::parse(&version.columns, &asked.parameters)?;
    if let Some(position) = &position {
        position.check(&query)?;
    }
    let hash = asked_hash(shape, asked);
    let etag = rows_etag(&version.etag(), &hash);
    let mut request = Request {
        app,
        dataset: &dataset,
        now,
        version,
        table_id,
        query,
        shape,
        asked,
        hash,
        range: item_range(headers, asked, &etag)?,
        after: position.map(|position| position.keys),
        // Of the rows that a link has chosen from, its holder is told nothing.
        count: count(headers)?.filter(|_| !asked.bounded),
        path,
    };
    request.bound_page()?;
    let mut answer = HeaderMap::new();
    set(&mut answer, ETAG, &etag)?;
    set(&mut answer, CACHE_CONTROL, "private, no-cache")?;
    set(&mut answer, VARY, "Accept, Accept-Encoding, Authorization")?;
    if is_fresh(headers, &etag) {
        return Ok(Some((StatusCode::NOT_MODIFIED, answer).into_response()));
    }
    user_bytes(&mut answer);
    if shape == Shape::Rows(RowFormat::Html) {
        set(&mut answer, CONTENT_SECURITY_POLICY, PAGE_POLICY)?;
    }
    set(&mut answer, CONTENT_TYPE, shape.content_type())?;
    let name = format!("{}.{}", dataset.name, shape.extension());
    set(&mut answer, CONTENT_DISPOSITION, &disposition("inline", &name))?;
    if let Some(count) = request.count {
        set(&mut answer, HeaderName::from_static("preference-applied"), &format!("count={}", count.name()))?;
    }
    if let Some(searched) = app.tables.searched(table_id, &request.query).await? {
        set(&mut answer, HeaderName::from_static("larder-search"), &described(searched))?;
    }
    let response = match (request.query.limit, method) {
        (Some(limit), &Method::GET) => request.page(answer, limit).await,
        _ if !now => Ok(None),
        (_, &Method::HEAD) => request.head(answer).await.map(Some),
        _ => request.all(answer).await.map(Some),
    };
    response.map_err(|error| asked.parameters.blame(&version.columns, error))
}

impl Request<'_> {
    /// The window of `Range` becomes that of the query; an answer whose body carries `next` is always a page.
    fn bound_page(&mut self) -> Result<()> {
        if let Some(range) = self.range {
            (self.query.limit, self.query.offset) = (range.limit(), range.first);
            // What a range holds is known once it has been read.
            self.query.limit.get_or_insert(i64::MAX.unsigned_abs());
        }
        if self.after.is_some() && self.query.limit.is_none() && self.shape != Shape::Page {
            return Err(Error::invalid("limit", "a cursor goes with the limit of its page."));
        }
        if self.shape == Shape::Rows(RowFormat::Xlsx) {
            // Whether a sheet holds it is known once it is whole; the encoder refuses the row that is too many.
            self.query.limit.get_or_insert(XLSX_ROWS_MAX + 1);
        }
        if self.shape == Shape::Page {
            let max = self.app.config.limits.page_rows_max;
            match self.query.limit {
                Some(limit) if limit > max => return Err(Limit::PageRows.passed(max, None)),
                limit => self.query.limit = Some(limit.unwrap_or(max)),
            }
        }
        Ok(())
    }

    async fn total(&self) -> Result<Option<u64>> {
        let Some(count) = self.count else { return Ok(None) };
        self.app.tables.count(self.table_id, &self.query, count).await.map(Some)
    }

    /// No rows: of a length that is not known, since an empty body would be announced as one of 0 bytes.
    async fn head(&self, mut answer: HeaderMap) -> Result<Response> {
        set(&mut answer, ACCEPT_RANGES, "items")?;
        if let Some(total) = self.total().await? {
            let first = self.query.offset;
            let rows = total.saturating_sub(first).min(self.query.limit.unwrap_or(u64::MAX));
            set(&mut answer, CONTENT_RANGE, &content_range(first, rows, Some(total)))?;
        }
        Ok((answer, Body::from_stream(stream::empty::<Result<Bytes>>())).into_response())
    }

    async fn all(&self, mut answer: HeaderMap) -> Result<Response> {
        set(&mut answer, ACCEPT_RANGES, "items")?;
        if let Some(total) = self.total().await? {
            set(&mut answer, CONTENT_RANGE, &content_range(0, total, Some(total)))?;
        }
        let (revision, body) = self.app.tables.rows(self.table_id, &self.query, self.export()).await?;
        self.describe_snapshot(&mut answer, revision)?;
        Ok((answer, Body::from_stream(body)).into_response())
    }

    async fn page(&self, mut answer: HeaderMap, limit: u64) -> Result<Option<Response>> {
        // Ranked rows tell their revision alone.
        if !self.now && self.query.search.is_some() {
            return Ok(None);
        }
        let mut total = self.total().await?;
        let (after, export) = (self.after.as_deref(), self.export());
        let witness = if self.now { Witness::Revision } else { Witness::State(self.dataset.id) };
        let page = self.app.tables.page(self.table_id, &self.query, (limit, after), witness, &export).await?;
        // An empty page shows nothing; if what we know still holds, it held then.
        let shown = match (page.witness, self.now) {
            (None, true) => self.app.catalogue.revision_now(self.table_id).await?,
            (None, false) => self.app.catalogue.state(self.dataset.id).await?,
            (shown, _) => shown,
        };
        if self.now {
            self.describe_snapshot(&mut answer, shown)?;
        } else if shown != Some(self.dataset.state) {
            return Ok(None);
        }
        if page.rows == 0 && self.range.is_some_and(|range| range.first > 0) {
            let rows = match total {
                Some(total) => total,
                None => self.app.tables.count(self.table_id, &self.query, Count::Exact).await?,
            };
            return Err(Error::RowsNotSatisfiable { rows });
        }
        // Where the first row would be is none, so there are none at all.
        let is_part = self.range.is_some() && page.rows > 0;
        if self.range.is_some() && !is_part {
            total = Some(0);
        }
        let next = self.next(&page)?;
        if let Some(next) = &next {
            set(&mut answer, LINK, &format!("<{next}>; rel=\"next\""))?;
        }
        set(&mut answer, ACCEPT_RANGES, "items")?;
        if self.after.is_none()
            && (self.range.is_some() || self.count.is_some() || self.asked.parameters.offset.is_some())
        {
            set(&mut answer, CONTENT_RANGE, &content_range(self.query.offset, page.rows, total))?;
        }
        let (before, behind) = self.around(next.as_deref(), total)?;
        let bytes = page.body.bytes() + (before.len() + behind.len()) as u64;
        answer.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        let body = stream::iter([Ok(before)]).chain(page.body.stream().await?).chain(stream::iter([Ok(behind)]));
        let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        Ok(Some((status, answer, Body::from_stream(body)).into_response()))
    }

    fn next(&self, page: &Page) -> Result<Option<String>> {
        let Some(keys) = page.next.clone().filter(|_| self.range.is_none() && !self.asked.bounded) else {
            return Ok(None);
        };
        let cursor = Position::new(self.dataset, self.version.number, &self.query, keys).seal(&self.app.keys)?;
        Ok(Some(format!("{}{}", self.app.public_url, self.asked.next(self.path, &cursor))))
    }

    /// What stands around the rows in the body of a page.
    fn around(&self, next: Option<&str>, total: Option<u64>) -> Result<(Bytes, Bytes)> {
        if self.shape != Shape::Page {
            return Ok((Bytes::new(), Bytes::new()));
        }
        let next = serde_json::to_string(&next).map_err(Error::internal)?;
        let total = total.map(|total| format!(",\"count\":{total}")).unwrap_or_default();
        Ok((Bytes::from_static(b"{\"rows\":"), format!(",\"next\":{next}{total}}}\n").into()))
    }

    fn export(&self) -> Export {
        Export {
            format: self.shape.format(),
            options: self.asked.options,
            title: self.dataset.name.clone(),
            columns: self.query.columns(),
        }
    }

    /// Rows can come between our look at the catalogue and the snapshot that is sent.
    fn describe_snapshot(&self, answer: &mut HeaderMap, revision: Option<i64>) -> Result<()> {
        let Some(revision) = revision.filter(|revision| *revision != self.version.revision) else { return Ok(()) };
        let sent = Version { revision, ..self.version.clone() };
        set(answer, ETAG, &rows_etag(&sent.etag(), &self.hash))
    }
}

fn item_range(headers: &HeaderMap, asked: &Asked, etag: &str) -> Result<Option<ItemRange>> {
    let Some(range) = ItemRange::of(headers)? else { return Ok(None) };
    if asked.cursor.is_some() || asked.parameters.limit.is_some() || asked.parameters.offset.is_some() {
        return Err(Error::invalid("Range", "the URL says already which rows; send one of the two."));
    }
    // A range of another state would not go with the rest that the client has.
    let other = headers.get(IF_RANGE).is_some_and(|value| value.as_bytes() != etag.as_bytes());
    Ok(Some(range).filter(|_| !other))
}

fn count(headers: &HeaderMap) -> Result<Option<Count>> {
    let Some(name) = preference(headers, "count") else { return Ok(None) };
    let count = Count::named(&name);
    count.map(Some).ok_or_else(|| Error::invalid("Prefer", "`count` is `exact`, `planned` or `estimated`."))
}

/// A structured field: `indexed=?1, ranked=10000`.
fn described(searched: Searched) -> String {
    let indexed = format!("indexed=?{}", u8::from(searched.indexed));
    searched.ranked_max.map_or(indexed.clone(), |ranked| format!("{indexed}, ranked={ranked}"))
}

pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<()> {
    headers.insert(name, HeaderValue::from_str(value).map_err(Error::internal)?);
    Ok(())
}

/// `version.revision`, and a hash of what was asked of it.
pub(super) fn rows_etag(version: &str, hash: &str) -> String {
    format!("\"{}-{hash}\"", version.trim_matches('"'))
}

/// Of all that the URL says, and of the form that was chosen.
pub(super) fn asked_hash(shape: Shape, asked: &Asked) -> String {
    let hash = Sha256::new()
        .chain_update(asked.digest)
        .chain_update(shape.extension())
        .chain_update([u8::from(shape == Shape::Page)]);
    hex::encode(&hash.finalize()[..8])
}
