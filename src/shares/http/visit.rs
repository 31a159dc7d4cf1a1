//! `GET` and `HEAD /s/{token}`: who comes with a link, and what is given. In the order of a visit: the share is looked up and the hit written down, both for all who come at that moment together; a password
//! is asked for; the answer is made; a place is taken, where downloads are counted; and then it goes out, counted.

use super::{
    ahead::{Came, come, come_for_bytes},
    body::counted,
    refusal::unknown_link,
};
use crate::{
    app::App,
    auth::Caller,
    catalogue::{Dataset, Kind},
    documents::{self, Document},
    error::{Error, Result},
    guards::http::Counted,
    http::{
        Client, File, PageOf, Path, Problem, Query, disposition, mint, prefers_redirect, redirect, request_id,
        serve_object, until_there,
    },
    metrics,
    shares::{Arrival, Entry, Hit, Share, Target, open_token},
    web::wants_page,
};
use axum::{
    body::HttpBody,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH},
};
use std::sync::Arc;
use uuid::Uuid;

/// `/s/{token}`
pub async fn follow(
    Counted(client): Counted,
    State(app): State<App>,
    Path(token): Path<String>,
    query: Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    visited(&app, (&token, None), query.0, (&method, &headers, &client)).await
}

/// `/s/{token}/{path}`: of a folder the path of a blob in it, of a collection the id of a document; of anything else the name is for people, and the extension chooses
/// a table's format.
pub async fn follow_path(
    Counted(client): Counted,
    State(app): State<App>,
    Path((token, path)): Path<(String, String)>,
    query: Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    visited(&app, (&token, Some(&path)), query.0, (&method, &headers, &client)).await
}

/// Again from its beginning while the database is away, as whatever only reads.
async fn visited(
    app: &App,
    link: (&str, Option<&str>),
    query: Vec<(String, String)>,
    from: (&Method, &HeaderMap, &Client),
) -> Result<Response, Problem> {
    let visit = || async { Visit::begin(app, link, query.clone(), from).await?.answer().await };
    Ok(until_there(app, visit).await?)
}

/// Somebody with a link.
pub struct Visit<'a> {
    pub app: &'a App,
    pub token: &'a str,
    pub path: Option<&'a str>,
    /// Without what is asked of every link.
    pub query: Vec<(String, String)>,
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub client: &'a Client,
    pub share: Arc<Share>,
    pub dataset: Option<Arc<Dataset>>,
    pub over: bool,
    pub hit: Hit,
    /// Read before the hit was written down, or why that failed: nobody waits for the same failure twice.
    document: Option<Result<Arc<Document>>>,
    /// As what it has been written down.
    noted: Option<&'static str>,
    wanted: Wanted,
    redirect: bool,
}

/// In what form a holder wants what is behind the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// As programs do.
    Plain,
    /// `?download`: the bytes to be kept, whoever asks.
    Download,
    /// `?preview`: the bytes for a page that shows them.
    Preview,
    /// A page for a browser's window.
    Page,
}

impl Wanted {
    /// Takes what is asked of every link out of the query.
    fn of((method, path, headers): (&Method, Option<&str>, &HeaderMap), query: &mut Vec<(String, String)>) -> Self {
        let mut flag = |name: &str| {
            let before = query.len();
            // A column can have such a name, and a filter of it a value.
            query.retain(|(given, value)| given != name || !value.is_empty());
            query.len() < before
        };
        match (flag("preview"), flag("download")) {
            (true, _) => Self::Preview,
            (_, true) => Self::Download,
            _ if asks_for_page(path, query, method) && wants_page(headers) => Self::Page,
            _ => Self::Plain,
        }
    }
}

impl<'a> Visit<'a> {
    /// Finds out what is behind the link.
    ///
    /// # Errors
    /// `NotFound` for one that is none of ours.
    pub async fn begin(
        app: &'a App,
        (token, path): (&'a str, Option<&'a str>),
        mut query: Vec<(String, String)>,
        (method, headers, client): (&'a Method, &'a HeaderMap, &'a Client),
    ) -> Result<Self> {
        let way = (method, path, client);
        let (share, generation) = open_token(&app.keys, token).ok_or_else(|| unknown_link(app, None, way))?;
        let wanted = Wanted::of((method, path, headers), &mut query);
        // A client that sends credentials may send them to the redirect's target too.
        let forwards = headers.contains_key(AUTHORIZATION) && !prefers_redirect(headers);
        let redirects = method == Method::GET && wanted == Wanted::Plain && !forwards;
        let redirect = redirects && app.objects.presigner.can_presign().await?;
        let outcome = match (method, wanted) {
            (&Method::HEAD, _) => "asked",
            (&Method::GET, Wanted::Preview) => "previewed",
            (&Method::GET, Wanted::Page) => "page",
            (&Method::GET, Wanted::Plain | Wanted::Download) => "streamed",
            _ => "refused",
        };
        let hit = Hit {
            id: Uuid::now_v7(),
            share,
            outcome,
            request_id: request_id(),
            agent: client.agent.clone(),
            network: app.logged_address(client),
            path: path.and_then(logged_path),
            ..Hit::default()
        };
        let arrival = Arrival { generation, hit, redirect, told: false };
        let Came { entry, hit, document } = match outcome {
            "streamed" => come_for_bytes(app, path, headers, arrival).await?,
            _ => come(app, arrival).await?,
        };
        let Entry { share, dataset, over, noted } = entry.ok_or_else(|| unknown_link(app, Some(share), way))?;
        Ok(Self {
            app,
            token,
            path,
            query,
            method,
            headers,
            client,
            share,
            dataset,
            over,
            hit,
            document,
            noted,
            wanted,
            redirect,
        })
    }

    /// In whose name a folder is read and filled, for the holder who does.
    pub fn maker(&self) -> Caller {
        let mut maker = self.share.maker.clone();
        let origin = &mut maker.origin;
        (origin.request_id, origin.agent) = (self.hit.request_id.clone(), self.client.agent.clone());
        origin.address = Some(self.client.address);
        maker
    }

    /// Whether a browser's window has come without a password, to be asked for it.
    pub fn is_only_asked(&self) -> bool {
        self.wanted == Wanted::Page && !self.headers.contains_key(AUTHORIZATION)
    }

    async fn answer(mut self) -> Result<Response> {
        match self.give().await {
            Ok(response) => self.conclude(response).await,
            Err(error) => Err(Box::pin(self.refuse(error)).await?),
        }
    }

    /// Writes down that nothing is given, and gives why.
    pub async fn refuse(&mut self, error: Error) -> Result<Error> {
        self.hit.outcome = match error {
            Error::Gone { .. } => "over",
            Error::PasswordNeeded => "password",
            Error::Interrupted { .. } => "broken",
            _ => "refused",
        };
        metrics::share_hit(self.hit.outcome);
        self.tell_audit(&error);
        if self.noted != Some(self.hit.outcome) {
            self.note_now().await?;
        }
        Ok(error)
    }

    /// Before anything is given it is written down; what is added to that can wait.
    pub async fn note(&mut self) -> Result<()> {
        match self.noted.replace(self.hit.outcome) {
            None => self.app.shares.note(self.hit.clone()).await,
            Some(noted) if noted == self.hit.outcome => Ok(()),
            Some(_) => {
                self.app.shares.note_later(self.hit.clone());
                Ok(())
            }
        }
    }

    /// Writes down what is known by now, whatever has been before.
    pub async fn note_now(&mut self) -> Result<()> {
        self.noted = Some(self.hit.outcome);
        self.app.shares.note(self.hit.clone()).await
    }

    /// Whatever comes next is told by a line of its own.
    pub fn begin_hit(&mut self) {
        self.noted = None;
        self.hit =
            Hit { id: Uuid::now_v7(), outcome: "refused", format: None, path: None, bytes: None, ..self.hit.clone() };
    }

    async fn conclude(mut self, response: Response) -> Result<Response> {
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            self.hit.outcome = "unchanged";
        }
        metrics::share_hit(self.hit.outcome);
        if self.wanted == Wanted::Page || self.method != Method::GET || !status.is_success() {
            self.note().await?;
            return Ok(response);
        }
        // It goes out as one piece, which the log has already.
        if self.hit.bytes.is_some() && self.noted == Some(self.hit.outcome) {
            return Ok(response);
        }
        // What is in a folder can be looked at, with a page or without.
        let place = match self.share.terms.downloads_max.is_some() && self.hit.outcome != "listed" {
            true => match Box::pin(self.take_place(response.headers())).await {
                Ok(taken) => Some(taken),
                Err(error) => return Err(self.refuse(error).await?),
            },
            false => None,
        };
        // What has been written down of it already, its end will tell better.
        if self.noted.is_none() {
            self.hit.bytes = response.body().size_hint().exact();
            self.note().await?;
        }
        let (mut place, cookie) = place.unzip();
        // Of an answer without bytes nobody asks for the last one.
        let empty = response.headers().get(CONTENT_LENGTH).is_some_and(|length| length == "0");
        if let Some(place) = place.take_if(|_| empty) {
            Box::pin(self.app.shares.give(&place, self.app.config.times.lease())).await?;
        }
        let mut response = counted(self.app, self.hit, place, response);
        response.headers_mut().extend(cookie.flatten());
        Ok(response)
    }

    /// Long ways are boxed: the short ones, which a link that many follow takes, would carry the room for them along.
    async fn give(&mut self) -> Result<Response> {
        if self.over {
            return Err(over());
        }
        self.admit().await?;
        // A folder below what is none is found nowhere.
        if self.wanted == Wanted::Page && (self.path.is_none() || self.dataset.is_none()) {
            return Box::pin(self.give_page()).await;
        }
        self.check_allowed()?;
        let Some(dataset) = self.dataset.clone() else { return Box::pin(self.give_folder()).await };
        let folders = self.path.is_some_and(|path| path.contains('/'));
        match (&self.share.clone().target, dataset.kind) {
            (Target::Dataset(_), Kind::Collection) => Box::pin(self.give_collection(&dataset)).await,
            _ if folders => Err(Error::NotFound { what: "page" }),
            (Target::Document { id, incarnation, .. }, _) => {
                let id = (id.as_str(), Some(incarnation.as_str()));
                let document = match self.document.take() {
                    Some(read) => read?,
                    None => documents::http::find_shared(self.app, &dataset, id).await?.ok_or_else(over)?.into(),
                };
                self.hit.format = Some("json".into());
                self.document(&document)
            }
            (_, Kind::Blob) => self.give_blob(&dataset).await,
            _ => Box::pin(self.give_rows(Arc::unwrap_or_clone(dataset))).await,
        }
    }

    /// What shows bytes needs one right, what gives them another. A preview is of a blob, and never of what is counted.
    fn check_allowed(&self) -> Result<()> {
        let terms = &self.share.terms;
        let blob = self.dataset.as_ref().is_none_or(|dataset| dataset.kind == Kind::Blob);
        match (self.wanted == Wanted::Preview, self.share.folder()) {
            (_, Some(_)) if self.lists() => Ok(()),
            (true, _) if terms.allow.view && terms.downloads_max.is_none() && blob => Ok(()),
            (true, _) => Err(Error::NotShared { action: "previews" }),
            (false, _) if terms.allow.download => Ok(()),
            (false, _) => Err(Error::NotShared { action: "downloads" }),
        }
    }

    /// Redirects to a URL minted now, or streams: for HEAD, when the caller's `Authorization` would be forwarded to S3 and it did not ask for that, when downloads are counted, and when the signer's
    /// credentials are about to expire.
    pub async fn give_blob(&mut self, dataset: &Dataset) -> Result<Response> {
        let version = dataset.current()?;
        self.hit.format = Some(version.content_type.clone().into());
        if self.redirect
            && self.share.terms.downloads_max.is_none()
            && let Some(presigned) = mint(self.app, dataset, None).await?
        {
            self.hit.outcome = "redirected";
            return redirect(&presigned);
        }
        let mut file = File::of(dataset, version);
        if self.wanted == Wanted::Download {
            let name = dataset.name.rsplit('/').next().unwrap_or(&dataset.name);
            file.presentation.content_disposition = disposition("attachment", name);
        }
        Box::pin(serve_object(&self.app.objects, self.method, self.headers, &file)).await
    }

    /// All documents, in pages or to be kept, or one by its id.
    async fn give_collection(&mut self, collection: &Dataset) -> Result<Response> {
        self.hit.format = Some("json".into());
        match self.path {
            None if self.wanted == Wanted::Download && self.query.is_empty() => {
                self.hit.format = Some("ndjson".into());
                documents::http::lines_of(self.app, collection)
            }
            None => {
                let query = PageOf::parse(&self.query)?;
                let list = documents::http::list_of(self.app, collection, query).await?;
                Ok(([(CACHE_CONTROL, "private, no-cache")], axum::Json(list)).into_response())
            }
            Some(id) => {
                let found = documents::http::find_shared(self.app, collection, (id, None)).await?;
                let found = found.ok_or(Error::NotFound { what: "document" })?;
                self.document(&found)
            }
        }
    }

    fn document(&self, document: &Document) -> Result<Response> {
        let mut response = documents::http::serve(document, self.method, self.headers)?;
        if self.wanted == Wanted::Download {
            let saved = HeaderValue::from_str(&disposition("attachment", &document.file_name()));
            response.headers_mut().insert(CONTENT_DISPOSITION, saved.map_err(Error::internal)?);
        }
        Ok(response)
    }
}

/// Whether the address is that of a page: no name of a file, and no parameter but where a list goes on.
fn asks_for_page(path: Option<&str>, query: &[(String, String)], method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && path.is_none_or(|path| path.ends_with('/'))
        && query.iter().all(|(name, _)| name == "cursor")
}

/// Postgres has no NUL in its texts.
pub fn logged_path(path: &str) -> Option<String> {
    (!path.contains('\0')).then(|| path.to_owned())
}

/// What a holder is told, whatever ended the link.
pub fn over() -> Error {
    Error::Gone { detail: "This link has expired, was revoked or used up, or what it led to was deleted.".to_owned() }
}
