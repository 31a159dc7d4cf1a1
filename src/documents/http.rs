//! `/v1/documents` and `/v1/collections`: JSON objects one by one, and the collections that hold them.

use super::{Document, Put, value};
use crate::{
    app::App,
    audit::{Intent, http::Gives},
    auth::{Action, Caller},
    catalogue::{Dataset, DatasetChanges, Kind, Precondition, document_id},
    error::{Error, Limit, Result},
    http::{
        Descriptor, HEADERS_MAX_USUAL, Json, Links, NoParameters, PageOf, Paging, Path, Problem, Query, answer_upload,
        check_share, content_encoding, disposition, encode_path, incoming, is_fresh, plain_document, precondition,
        upload_share, user_bytes,
    },
    shares::Target,
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::stream;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const JSON: &str = "application/json";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutQuery {
    /// Makes or extends a share link, such as `7d`.
    share: Option<String>,
}

/// `PUT /v1/documents/{collection}/{id}`
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
    Query(query): Query<PutQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    document_id(&id)?;
    plain_document(content_encoding(&headers).as_deref())?;
    let (condition, share) = (precondition(&headers)?, upload_share(&app, query.share.as_deref())?);
    check_share(&caller, share, Kind::Collection, &collection)?;
    let body = incoming(&app.config, &headers, body)?
        .collect(Limit::DocumentBytes, app.config.limits.document_bytes_max)
        .await?;
    let collection = collection_for(&app, &caller, &collection, &body, &condition).await?;
    let work = app.documents.put(&caller, &collection, &id, body, &condition);
    let put = Intent::around(&app.catalogue, &caller, ("put", &collection, &id), work).await?;
    let mut descriptor = describe(&app, &collection, put.document());
    descriptor.share(&app, &caller, share, target(&collection, put.document())).await?;
    Ok(answer_upload(&descriptor, matches!(put, Put::Created(_))))
}

/// The collection that a document goes to. One that is not there yet is made, but not for a document that will be refused.
pub async fn collection_for(
    app: &App,
    caller: &Caller,
    name: &str,
    body: &[u8],
    condition: &Precondition,
) -> Result<Dataset> {
    caller.require(Action::Write, Kind::Collection, name)?;
    match app.catalogue.find(caller, Action::Write, Kind::Collection, name).await {
        Err(Error::NotFound { .. } | Error::Hidden { .. }) => {
            value::parse(body)?;
            condition.check(None)?;
            app.catalogue.find_or_create_collection(caller, name).await
        }
        found => found,
    }
}

/// The descriptor of a document, which has no row in the catalogue.
pub fn describe(app: &App, collection: &Dataset, document: &Document) -> Descriptor {
    let this =
        format!("{}/v1/documents/{}/{}", app.public_url, encode_path(&collection.name), encode_path(&document.id));
    Descriptor {
        id: format!("{}/{}", collection.id, document.id),
        name: format!("{}/{}", collection.name, document.id),
        kind: "document",
        title: document.id.clone(),
        version: None,
        etag: Some(document.etag.clone()),
        content_type: JSON.to_owned(),
        size_bytes: Some(document.size_bytes),
        sha256: Some(hex::encode(document.sha256)),
        crc64nvme: Some(BASE64_STANDARD.encode(document.crc64nvme)),
        created_at: document.created_at,
        updated_at: document.updated_at,
        owner: collection.owner_name.clone(),
        visibility: collection.visibility,
        rows: None,
        columns: None,
        ingest: None,
        routed_because: None,
        links: Links { download: this.clone(), this, ..Links::default() },
        presigned: None,
    }
}

/// What a share of the document binds to.
pub fn target(collection: &Dataset, document: &Document) -> Target {
    Target::Document { dataset_id: collection.id, id: document.id.clone(), incarnation: document.incarnation.clone() }
}

/// The target of a share by names, if the caller may read it.
pub async fn share_target(app: &App, caller: &Caller, collection: &str, id: &str) -> Result<Target> {
    let collection = app.catalogue.find(caller, Action::Share, Kind::Collection, collection).await?;
    Ok(target(&collection, &find(app, &collection, id).await?))
}

async fn find(app: &App, collection: &Dataset, id: &str) -> Result<Document> {
    app.documents.get(collection, id).await?.ok_or(Error::NotFound { what: "document" })
}

/// `GET` and `HEAD /v1/documents/{collection}/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
    _: Query<NoParameters>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let collection = app.catalogue.find(&caller, Action::Read, Kind::Collection, &collection).await.map_err(
        |error| match error {
            Error::NotFound { .. } => Error::NotFound { what: "document" },
            Error::Hidden { dataset, .. } => Error::Hidden { what: "document", dataset },
            error => error,
        },
    )?;
    let document = find(&app, &collection, &id).await?;
    Ok(Gives::mark(collection.id, "document", serve(&document, &method, &headers)?))
}

/// A document of a collection, if it is there; once an incarnation is named, that one alone.
pub async fn find_shared(
    app: &App,
    collection: &Dataset,
    (id, incarnation): (&str, Option<&str>),
) -> Result<Option<Document>> {
    let document = app.documents.get(collection, id).await?;
    Ok(document.filter(|document| incarnation.is_none_or(|incarnation| document.incarnation == incarnation)))
}

pub fn serve(document: &Document, method: &Method, headers: &HeaderMap) -> Result<Response> {
    let mut answer = HeaderMap::with_capacity(HEADERS_MAX_USUAL);
    answer.insert(ETAG, HeaderValue::from_str(&document.etag).map_err(Error::internal)?);
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(VARY, HeaderValue::from_static("Authorization"));
    if is_fresh(headers, &document.etag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    user_bytes(&mut answer);
    answer.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer.insert(CONTENT_LENGTH, HeaderValue::from(document.body.len()));
    let body = if method == Method::HEAD { Bytes::new() } else { document.body.clone() };
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = answer;
    Ok(response)
}

/// `DELETE /v1/documents/{collection}/{id}`: hides it.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
    _: Query<NoParameters>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let collection = app.catalogue.find(&caller, Action::Write, Kind::Collection, &collection).await?;
    let condition = precondition(&headers)?;
    let work = app.documents.delete(&caller, &collection, &id, &condition);
    Intent::around(&app.catalogue, &caller, ("delete", &collection, &id), work).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/documents/{collection}/{id}/restore`
pub async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let collection = app.catalogue.find(&caller, Action::Write, Kind::Collection, &collection).await?;
    let work = app.documents.restore(&collection, &id);
    let document = Intent::around(&app.catalogue, &caller, ("restore", &collection, &id), work).await?;
    Ok(axum::Json(describe(&app, &collection, &document)))
}

/// A page of documents in the order of their ids' bytes.
#[derive(Serialize)]
pub struct List {
    documents: Vec<Entry>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    etag: String,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: time::OffsetDateTime,
    body: Box<RawValue>,
}

/// `GET /v1/documents/{collection}`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(collection): Path<String>,
    Query(query): Query<PageOf>,
) -> Result<Response, Problem> {
    let collection = app.catalogue.find(&caller, Action::Read, Kind::Collection, &collection).await?;
    let page = list_of(&app, &collection, query).await?;
    Ok(Gives::mark(collection.id, "documents", axum::Json(page).into_response()))
}

/// A page of a collection.
pub async fn list_of(app: &App, collection: &Dataset, query: PageOf) -> Result<List> {
    let list = format!("documents {}", collection.id);
    let page: Paging<'_, String> = Paging::of(app, list, (query.cursor.as_deref(), query.limit))?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let found = app.documents.list(collection, page.behind.as_deref(), limit).await?;
    let next = found.documents.last().filter(|_| found.more).map(|last| page.next(&last.id)).transpose()?;
    let documents = found.documents.into_iter().map(Entry::new).collect::<Result<_>>()?;
    Ok(List { documents, next })
}

/// All of a collection as NDJSON, one document a line, page by page; a failure midway breaks the transfer.
pub fn lines_of(app: &App, collection: &Dataset) -> Result<Response> {
    let (documents, limit) = (app.documents.clone(), app.config.limits.page_rows_max);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut answer = HeaderMap::new();
    user_bytes(&mut answer);
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let saved = disposition("attachment", &format!("{}.ndjson", collection.name));
    answer.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&saved).map_err(Error::internal)?);
    let collection = collection.clone();
    let pages = stream::try_unfold(Some(None::<String>), move |after| {
        let (documents, collection) = (documents.clone(), collection.clone());
        async move {
            let Some(after) = after else { return Ok::<_, Error>(None) };
            let page = documents.list(&collection, after.as_deref(), limit).await?;
            let next = page.documents.last().filter(|_| page.more).map(|last| Some(last.id.clone()));
            let mut lines = Vec::new();
            for document in page.documents {
                let begun = lines.len();
                serde_json::to_writer(&mut lines, &Entry::new(document)?).map_err(Error::internal)?;
                // JSON has them between its tokens alone.
                lines[begun..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
                lines.push(b'\n');
            }
            Ok(Some((Bytes::from(lines), next)))
        }
    });
    Ok((answer, Body::from_stream(pages)).into_response())
}

impl Entry {
    fn new(document: Document) -> Result<Self> {
        let body = String::from_utf8(document.body.to_vec()).map_err(Error::internal)?;
        let body = RawValue::from_string(body).map_err(Error::internal)?;
        Ok(Self { id: document.id, etag: document.etag, updated_at: document.updated_at, body })
    }
}

/// `GET /v1/collections/{name}`: the descriptor.
pub async fn collection(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let dataset = app.catalogue.find(&caller, Action::Read, Kind::Collection, &name).await?;
    Ok(axum::Json(Descriptor::of(&app, &dataset)))
}

/// `PATCH /v1/collections/{name}`: its title, and who sees it and its documents.
pub async fn patch_collection(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
    Json(changes): Json<DatasetChanges>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let dataset = app.catalogue.describe(&caller, (Kind::Collection, &name), &changes, &Precondition::None).await?;
    Ok(axum::Json(Descriptor::of(&app, &dataset)))
}

/// `DELETE /v1/collections/{name}`: hides it with all its documents.
pub async fn delete_collection(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
) -> Result<StatusCode, Problem> {
    app.catalogue.delete(&caller, Kind::Collection, &name, &Precondition::None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/collections/{name}/restore`
pub async fn restore_collection(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    _: Query<NoParameters>,
) -> Result<axum::Json<Descriptor>, Problem> {
    let dataset = app.catalogue.restore(&caller, Kind::Collection, &name).await?;
    Ok(axum::Json(Descriptor::of(&app, &dataset)))
}
