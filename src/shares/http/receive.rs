//! What a holder sends: a file for a drop box, or a form, of files or with the password.

use super::visit::{Visit, logged_path, over};
use crate::{
    app::App,
    blobs::{NewBlob, upload_note},
    catalogue::{Precondition, Replace, blob_key},
    config::Secret,
    error::{Error, Limit, Result},
    guards::http::Counted,
    http::{
        NoParameters, Path, Problem, Query, content_encoding, content_type, guess_content_type, in_time, incoming,
        incoming_field, pump,
    },
    metrics,
    objects::Incoming,
    shares::{Room, may_be_token},
};
use axum::{
    body::Body,
    extract::{FromRequest, Multipart, Request, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE},
};
use serde::Serialize;
use serde_json::json;
use std::mem;

/// A file as it is kept.
#[derive(Debug, Serialize)]
struct Received {
    /// That of the file, or if it was taken, the next that was free.
    name: String,
    size_bytes: u64,
    sha256: Option<String>,
}

#[derive(Debug, Serialize)]
struct AllReceived {
    files: Vec<Received>,
}

/// `PUT /s/{token}/{filename}`: a file for a drop box.
pub async fn put(
    Counted(client): Counted,
    State(app): State<App>,
    Path((token, name)): Path<(String, String)>,
    _: Query<NoParameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Whoever has a token means an upload of their own; a holder has none.
    let reserved = |error| match error {
        Error::NotFound { what: "share" } if headers.contains_key(AUTHORIZATION) && !may_be_token(&token) => {
            Error::NameReserved { name: "s".to_owned() }
        }
        error => error,
    };
    let visit = Visit::begin(&app, (&token, Some(&name)), Vec::new(), (&Method::PUT, &headers, &client));
    let mut visit = visit.await.map_err(reserved)?;
    let received = async {
        visit.admit_upload().await?;
        let file = File {
            content_type: content_type(&headers).unwrap_or_else(|| guess_content_type(&name)),
            content_encoding: content_encoding(&headers),
            bytes: length(&headers),
            name: name.clone(),
        };
        let room = visit.room(&file).await?;
        visit.expect(&name).await?;
        let incoming = incoming(&app.config, &headers, body)?.at_most(room.bytes);
        visit.receive(file, room, incoming).await
    };
    match received.await {
        Ok(received) => Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], axum::Json(received)).into_response()),
        Err(error) => Err(visit.refuse(error).await?.into()),
    }
}

/// `POST /s/{token}`: a form with files for a drop box, or with the password.
pub async fn post(
    Counted(client): Counted,
    State(app): State<App>,
    Path(token): Path<String>,
    _: Query<NoParameters>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let mut visit = Visit::begin(&app, (&token, None), Vec::new(), (&Method::POST, &headers, &client)).await?;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut kept = Vec::new();
    let answered = match kind.starts_with("multipart/form-data") {
        true => visit.receive_form(request, &mut kept).await,
        false => visit.receive_password(request).await,
    };
    match answered {
        Ok(response) => Ok(response),
        Err(error) => {
            let problem = Problem::from(visit.refuse(error).await?);
            let names: Vec<&str> = kept.iter().map(|file| file.name.as_str()).collect();
            Err(match names.is_empty() {
                true => problem,
                false => problem.with(format!("Kept before that: {}.", names.join(", ")), ("kept", json!(kept))),
            })
        }
    }
}

struct File {
    name: String,
    content_type: String,
    content_encoding: Option<String>,
    /// If they are told.
    bytes: Option<u64>,
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
}

impl Visit<'_> {
    async fn admit_upload(&self) -> Result<()> {
        if self.over {
            return Err(over());
        }
        self.admit().await?;
        match self.share.terms.allow.upload {
            true => Ok(()),
            false => Err(Error::NotShared { action: "uploads" }),
        }
    }

    /// Room for the file, if it may be put here under its name or one like it.
    async fn room(&self, file: &File) -> Result<Room> {
        let key = self.key(&file.name)?;
        let (terms, limits) = (&self.share.terms, &self.app.config.sharing);
        let bytes_max = terms.upload_bytes_max.unwrap_or(limits.drop_box_bytes_max);
        let files_max = terms.upload_files_max.unwrap_or(limits.drop_box_files_max);
        self.app
            .shares
            .take_room((self.share.id, &self.maker()), &upload_note(&key), (bytes_max, files_max), file.bytes)
            .await
    }

    fn key(&self, name: &str) -> Result<String> {
        if name.contains('/') {
            let detail = "a file is put right into the folder of its link, without one of its own.";
            return Err(Error::BadName { name: name.to_owned(), detail });
        }
        let key = format!("{}{name}", self.share.folder().unwrap_or_default());
        blob_key(&key)?;
        Ok(key)
    }

    /// Writes down before its first byte that a file comes, so that the log tells of one whose sender goes.
    async fn expect(&mut self, name: &str) -> Result<()> {
        self.hit.outcome = "broken";
        self.hit.path = logged_path(name);
        self.note_now().await
    }

    /// Keeps a file for the share's maker, under its name or the next one that is free: nothing is ever replaced.
    async fn receive(&mut self, file: File, room: Room, incoming: Incoming) -> Result<Received> {
        let blob = NewBlob {
            key: self.key(&file.name)?,
            title: None,
            original_name: None,
            content_type: file.content_type,
            content_encoding: file.content_encoding,
            replace: Replace::Any,
            condition: Precondition::Absent,
        };
        let Room { lease, object_id, bytes: max } = room;
        let full = |error| match error {
            // The room is what bounds it, not the setting.
            Error::Limit { limit: Limit::UploadBytes, max: passed, .. } if passed == max => Error::DropBoxFull {
                detail: format!("This link has room for {max} bytes more, and the file is larger."),
            },
            error => error,
        };
        let maker = self.maker();
        let put = self.app.blobs.put_new(&maker, blob, (lease, object_id), incoming);
        let outcome = put.await.map_err(full)?;
        let dataset = outcome.dataset();
        let version = dataset.current()?;
        let folder = self.share.folder().unwrap_or_default();
        let name = dataset.name.strip_prefix(folder).unwrap_or(&dataset.name).to_owned();
        self.hit.outcome = "uploaded";
        self.hit.format = Some(version.content_type.clone().into());
        self.hit.bytes = Some(version.size_bytes);
        self.hit.path = Some(name.clone());
        self.note_now().await?;
        metrics::share_hit("uploaded");
        self.begin_hit();
        Ok(Received { name, size_bytes: version.size_bytes, sha256: version.sha256.as_deref().map(hex::encode) })
    }

    /// Each file of a form, one after another; those before one that is refused are kept, and log and answer say so.
    async fn receive_form(&mut self, request: Request, kept: &mut Vec<Received>) -> Result<Response> {
        self.admit_upload().await?;
        let (app, idle) = (self.app, self.app.config.times.idle());
        // None of its files is larger than the form.
        let bytes = length(self.headers);
        let unreadable = |detail: String| Error::UnsupportedMediaType { detail };
        let form = Multipart::from_request(request, &()).await;
        let mut form = form.map_err(|error| unreadable(error.body_text()))?;
        while let Some(field) = in_time(idle, form.next_field()).await? {
            // A browser sends an empty name for an input in which nothing was chosen.
            let Some(name) = field.file_name().filter(|name| !name.is_empty()).map(str::to_owned) else { continue };
            // If it is refused, that is what was.
            self.hit.path = logged_path(&name);
            let content_type = content_type(field.headers()).unwrap_or_else(|| guess_content_type(&name));
            let mut file = File { name, content_type, content_encoding: None, bytes };
            let room = match self.room(&file).await {
                Err(Error::DropBoxFull { .. }) => {
                    file.bytes = None;
                    self.room(&file).await?
                }
                room => room?,
            };
            self.expect(&file.name).await?;
            let (incoming, sender) = incoming_field(&app.config);
            let incoming = incoming.at_most(room.bytes);
            let (received, _) = tokio::join!(self.receive(file, room, incoming), pump(idle, field, sender));
            kept.push(received?);
        }
        if kept.is_empty() {
            return Err(Error::invalid("body", "the form holds no file."));
        }
        let accept = self.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        Ok(match accept.starts_with("text/html") {
            // The page says so at this place.
            true => Redirect::to(&format!("/s/{}#received", self.token)).into_response(),
            false => {
                let files = mem::take(kept);
                (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], axum::Json(AllReceived { files })).into_response()
            }
        })
    }

    /// The page behind the form, with a cookie that opens it.
    async fn receive_password(&mut self, request: Request) -> Result<Response> {
        if self.over {
            return Err(over());
        }
        if self.share.terms.password.is_none() && self.share.terms.allow.upload {
            let detail =
                "a file comes in a form, `multipart/form-data`, or by PUT to this address with its name behind it."
                    .to_owned();
            return Err(Error::UnsupportedMediaType { detail });
        }
        let body = incoming(&self.app.config, self.headers, request.into_body())?;
        let form = body.collect(Limit::RequestBytes, self.app.config.limits.request_bytes_max).await?;
        let fields = super::target::pairs(&String::from_utf8_lossy(&form))?;
        let given = fields.into_iter().find_map(|(name, value)| (name == "password").then(|| Secret::new(value)));
        let given = given.ok_or_else(|| Error::invalid("password", "the form has no such field."))?;
        let cookie = self.admit_browser(given).await?;
        self.hit.outcome = "admitted";
        self.note().await?;
        let headers = [(SET_COOKIE, cookie), (CACHE_CONTROL, http::HeaderValue::from_static("no-store"))];
        Ok((headers, Redirect::to(&format!("/s/{}", self.token))).into_response())
    }
}
