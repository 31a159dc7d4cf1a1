//! `POST /`: the files of a form.

use super::{Upload, UploadQuery, receive};
use crate::{
    app::App,
    auth::Caller,
    catalogue::Precondition,
    error::{Error, Result},
    http::{Descriptor, Problem, Query, content_type, in_time, incoming_field, pump, upload_share},
    tables::Options,
};
use axum::{
    extract::{FromRequest, Multipart, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};

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
    let (mut answers, idle) = (Answers::default(), app.config.times.idle());
    loop {
        let field = match in_time(idle, form.next_field()).await {
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
        let (received, broken) = tokio::join!(receive(&app, &caller, upload, incoming), pump(idle, field, sender));
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
