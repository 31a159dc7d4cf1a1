//! What a link can lead to, by the address or path that the API has for it.

use crate::{
    app::App,
    auth::{Action, Caller},
    catalogue::{Dataset, Kind, blob_key},
    documents,
    error::{Error, Result},
    shares::{Query, Target},
    tables::{RowFormat, RowQuery, http::Asked},
};
use http::Uri;
use percent_encoding::percent_decode_str;

/// What such a path names, as far as the caller may read it, and the version, if the path says one.
pub async fn find_target(app: &App, caller: &Caller, target: &str) -> Result<(Target, Option<i64>)> {
    let path = target.strip_prefix(&app.public_url).unwrap_or(target);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let (kind, name) = path.trim_start_matches('/').trim_start_matches("v1/").split_once('/').ok_or_else(invalid)?;
    let named = async |kind| app.catalogue.find(caller, Action::Share, kind, name).await;
    match (kind, name.split_once('/')) {
        ("blobs", _) if !name.ends_with('/') => {
            let version = version_alone(query)?;
            Ok(((&with_version(app, named(Kind::Blob).await?, version).await?).into(), version))
        }
        ("tables", None) => {
            let version = version_alone(query)?;
            Ok(((&with_version(app, named(Kind::Table).await?, version).await?).into(), version))
        }
        ("tables", Some((name, rows))) if rows == "rows" || rows.starts_with("rows.") => {
            of_table(app, caller, name, (rows.strip_prefix("rows."), query)).await
        }
        // Nothing that is said may be passed over: it may be what was to be left out.
        _ if !query.is_empty() => Err(invalid()),
        ("blobs", _) => Ok((folder(caller, Action::Share, name)?, None)),
        ("collections" | "documents", None) => Ok(((&named(Kind::Collection).await?).into(), None)),
        ("documents", Some((collection, id))) => {
            documents::http::share_target(app, caller, collection, id).await.map(|target| (target, None))
        }
        _ => Err(invalid()),
    }
}

fn invalid() -> Error {
    Error::invalid(
        "target",
        "it must be the link or path of a blob, a folder of blobs, a table, a query of its rows, a document or a collection, such as `/v1/tables/sales`, `/v1/tables/sales/rows?year=eq.2026` or `/v1/blobs/photos/`. \
         Of blobs and tables `?version=` may be said.",
    )
}

/// The version that a query says, if it says nothing else that the address of the thing itself does not.
fn version_alone(query: &str) -> Result<Option<i64>> {
    let mut said = pairs(query)?;
    said.retain(|(name, value)| name != "descriptor" || !value.is_empty());
    match said.as_slice() {
        [] => Ok(None),
        [(name, number)] if name == "version" => number.parse().map(Some).map_err(|_| invalid()),
        _ => Err(invalid()),
    }
}

/// All blobs below it must be the caller's to do this to, those to come as well.
pub fn folder(caller: &Caller, action: Action, name: &str) -> Result<Target> {
    blob_key(name.trim_end_matches('/'))?;
    if name.ends_with("//") {
        return Err(invalid());
    }
    match caller.scopes.permit_below(action, name) {
        true => Ok(Target::Folder(name.to_owned())),
        false => Err(Error::ScopeNeeded { scope: format!("{}:blobs/{name}**", action.as_str()) }),
    }
}

/// The dataset with that version, if one is said.
async fn with_version(app: &App, dataset: Dataset, version: Option<i64>) -> Result<Dataset> {
    match version {
        Some(number) => app.catalogue.at_version(&dataset, number).await?.ok_or(Error::NotFound { what: "version" }),
        None => Ok(dataset),
    }
}

/// All of a table, or what a query finds of it; checked against the columns that it has.
async fn of_table(
    app: &App,
    caller: &Caller,
    name: &str,
    (format, query): (Option<&str>, &str),
) -> Result<(Target, Option<i64>)> {
    let mut asked = Asked::parse(pairs(query)?)?;
    let version = asked.version.take();
    let dataset = app.catalogue.find(caller, Action::Share, Kind::Table, name).await?;
    let dataset = with_version(app, dataset, version).await?;
    if format.is_none() && pairs(query)?.iter().all(|(name, _)| name == "version") {
        return Ok(((&dataset).into(), version));
    }
    if asked.cursor.is_some() {
        return Err(Error::invalid("target", "a cursor goes through one version; a link gives pages by itself."));
    }
    let known = format.map(RowFormat::from_extension).transpose()?;
    asked.options.check(known.unwrap_or(RowFormat::Json))?;
    check_columns(&dataset, &asked)?;
    let kept = query.split('&').filter(|pair| !pair.starts_with("version="));
    let query = Query { text: kept.collect::<Vec<_>>().join("&"), format: format.map(str::to_owned) };
    Ok((Target::Query { dataset_id: dataset.id, query }, version))
}

pub fn check_columns(dataset: &Dataset, asked: &Asked) -> Result<()> {
    RowQuery::parse(&dataset.current()?.columns, &asked.parameters).map(drop)
}

/// The parameters of a URL's query.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    let uri: Uri = format!("/?{query}").parse().map_err(|_| invalid())?;
    axum::extract::Query::try_from_uri(&uri).map(|pairs| pairs.0).map_err(|_| invalid())
}
