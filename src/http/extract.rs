//! axum's extractors, with problems for rejections.

use super::Problem;
use crate::{
    app::App,
    error::{Error, Limit},
};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::{StatusCode, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use tokio::time::timeout;

pub struct Json<T>(pub T);
pub struct Query<T>(pub T);
pub struct Path<T>(pub T);

/// For routes without parameters: one that is not understood is refused, never passed over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// `true` or `false` in a query that is flattened, where serde sees only texts.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(D::Error::custom(format!("`{other}` is neither `true` nor `false`"))),
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    /// The body is short, so all of it comes within the time that a longer one may be idle.
    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let idle = app.config.times.idle();
        let late = |_| Error::Interrupted { detail: format!("the body did not come within {} s", idle.as_secs()) };
        let max = app.config.limits.request_bytes_max;
        match timeout(idle, axum::Json::from_request(request, app)).await.map_err(late)? {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Limit::RequestBytes.passed(max, None).into())
            }
            Err(rejection) => Err(rejection.into()),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        check_utf8(parts.uri.query().unwrap_or_default())?;
        Ok(Self(axum::extract::Query::from_request_parts(parts, state).await?.0))
    }
}

/// What is no UTF-8 would be read as U+FFFD, and ask something else than was meant.
fn check_utf8(query: &str) -> Result<(), Error> {
    let wrong = query.split('&').find(|pair| percent_decode_str(pair).decode_utf8().is_err());
    wrong.map_or(Ok(()), |pair| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decode_str(name).decode_utf8_lossy();
        Err(Error::invalid(name, format!("`{pair}` is not UTF-8, in which `é` is `%C3%A9`.")))
    })
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(axum::extract::Path::from_request_parts(parts, state).await?.0))
    }
}
