//! Who is refused at a link, as the audit is told: they are strangers, counted by link, address and kind of problem.
//!
//! **Invariant.** The token of a link is in no entry, not even one that is none of ours: it may have been one.

use super::visit::Visit;
use crate::{
    app::App,
    audit::{First, Note, Refused},
    auth::Origin,
    error::Error,
    http::{Client, request_id, slug},
    shares::without_token,
};
use http::Method;
use serde_json::json;
use uuid::Uuid;

/// How somebody came: method, path below the link, and from where.
type Way<'a> = (&'a Method, Option<&'a str>, &'a Client);

/// What is told of a link that nobody gave out, or that has a new address by now.
pub fn unknown_link(app: &App, share: Option<Uuid>, way: Way<'_>) -> Error {
    let error = Error::NotFound { what: "share" };
    tell(app, (share, None), way, None, &error);
    error
}

impl Visit<'_> {
    /// Writes down that the link was refused to its holder. What is answered to whoever has every right is no refusal, and neither is a page that asks for the password.
    pub fn tell_audit(&self, error: &Error) {
        let refused = match error {
            Error::PasswordNeeded => !self.is_only_asked(),
            Error::Gone { .. }
            | Error::NotShared { .. }
            | Error::DropBoxFull { .. }
            | Error::TooManyAttempts { .. } => true,
            _ => false,
        };
        if refused {
            let dataset = self.dataset.as_ref().map(|dataset| dataset.id).or(self.share.dataset_id());
            let way = (self.method, self.path, self.client);
            tell(self.app, (Some(self.share.id), dataset), way, self.hit.path.as_deref(), error);
        }
    }
}

fn tell(
    app: &App,
    (share, dataset): (Option<Uuid>, Option<Uuid>),
    (method, path, client): Way<'_>,
    file: Option<&str>,
    error: &Error,
) {
    let (address, problem) = (Some(client.address), slug(error));
    let action = format!("{method} /s/{{token}}{}", path.map_or("", |_| "/{*path}"));
    let refused = Refused { address, token: None, share, dataset: None, action: action.clone(), problem };
    app.audit.refused_later(refused, || {
        let origin = Origin { request_id: request_id(), address, agent: client.agent.clone(), token: None, share };
        let name = share.map_or_else(|| "unknown".to_owned(), |share| share.to_string());
        let note = Note { dataset, ..Note::new("refuse", "share", name) };
        let note = note.with(json!({ "request": action, "problem": problem, "path": file.map(without_token) }));
        First { caller: None, origin, note }
    });
}
