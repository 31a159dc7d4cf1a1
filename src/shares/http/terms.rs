//! What the body of a request says of a share: of a new one, or of what is to be another.

use super::target::folder;
use crate::{
    app::App,
    auth::{Action, Caller},
    catalogue::Kind,
    config::Secret,
    error::{Error, Limit, Result},
    shares::{Allow, Changes, Expiry, Pin, Right, Said, Share, Target, Terms},
};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const LABEL_CHARS_MAX: usize = 200;
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 4..=200;
const NEVER: &str = "never";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The `self` or `download` link of a thing, or its path; with a query that of rows.
    pub target: Option<String>,
    /// Such as `7d`, which is the default; or `never`.
    expires_in: Option<String>,
    /// The same as a moment.
    expires_at: Option<String>,
    #[serde(default)]
    label: Said<String>,
    #[serde(default)]
    password: Said<String>,
    allow: Option<Vec<Right>>,
    #[serde(default)]
    max_downloads: Said<u32>,
    /// This version for ever.
    pin_version: Option<bool>,
    upload_bytes_max: Option<u64>,
    upload_files_max: Option<u32>,
    /// The link becomes another one.
    rotate: Option<bool>,
}

fn no_versions() -> Error {
    Error::invalid("pin_version", "only blobs and tables have versions that can be pinned.")
}

/// The life of a link of which nothing is said.
pub fn week(app: &App) -> Result<Expiry> {
    crate::http::share_life(app, "expires_in", None).map(Expiry::In)
}

impl Asked {
    /// All of it as text.
    pub fn told(&self) -> String {
        format!(
            "{:?}",
            (
                (&self.target, &self.expires_in, &self.expires_at, &self.label, &self.password, &self.allow),
                (self.max_downloads, self.pin_version, self.upload_bytes_max, self.upload_files_max)
            )
        )
    }

    pub fn expiry(&self, app: &App) -> Result<Option<Expiry>> {
        let max = app.config.times.share_seconds_max;
        match (self.expires_in.as_deref(), self.expires_at.as_deref()) {
            (Some(_), Some(_)) => Err(Error::invalid("expires_at", "`expires_in` says it already.")),
            (None, None) => Ok(None),
            (Some(NEVER), None) if app.config.sharing.share_never_expires => Ok(Some(Expiry::Never)),
            (Some(NEVER), None) => Err(Limit::ShareSeconds.passed(max, None)),
            (Some(life), None) => {
                crate::http::share_life(app, "expires_in", Some(life)).map(|life| Some(Expiry::In(life)))
            }
            (None, Some(at)) => {
                let detail = "it must be a moment to come, such as `2030-01-31T12:00:00Z`.";
                let at = OffsetDateTime::parse(at, &Rfc3339).map_err(|_| Error::invalid("expires_at", detail))?;
                let left = (at - OffsetDateTime::now_utc()).whole_seconds();
                match u64::try_from(left) {
                    Ok(left) if left > max => Err(Limit::ShareSeconds.passed(max, None)),
                    Ok(_) => Ok(Some(Expiry::At(at))),
                    Err(_) => Err(Error::invalid("expires_at", detail)),
                }
            }
        }
    }

    /// Whether it says what only a share of bytes can keep.
    pub fn is_of_bytes(&self) -> bool {
        self.pin_version == Some(true) || self.max_downloads.value().is_some()
    }

    /// A collection has no versions, and comes in pages.
    pub fn check_kind(&self, kind: Kind) -> Result<()> {
        match kind {
            Kind::Collection if self.pin_version == Some(true) => Err(no_versions()),
            Kind::Collection if self.max_downloads.value().is_some() => {
                Err(Error::invalid("max_downloads", "a collection is read in pages, of which none is a download."))
            }
            _ => Ok(()),
        }
    }

    /// The version that the share is for, if it is for one.
    pub fn pin(&self, target: &Target, version: Option<i64>) -> Result<Option<Pin>> {
        match (target, self.pin_version, version) {
            (Target::Document { .. } | Target::Folder(_), Some(true), _) => Err(no_versions()),
            (_, Some(false), Some(_)) => Err(Error::invalid("pin_version", "`target` names a version.")),
            (_, _, Some(number)) => Ok(Some(Pin::Version(number))),
            (_, Some(true), None) => Ok(Some(Pin::Current)),
            _ => Ok(None),
        }
    }

    pub async fn terms(&self, app: &App, caller: &Caller, target: &Target) -> Result<Terms> {
        if self.rotate.is_some() {
            return Err(Error::invalid("rotate", "a new share has a link of its own."));
        }
        let downloads_max = self.max_downloads.value().copied();
        // A preview shows what nobody counts, so who counts has none unless it is asked for; but what is in a folder must be seen to be had.
        let allow = match &self.allow {
            Some(rights) => Allow::of(rights)?,
            None => {
                let view = downloads_max.is_none() || matches!(target, Target::Folder(_));
                Allow { view, ..Terms::plain().allow }
            }
        };
        let terms = Terms {
            allow,
            label: self.label.value().cloned(),
            password: self.password(app).await?.value().cloned(),
            downloads_max,
            upload_bytes_max: self.upload_bytes_max,
            upload_files_max: self.upload_files_max,
        };
        self.check(app, caller, target, allow)?;
        Ok(terms)
    }

    pub async fn changes(&self, app: &App, caller: &Caller, share: &Share) -> Result<Changes> {
        for (name, told) in [("target", self.target.is_some()), ("pin_version", self.pin_version.is_some())] {
            if told {
                return Err(Error::invalid(name, "a share keeps what it is of; make another one."));
            }
        }
        let allow = self.allow.as_deref().map(Allow::of).transpose()?;
        self.check(app, caller, &share.target, allow.unwrap_or(share.terms.allow))?;
        Ok(Changes {
            expiry: self.expiry(app)?,
            allow,
            label: self.label.clone(),
            password: self.password(app).await?,
            downloads_max: self.max_downloads,
            upload_bytes_max: self.upload_bytes_max,
            upload_files_max: self.upload_files_max,
            rotate: self.rotate.unwrap_or(false),
        })
    }

    fn check(&self, app: &App, caller: &Caller, target: &Target, allow: Allow) -> Result<()> {
        if self.label.value().is_some_and(|label| label.chars().count() > LABEL_CHARS_MAX || label.contains('\0')) {
            return Err(Error::invalid("label", format!("it must have at most {LABEL_CHARS_MAX} characters.")));
        }
        if self.max_downloads.value().is_some_and(|max| !(1..=1 << 30).contains(max)) {
            return Err(Error::invalid("max_downloads", "it must be at least 1, and at most 2^30."));
        }
        match target {
            _ if !allow.upload => {}
            Target::Folder(name) => drop(folder(caller, Action::Write, name)?),
            _ => return Err(Error::invalid("allow", "only a folder takes uploads, such as `/v1/blobs/inbox/`.")),
        }
        let limits = &app.config.sharing;
        let (bytes, files) = (limits.drop_box_bytes_max, limits.drop_box_files_max);
        if self.upload_bytes_max.is_some_and(|max| max == 0 || max > bytes) {
            let detail = format!("it must be from 1 to {bytes} (LARDER_DROP_BOX_BYTES_MAX).");
            return Err(Error::invalid("upload_bytes_max", detail));
        }
        if self.upload_files_max.is_some_and(|max| max == 0 || max > files) {
            let detail = format!("it must be from 1 to {files} (LARDER_DROP_BOX_FILES_MAX).");
            return Err(Error::invalid("upload_files_max", detail));
        }
        Ok(())
    }

    /// Its hash, which takes a moment.
    async fn password(&self, app: &App) -> Result<Said<Secret>> {
        match &self.password {
            Said::Not => Ok(Said::Not),
            Said::Nothing => Ok(Said::Nothing),
            Said::Value(password) if PASSWORD_CHARS.contains(&password.chars().count()) => {
                app.passwords.hash(Secret::new(password)).await.map(Said::Value)
            }
            Said::Value(_) => {
                let (min, max) = PASSWORD_CHARS.into_inner();
                Err(Error::invalid("password", format!("it must have from {min} to {max} characters.")))
            }
        }
    }
}
