//! `GET` and `HEAD /s/{token}`: who comes with a link, and what is given. In the order of a visit: the share is looked up and the hit written down, both for all who come at that moment together; a password
//! is asked for; the answer is made; a place is taken, where downloads are counted; and then it goes out, counted.

use super::{body::counted, refusal::unknown_link};
use crate::{
    app::App,
    catalogue::{Dataset, Kind},
    documents,
    error::{Error, Result},
    http::{Client, File, PageOf, Path, Problem, Query, REQUEST_ID, disposition, mint, prefers_redirect, serve_object},
    metrics,
    shares::{Arrival, Hit, Share, Target, open_token},
    web::wants_page,
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH},
};
use uuid::Uuid;

/// `/s/{token}`
pub async fn follow(
    State(app): State<App>,
    Path(token): Path<String>,
    query: Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
    client: Client,
) -> Result<Response, Problem> {
    Ok(Visit::begin(&app, (&token, None), query.0, (&method, &headers, &client)).await?.answer().await?)
}

/// `/s/{token}/{path}`: of a folder the path of a blob in it, of a collection the id of a document; of anything else the name is for people, and the extension chooses
/// a table's format.
pub async fn follow_path(
    State(app): State<App>,
    Path((token, path)): Path<(String, String)>,
    query: Query<Vec<(String, String)>>,
    method: Method,
    headers: HeaderMap,
    client: Client,
) -> Result<Response, Problem> {
    Ok(Visit::begin(&app, (&token, Some(&path)), query.0, (&method, &headers, &client)).await?.answer().await?)
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
    pub share: Share,
    pub dataset: Option<Dataset>,
    pub hit: Hit,
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
        let mut flag = |name: &str| {
            let before = query.len();
            // A column can have such a name, and a filter of it a value.
            query.retain(|(given, value)| given != name || !value.is_empty());
            query.len() < before
        };
        let wanted = match (flag("preview"), flag("download")) {
            (true, _) => Wanted::Preview,
            (_, true) => Wanted::Download,
            _ if asks_for_page(path, &query, method) && wants_page(headers) => Wanted::Page,
            _ => Wanted::Plain,
        };
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
            request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
            agent: client.agent.as_ref().map(ToString::to_string),
            network: app.logged_address(client),
            path: path.and_then(logged_path),
            ..Hit::default()
        };
        let outcomes = (if redirect { "redirected" } else { outcome }, outcome);
        let entry = app.shares.enter(Arrival { share, generation, outcomes, hit: hit.clone() }).await?;
        let entry = entry.ok_or_else(|| unknown_link(app, Some(share), way))?;
        let (mut share, dataset) = (entry.share, entry.dataset);
        let origin = &mut share.maker.origin;
        origin.request_id = hit.request_id.as_str().into();
        (origin.address, origin.agent) = (Some(client.address), client.agent.clone());
        let is_blob = dataset.as_ref().is_some_and(|dataset| dataset.kind == Kind::Blob);
        let noted = match (entry.noted, share.over, is_blob) {
            (false, ..) => None,
            (true, true, _) => Some("over"),
            (true, false, true) => Some(outcomes.0),
            (true, false, false) => Some(outcomes.1),
        };
        let visit =
            Self { app, token, path, query, method, headers, client, share, dataset, hit, noted, wanted, redirect };
        Ok(visit)
    }

    /// Whether a browser's window has come without a password, to be asked for it.
    pub fn is_only_asked(&self) -> bool {
        self.wanted == Wanted::Page && !self.headers.contains_key(AUTHORIZATION)
    }

    async fn answer(mut self) -> Result<Response> {
        match self.give().await {
            Ok(response) => self.conclude(response).await,
            Err(error) => Err(self.refuse(error).await?),
        }
    }

    /// Writes down that nothing is given, and gives why.
    pub async fn refuse(&mut self, error: Error) -> Result<Error> {
        self.hit.outcome = match error {
            Error::Gone { .. } => "over",
            Error::PasswordNeeded => "password",
            _ => "refused",
        };
        metrics::share_hit(self.hit.outcome);
        self.tell_audit(&error);
        if self.noted != Some(self.hit.outcome) {
            self.app.shares.note(self.hit.clone()).await?;
            self.noted = Some(self.hit.outcome);
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
        let place = match self.share.terms.downloads_max.is_some() {
            true => match self.take_place(&response.headers().clone()).await {
                Ok(taken) => Some(taken),
                Err(error) => return Err(self.refuse(error).await?),
            },
            false => None,
        };
        // What has been written down of it already, its end will tell better.
        if self.noted.is_none() {
            self.note().await?;
        }
        let (mut place, cookie) = place.unzip();
        // Of an answer without bytes nobody asks for the last one.
        let empty = response.headers().get(CONTENT_LENGTH).is_some_and(|length| length == "0");
        if let Some(place) = place.take_if(|_| empty) {
            self.app.shares.give(&place, self.app.config.times.lease()).await?;
        }
        let mut response = counted(self.app, self.hit, place, response);
        response.headers_mut().extend(cookie.flatten());
        Ok(response)
    }

    async fn give(&mut self) -> Result<Response> {
        if self.share.over {
            return Err(over());
        }
        self.admit().await?;
        // A folder below what is none is found nowhere.
        if self.wanted == Wanted::Page && (self.path.is_none() || self.dataset.is_none()) {
            return self.give_page().await;
        }
        self.check_allowed()?;
        let Some(dataset) = self.dataset.clone() else { return self.give_folder().await };
        let folders = self.path.is_some_and(|path| path.contains('/'));
        match (&self.share.target.clone(), dataset.kind) {
            (Target::Dataset(_), Kind::Collection) => self.give_collection(&dataset).await,
            _ if folders => Err(Error::NotFound { what: "page" }),
            (Target::Document { id, incarnation, .. }, _) => {
                let id = (id.as_str(), Some(incarnation.as_str()));
                let document = documents::http::find_shared(self.app, &dataset, id).await?.ok_or_else(over)?;
                self.hit.format = Some("json".to_owned());
                documents::http::serve(document, self.method, self.headers)
            }
            (_, Kind::Blob) => self.give_blob(&dataset).await,
            _ => self.give_rows(dataset).await,
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
        let mut file = File::of(dataset, dataset.current()?);
        self.hit.format = Some(file.presentation.content_type.clone());
        if self.redirect
            && self.share.terms.downloads_max.is_none()
            && let Some(presigned) = mint(self.app, dataset, None).await?
        {
            self.hit.outcome = "redirected";
            return Ok(([(CACHE_CONTROL, "no-store")], Redirect::temporary(&presigned.url)).into_response());
        }
        if self.wanted == Wanted::Download {
            let name = dataset.name.rsplit('/').next().unwrap_or(&dataset.name);
            file.presentation.content_disposition = disposition("attachment", name);
        }
        serve_object(&self.app.objects, self.method, self.headers, &file).await
    }

    /// All documents in pages, or one by its id.
    async fn give_collection(&mut self, collection: &Dataset) -> Result<Response> {
        self.hit.format = Some("json".to_owned());
        match self.path {
            None => {
                let query = PageOf::parse(&self.query)?;
                let list = documents::http::list_of(self.app, collection, query).await?;
                Ok(([(CACHE_CONTROL, "private, no-cache")], axum::Json(list)).into_response())
            }
            Some(id) => {
                let found = documents::http::find_shared(self.app, collection, (id, None)).await?;
                let found = found.ok_or(Error::NotFound { what: "document" })?;
                documents::http::serve(found, self.method, self.headers)
            }
        }
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
