//! `PUT /{path}`: one file; `form` has `POST /`, the files of a form.

mod form;

pub use form::post;

use super::evidence::{As, Evidence, INBOX, RESERVED, Route};
use crate::{
    app::App,
    audit::Intent,
    auth::Caller,
    blobs::NewBlob,
    catalogue::{Kind, Precondition, Replace},
    documents::{self, Put},
    error::{Error, Limit, Result},
    http::{
        Descriptor, Path, Problem, Query, answer_upload, check_share, content_encoding, content_type, flag,
        guess_content_type, incoming, plain_document, precondition, upload_share,
    },
    jobs::http::prefers_async,
    objects::Incoming,
    shares::may_be_token,
    tables::{
        Hint, NewTableFile, Options, Schema, TableFormat, Told,
        http::{key_columns, put_async},
    },
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// Of a parameter of tables, at an upload of something else.
const NO_TABLE: &str = "it is of use for tables only, and this file is none; send `?as=table` if it is.";

/// Enough to tell JSON's kinds apart, behind a licence header even.
const BEGINNING_BYTES: usize = 4096;

#[derive(Debug, Clone, Default, Deserialize)]
pub struct UploadQuery {
    /// `blob`, `table` or `document`, instead of our judgement.
    r#as: Option<As>,
    /// A name of the caller's choice; of a document `id` or `collection/id`.
    name: Option<String>,
    /// Replaces what has the name, whoever made it and from whatever file.
    #[serde(default, deserialize_with = "flag")]
    replace: bool,
    /// Makes or extends a share link, such as `7d`.
    share: Option<String>,
    /// Of a table: what a replace may do to the columns.
    #[serde(default)]
    schema: Schema,
    /// Of a table: columns that make each row unique.
    key: Option<String>,
    /// Of a table: what would happen, and nothing is written.
    #[serde(default, deserialize_with = "flag")]
    dry_run: bool,
    /// Of a table: how the file is to be read.
    #[serde(flatten)]
    told: Told,
}

/// A file on its way in.
struct Upload {
    path: String,
    content_type: Option<String>,
    content_encoding: Option<String>,
    condition: Precondition,
    query: UploadQuery,
    share: Option<Duration>,
}

/// `PUT /{path}`: what `curl -T file http://host/` sends.
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<String>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let upload = Upload {
        path,
        content_type: content_type(&headers),
        content_encoding: content_encoding(&headers),
        condition: precondition(&headers)?,
        share: upload_share(&app, query.share.as_deref())?,
        query,
    };
    let mut incoming = incoming(&app.config, &headers, body)?;
    let (dry_run, later) = (upload.query.dry_run, prefers_async(&headers));
    if dry_run || later {
        let route = judge(&upload, &incoming.peek(BEGINNING_BYTES).await?)?.0;
        if let Route::Table { name, format } = route {
            let file = table_file(&upload, name, format)?;
            if dry_run {
                return Ok(axum::Json(app.tables.rehearse_put(&caller, file, incoming).await?).into_response());
            }
            check_share(&caller, upload.share, Kind::Table, &file.name)?;
            return Ok(put_async(&app, &caller, file, upload.share, incoming).await?);
        }
        if dry_run {
            return Err(Error::invalid("dry_run", NO_TABLE).into());
        }
    }
    let (descriptor, created) = receive(&app, &caller, upload, incoming).await?;
    Ok(answer_upload(&descriptor, created))
}

/// `PUT /?name=…`: newer versions of curl add no file name to an address with a query.
pub async fn put_named(
    state: State<App>,
    caller: Caller,
    query: Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let detail = "without a file name in the path it says what to call the upload; or write the name before the `?`, as in `/sales.csv?share=7d`.";
    let path = query.0.name.clone().ok_or_else(|| Error::invalid("name", detail))?;
    put(state, caller, Path(path), query, headers, body).await
}

fn judge(upload: &Upload, beginning: &[u8]) -> Result<(Route, String)> {
    let evidence = Evidence {
        path: &upload.path,
        told: upload.query.r#as,
        name: upload.query.name.as_deref(),
        content_type: upload.content_type.as_deref(),
        beginning,
    };
    evidence.judge()
}

async fn receive(app: &App, caller: &Caller, upload: Upload, mut incoming: Incoming) -> Result<(Descriptor, bool)> {
    let (route, because) = judge(&upload, &incoming.peek(BEGINNING_BYTES).await?)?;
    if !matches!(route, Route::Table { .. } | Route::Json { .. }) {
        upload.only_for_tables()?;
    }
    let (mut descriptor, created) = match route {
        Route::Blob { key } => put_blob(app, caller, &upload, key, incoming).await?,
        Route::Table { name, format } => put_table(app, caller, &upload, name, format, incoming).await?,
        Route::Document { collection, id } => {
            let body = incoming.collect(Limit::DocumentBytes, app.config.limits.document_bytes_max).await?;
            put_document(app, caller, &upload, (&collection, &id), body).await?
        }
        Route::Json { id, key } => return receive_json(app, caller, &upload, (id, key), because, incoming).await,
    };
    descriptor.routed_because = Some(because);
    Ok((descriptor, created))
}

/// A file that begins as a JSON object: a document if it is one object within the limit, a table if it is one object a line, else a blob.
async fn receive_json(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    (id, key): (String, String),
    because: String,
    mut incoming: Incoming,
) -> Result<(Descriptor, bool)> {
    let max = app.config.limits.document_bytes_max;
    let body = incoming.peek(usize::try_from(max).unwrap_or(usize::MAX).saturating_add(1)).await?;
    let values = serde_json::Deserializer::from_slice(documents::value::without_mark(&body))
        .into_iter::<&RawValue>()
        .take(2)
        .flatten()
        .count();
    let ((mut descriptor, created), because) = if values == 2 {
        let name = upload.query.name.clone().map_or_else(|| crate::catalogue::slug(&id), Ok)?;
        (
            put_table(app, caller, upload, name, Some(TableFormat::Ndjson), incoming).await?,
            format!("{because} and holds one object after another, which is a table"),
        )
    } else if body.len() as u64 > max {
        upload.only_for_tables()?;
        (
            put_blob(app, caller, upload, key, incoming).await?,
            format!("{because} but is larger than a document may be ({max} bytes), so it is kept as it is"),
        )
    } else {
        upload.only_for_tables()?;
        // All of it has been read ahead: what follows is the end, where checksums are compared.
        let body = incoming.collect(Limit::DocumentBytes, max).await?;
        let collection = upload
            .query
            .name
            .as_deref()
            .and_then(|name| name.split_once('/'))
            .map_or(INBOX, |(collection, _)| collection);
        (
            put_document(app, caller, upload, (collection, &id), body).await?,
            format!("{because} and holds one object, which is a document"),
        )
    };
    descriptor.routed_because = Some(because);
    Ok((descriptor, created))
}

impl Upload {
    /// Refuses parameters that say how a table is read, of what is none.
    fn only_for_tables(&self) -> Result<()> {
        let known = [
            ("schema", self.query.schema != Schema::default()),
            ("key", self.query.key.is_some()),
            ("dry_run", self.query.dry_run),
        ];
        let given = known.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        match self.query.told.keys().map(String::as_str).chain(given).next() {
            None => Ok(()),
            Some(name) if Options::NAMES.contains(&name) || !self.query.told.contains_key(name) => {
                Err(Error::invalid(name, NO_TABLE))
            }
            Some(name) => Err(Error::invalid(name, "there is no such parameter.")),
        }
    }

    fn replace(&self) -> Replace {
        if self.query.replace { Replace::Any } else { Replace::SameFile }
    }

    fn file_name(&self) -> String {
        self.path.rsplit('/').next().unwrap_or(&self.path).to_owned()
    }
}

async fn put_blob(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    key: String,
    incoming: Incoming,
) -> Result<(Descriptor, bool)> {
    check_share(caller, upload.share, Kind::Blob, &key)?;
    let blob = NewBlob {
        content_type: upload.content_type.clone().unwrap_or_else(|| guess_content_type(&upload.path)),
        content_encoding: upload.content_encoding.clone(),
        key,
        title: Some(upload.file_name()),
        original_name: Some(upload.path.clone()),
        replace: upload.replace(),
        condition: upload.condition.clone(),
    };
    let outcome = app.blobs.put(caller, blob, incoming).await?;
    Descriptor::of_upload(app, caller, &outcome, upload.share).await
}

fn table_file(upload: &Upload, name: String, format: Option<TableFormat>) -> Result<NewTableFile> {
    let key = upload.query.key.as_deref().map(key_columns).transpose()?;
    Ok(NewTableFile {
        name,
        title: Some(upload.file_name()),
        original_name: Some(upload.path.clone()),
        content_type: Some(upload.content_type.clone().unwrap_or_else(|| guess_content_type(&upload.path))),
        content_encoding: upload.content_encoding.clone(),
        hint: Hint { format, ..upload.content_type.as_deref().map(Hint::of_content_type).unwrap_or_default() },
        told: upload.query.told.clone(),
        schema: upload.query.schema,
        key,
        replace: upload.replace(),
        condition: upload.condition.clone(),
        job: None,
    })
}

async fn put_table(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    name: String,
    format: Option<TableFormat>,
    incoming: Incoming,
) -> Result<(Descriptor, bool)> {
    check_share(caller, upload.share, Kind::Table, &name)?;
    let file = table_file(upload, name, format)?;
    let outcome = app.tables.put(caller, file, incoming).await.map_err(suggest_blob)?;
    Descriptor::of_upload(app, caller, &outcome, upload.share).await
}

async fn put_document(
    app: &App,
    caller: &Caller,
    upload: &Upload,
    (collection, id): (&str, &str),
    body: Bytes,
) -> Result<(Descriptor, bool)> {
    plain_document(upload.content_encoding.as_deref())?;
    check_share(caller, upload.share, Kind::Collection, collection)?;
    let collection = documents::http::collection_for(app, caller, collection, &body, &upload.condition)
        .await
        .map_err(suggest_blob)?;
    let file = (upload.path.as_str(), upload.replace());
    let work = app.documents.put_file(caller, &collection, id, body, &upload.condition, file);
    let put = Intent::around(&app.catalogue, caller, ("put", &collection, id), work).await.map_err(suggest_blob)?;
    let mut descriptor = documents::http::describe(app, &collection, put.document());
    descriptor.share(app, caller, upload.share, documents::http::target(&collection, put.document())).await?;
    Ok((descriptor, matches!(put, Put::Created(_))))
}

/// Nothing falls back silently, but the way out is named.
fn suggest_blob(error: Error) -> Error {
    match error {
        Error::Malformed(mut malformed) => {
            let hint = malformed.hint.take().map_or_else(String::new, |hint| hint + " ");
            malformed.hint = Some(hint + "To keep the file as it is, send `?as=blob`.");
            Error::Malformed(malformed)
        }
        error => error,
    }
}

/// A method that an address does not know: 405, but of a file that is put to an address of ours the answer is as of all reserved names.
pub async fn other_method(method: Method, uri: Uri) -> Problem {
    let mut segments = uri.path().split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    if method == Method::PUT && first == "s" && segments.next().is_some_and(may_be_token) {
        let detail = "the name of the file stands behind the link, as in `/s/{token}/report.pdf`; `curl -T` adds it to an address that ends with a slash.";
        return Error::BadName { name: String::new(), detail }.into();
    }
    if method == Method::PUT && first != "v1" && RESERVED.contains(&first) {
        return Error::NameReserved { name: first.to_owned() }.into();
    }
    Error::MethodNotAllowed.into()
}
