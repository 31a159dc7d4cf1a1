//! `/v1/jobs`, and the answer 202 that names one.

use crate::{
    app::App,
    auth::Caller,
    catalogue::{Job, Progress},
    error::{Error, Result},
    http::{NoParameters, Path, Problem, Query, encode_path, in_same_request},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, LOCATION, RETRY_AFTER},
};
use serde_json::{Value, json};
use std::{future::Future, sync::Arc, time::Duration};
use uuid::Uuid;

/// Between two reports of progress, and so the longest that a cancelled job goes on.
const REPORT_TIME: Duration = Duration::from_millis(500);

/// Whether the client would rather not wait: RFC 7240, section 4.1.
pub fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}

/// Begins a job and answers 202 once the whole body has come; `work` goes on without the client. It counts its progress and, given the job's id, ends the job in
/// the commit that publishes.
pub async fn respond_async<W>(
    app: &App,
    caller: &Caller,
    (kind, target): (&str, &str),
    work: impl FnOnce(Uuid, Arc<Progress>) -> W,
) -> Result<Response>
where
    W: Future<Output = Result<()>> + Send + 'static,
{
    let job = app.catalogue.begin_job(caller, kind, target).await?;
    let progress = Arc::new(Progress::default());
    let running = run(app.clone(), job.id, work(job.id, Arc::clone(&progress)), Arc::clone(&progress));
    let task = tokio::spawn(in_same_request(running));
    tokio::select! {
        () = progress.received() => {}
        ended = task => ended.map_err(Error::internal)?,
    }
    let job = app.catalogue.job(caller, job.id).await?;
    let headers = [(LOCATION, url(app, &job)), (RETRY_AFTER, "1".to_owned()), (CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(describe(app, &job))).into_response())
}

/// Reports until the work ends, or ends the work once the job is cancelled.
async fn run(app: App, job: Uuid, work: impl Future<Output = Result<()>>, progress: Arc<Progress>) {
    let watched = async {
        loop {
            tokio::time::sleep(REPORT_TIME).await;
            match app.catalogue.report_job(job, &progress).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(job.id = %job, ?error, "the progress of a job was not reported"),
            }
        }
    };
    let (state, problem) = tokio::select! {
        biased;
        done = work => match done {
            // The commit of a new version has ended the job; another end is ours to note.
            Ok(()) => ("finished", None),
            Err(error) => ("failed", Some(Problem::from(error).render().1)),
        },
        () = watched => ("cancelled", None),
    };
    if let Err(error) = app.catalogue.end_job(job, state, problem.as_ref(), &progress).await {
        tracing::warn!(job.id = %job, ?error, "the end of a job was not recorded; the sweep will call it failed");
    }
}

/// `GET /v1/jobs`: the caller's newest.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    _: Query<NoParameters>,
) -> Result<axum::Json<Value>, Problem> {
    let jobs = app.catalogue.jobs(&caller).await?;
    let items: Vec<_> = jobs.iter().map(|job| describe(&app, job)).collect();
    Ok(axum::Json(json!({ "items": items })))
}

/// `GET /v1/jobs/{id}`
pub async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<Response, Problem> {
    let job = app.catalogue.job(&caller, id).await?;
    Ok(answer(&app, &job, StatusCode::OK))
}

/// `DELETE /v1/jobs/{id}`: cancels it.
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    _: Query<NoParameters>,
) -> Result<Response, Problem> {
    let job = app.catalogue.cancel_job(&caller, id).await?;
    Ok(answer(&app, &job, StatusCode::ACCEPTED))
}

fn answer(app: &App, job: &Job, status: StatusCode) -> Response {
    let mut headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
    if job.state == "running" {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    (status, headers, axum::Json(describe(app, job))).into_response()
}

fn url(app: &App, job: &Job) -> String {
    format!("{}/v1/jobs/{}", app.public_url, job.id)
}

fn describe(app: &App, job: &Job) -> Value {
    let time = |time: time::OffsetDateTime| time.format(&time::format_description::well_known::Rfc3339).ok();
    let mut described = json!({
        "id": job.id,
        "kind": job.kind,
        "target": job.target,
        "state": job.state,
        "bytes": job.bytes,
        "rows": job.rows,
        "created_at": time(job.created_at),
        "updated_at": time(job.updated_at),
        "finished_at": job.finished_at.map(time),
        "links": {
            "self": url(app, job),
            "target": format!("{}/v1/tables/{}", app.public_url, encode_path(&job.target)),
        },
    });
    if let Some(problem) = &job.problem {
        described["problem"] = problem.clone();
    }
    described
}
