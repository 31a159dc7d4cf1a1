//! Who calls, and what they may do. Whatever finds a dataset asks here.

use super::{Action, Scopes, scope::resource};
use crate::{
    catalogue::Kind,
    config::Visibility,
    error::{Error, Result},
};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// The principal that a request speaks for, and the token by which it does.
#[derive(Debug, Clone)]
pub struct Caller {
    pub principal: Uuid,
    pub name: String,
    /// Administers the service: an admin, by a token with `admin:**`.
    pub admin: bool,
    pub scopes: Arc<Scopes>,
    pub origin: Origin,
    /// An admin, by whatever token.
    is_admin: bool,
}

/// Where a request came from, for the audit.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub request_id: Arc<str>,
    pub address: Option<IpAddr>,
    pub agent: Option<Arc<str>>,
    pub token: Option<Uuid>,
    /// The link that the caller stands for: what is changed through it is its maker's.
    pub share: Option<Uuid>,
}

impl Caller {
    pub fn new(principal: Uuid, name: impl Into<String>, is_admin: bool, scopes: Scopes) -> Self {
        let admin = is_admin && scopes.permit_everywhere(Action::Admin);
        Self { principal, name: name.into(), admin, scopes: scopes.into(), origin: Origin::default(), is_admin }
    }

    /// Somebody without a token, who reads what is public.
    pub fn anonymous() -> Self {
        Self::new(Uuid::nil(), "", false, Scopes::none())
    }

    /// Whoever is on the machine itself.
    pub fn operator() -> Self {
        Self::new(Uuid::max(), "operator on the machine", true, Scopes::everything())
    }

    fn is_anonymous(&self) -> bool {
        self.principal.is_nil()
    }

    /// The same, by a request from there.
    #[must_use]
    pub fn from(&self, origin: Origin) -> Self {
        Self { origin: Origin { token: self.origin.token, ..origin }, ..self.clone() }
    }

    /// What the caller may do to a dataset:
    ///
    /// - it is its own, or its team's: what a scope of the token permits;
    /// - it is somebody else's and private: nothing, but for an admin by a scope `admin`;
    /// - who sees it, `Admin`: its owner says so by a scope `write`, or an admin by a scope `admin`;
    /// - without a token: reading, if it is public.
    pub fn may(&self, action: Action, (kind, name): (Kind, &str), owner: Uuid, visibility: Visibility) -> bool {
        if self.is_anonymous() {
            return action == Action::Read && visibility == Visibility::Public;
        }
        let scoped = |action| self.scopes.permit(action, kind, name);
        let own = owner == self.principal;
        match action {
            Action::Admin => (own && scoped(Action::Write)) || (self.is_admin && scoped(Action::Admin)),
            _ if own || visibility != Visibility::Private => scoped(action),
            _ => self.is_admin && scoped(Action::Admin),
        }
    }

    /// Whether the token reaches so far, judged by the name alone: of what is not there yet.
    ///
    /// # Errors
    /// `ScopeNeeded`, whether or not there is anything of that name.
    pub fn require(&self, action: Action, kind: Kind, name: &str) -> Result<()> {
        if self.scopes.permit(action, kind, name) {
            return Ok(());
        }
        Err(Error::ScopeNeeded { scope: format!("{}:{}", action.as_str(), resource(kind, name)) })
    }

    /// # Errors
    /// If the caller does not administer the service: `Forbidden` if it is no admin, `ScopeNeeded` if another token of an admin might.
    pub fn require_admin(&self) -> Result<()> {
        match self.scopes.permit_everywhere(Action::Admin) {
            _ if self.admin => Ok(()),
            true => Err(Error::Forbidden { action: "do this, which is for admins of the service" }),
            false => Err(Error::ScopeNeeded { scope: Scopes::EVERYTHING.to_owned() }),
        }
    }

    /// What a statement compares names with, as regular expressions: those that a scope lets the caller do this to, and for `Admin` those where it has an admin's
    /// powers. `None` for all.
    pub fn patterns(&self, action: Action) -> Option<Vec<String>> {
        if action == Action::Admin && !self.is_admin { Some(Vec::new()) } else { self.scopes.patterns(action) }
    }
}
