//! `POST /`: the files of a form.

use super::{Upload, UploadQuery, receive};
use crate::{
    app::App,
    auth::Caller,
    catalogue::Precondition,
    error::{Error, Result},
    http::{Descriptor, Problem, Query, content_type, incoming_field, upload_share},
    tables::Options,
};
use axum::{
    extract::{
        FromRequest, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};
use std::future::Future;
use tokio::{sync::mpsc::Sender, time::timeout};

/// `POST /`: every file of a `multipart/form-data` form, one after another. The answer lists what became of each; its status is that of the first failure.
pub async fn post(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<Response, Problem> {
    if query.dry_run {
        return Err(Error::invalid("dry_run", "it is of use for one file at a time: `PUT` it.").into());
    }
    let unreadable = |detail: String| Error::UnsupportedMediaType { detail };
    let share = upload_share(&app, query.share.as_deref())?;
    // What no file can be told is wrong with the request, not with each of its files.
    Options::parse(&query.told)?;
    let form = Multipart::from_request(request, &()).await;
    let mut form =
        form.map_err(|error| unreadable(format!("Send the files as `multipart/form-data`: {}", error.body_text())))?;
    let mut answers = Answers::default();
    loop {
        let field = match in_time(&app, form.next_field()).await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(error) if answers.files.is_empty() => return Err(error.into()),
            // The files before may be stored, and the answer says so.
            Err(error) => {
                answers.add(None, Err(error));
                break;
            }
        };
        // A browser sends an empty name for an input in which nothing was chosen.
        let Some(path) = field.file_name().filter(|name| !name.is_empty()).map(str::to_owned) else { continue };
        if query.name.is_some() && !answers.files.is_empty() {
            let detail = "it can name one file only, and the form holds several.";
            answers.add(Some(&path), Err(Error::invalid("name", detail)));
            break;
        }
        let upload = Upload {
            content_type: content_type(field.headers()),
            content_encoding: None,
            condition: Precondition::None,
            query: query.clone(),
            share,
            path: path.clone(),
        };
        let (incoming, sender) = incoming_field(&app.config);
        let (received, broken) = tokio::join!(receive(&app, &caller, upload, incoming), pump(&app, field, sender));
        answers.add(Some(&path), received);
        if broken {
            break;
        }
    }
    if answers.files.is_empty() {
        return Err(Error::invalid("body", "the form holds no file.").into());
    }
    let status = answers.failed.unwrap_or(StatusCode::CREATED);
    let body = axum::Json::<Value>(json!({ "files": answers.files }));
    Ok((status, [(CACHE_CONTROL, "no-store")], body).into_response())
}

/// What became of the files of a form so far.
#[derive(Default)]
struct Answers {
    files: Vec<Value>,
    /// The status of the first that failed.
    failed: Option<StatusCode>,
}

impl Answers {
    fn add(&mut self, path: Option<&str>, received: Result<(Descriptor, bool)>) {
        self.files.push(match received {
            Ok((descriptor, created)) => {
                json!({ "file": path, "status": if created { 201 } else { 200 }, "descriptor": descriptor })
            }
            Err(error) => {
                let (status, problem) = Problem::from(error).render();
                self.failed.get_or_insert(status);
                json!({ "file": path, "status": status.as_u16(), "problem": problem })
            }
        });
    }
}

/// Passes the bytes of a field on, and answers whether the form broke off in it. After a refusal the rest of the field is skipped, so that the next file can
/// be read.
async fn pump(app: &App, mut field: Field<'_>, sender: Sender<Result<Bytes>>) -> bool {
    while let Some(chunk) = in_time(app, field.chunk()).await.transpose() {
        let broken = chunk.is_err();
        sender.send(chunk).await.unwrap_or_default();
        if broken {
            return true;
        }
    }
    false
}

/// A form that stalls is given up, as any upload is.
async fn in_time<T>(app: &App, reading: impl Future<Output = Result<T, MultipartError>>) -> Result<T> {
    let idle = app.config.times.idle();
    let late = |_| Error::Interrupted { detail: format!("no byte came for {} s", idle.as_secs()) };
    timeout(idle, reading).await.map_err(late)?.map_err(|error| Error::Interrupted { detail: error.body_text() })
}
