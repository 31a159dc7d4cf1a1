//! The request that is being answered, for every line of the log, problems and the audit. A span of `tracing` would say the same, at several times the cost: it is registered, entered at each poll, and looked up
//! at each line.

use super::Trace;
use axum::extract::MatchedPath;
use http::Method;
use std::{future::Future, sync::Arc};

tokio::task_local! {
    static REQUEST: RequestContext;
}

/// What is said of a request wherever it is spoken of.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Letters, digits and `-_.` only.
    pub id: Arc<str>,
    pub method: Method,
    /// As it was matched: a share's token or a blob's key is never logged.
    pub route: Option<MatchedPath>,
    pub trace: Trace,
}

impl RequestContext {
    /// The name of its route, or `-`.
    pub fn path(&self) -> &str {
        self.route.as_ref().map_or("-", MatchedPath::as_str)
    }

    /// Does what is done for this request.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        REQUEST.scope(self, work).await
    }

    /// The same for what is done at once, outside of the task that began to answer.
    pub fn sync_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        REQUEST.sync_scope(self.clone(), work)
    }

    /// The request that this task answers, if it does.
    pub fn with<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        REQUEST.try_with(read).ok()
    }
}

/// Of the request that is being answered; empty outside of any.
pub fn request_id() -> Arc<str> {
    RequestContext::with(|request| request.id.clone()).unwrap_or_default()
}

/// For what goes on in a task of its own.
pub fn in_same_request<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let request = RequestContext::with(Clone::clone);
    async move {
        match request {
            Some(request) => request.scope(work).await,
            None => work.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestContext, in_same_request, request_id};
    use crate::http::Trace;
    use http::{HeaderMap, Method};

    #[tokio::test]
    async fn a_task_of_its_own_belongs_to_the_request_only_if_it_is_told_so() {
        let trace = Trace::of(&HeaderMap::new());
        let request = RequestContext { id: "a-1".into(), method: Method::GET, route: None, trace };
        let spawned = || async {
            let told = tokio::spawn(in_same_request(async { request_id() })).await.unwrap();
            (told, tokio::spawn(async { request_id() }).await.unwrap())
        };
        assert_eq!(request.scope(spawned()).await, ("a-1".into(), "".into()));
        assert_eq!(spawned().await, ("".into(), "".into()));
    }
}
