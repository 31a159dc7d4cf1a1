//! Rows as a file that has a length and can be read by ranges: Parquet and workbooks, which their readers open from the end.

use super::{
    accept::Shape,
    rows::{asked_hash, rows_etag},
    window::Asked,
};
use crate::{
    app::App,
    catalogue::{Dataset, Pending, RenditionKey},
    error::{Error, Result},
    http::{File, disposition},
    objects::Presentation,
    tables::{Export, RowFormat, RowQuery},
};
use futures::TryStreamExt;
use uuid::Uuid;

/// The file of what is asked, if it has been made, or if it is `wanted` now and may be. `None` also for what is no such file.
///
/// # Errors
/// As for rows: none of it has been sent yet.
pub async fn rendition(
    app: &App,
    dataset: &Dataset,
    (shape, asked): (Shape, &Asked),
    wanted: bool,
) -> Result<Option<File>> {
    let Shape::Rows(RowFormat::Parquet | RowFormat::Xlsx) = shape else { return Ok(None) };
    if asked.cursor.is_some() || asked.parameters.limit.is_some() || asked.parameters.offset.is_some() {
        return Ok(None);
    }
    asked.options.check(shape.format())?;
    let version = dataset.current()?;
    let query = RowQuery::parse(&version.columns, &asked.parameters)?;
    let asked_hash = asked_hash(shape, asked);
    let mut key = RenditionKey { version: version.id, revision: version.revision, asked: asked_hash };
    let mut found = app.catalogue.rendition(&key).await?;
    if found.is_none() && wanted && app.catalogue.renditions(version.id).await? < app.config.sharing.renditions_max {
        make(app, dataset, (shape, asked, &query), &mut key).await?;
        found = app.catalogue.rendition(&key).await?;
    }
    let Some(found) = found else { return Ok(None) };
    let version = crate::catalogue::Version { revision: key.revision, ..version.clone() };
    Ok(Some(File {
        object_id: found.object_id,
        size_bytes: found.size_bytes.unsigned_abs(),
        // The same rows may be other bytes when they are streamed.
        etag: rows_etag(&version.etag(), &format!("{}f", key.asked)),
        modified_at: found.created_at,
        presentation: Presentation {
            content_type: shape.content_type().to_owned(),
            content_disposition: disposition("inline", &format!("{}.{}", dataset.name, shape.extension())),
            content_encoding: None,
        },
    }))
}

/// Writes the rows of one snapshot into an object; `key` becomes that of the revision which it shows.
async fn make(
    app: &App,
    dataset: &Dataset,
    (shape, asked, query): (Shape, &Asked, &RowQuery),
    key: &mut RenditionKey,
) -> Result<()> {
    let table = dataset.current()?.table_id.ok_or_else(|| Error::internal("a version of a table without rows"))?;
    let export = Export {
        format: shape.format(),
        options: asked.options,
        title: dataset.name.clone(),
        columns: query.columns(),
    };
    let (revision, body) = app.tables.rows(table, query, export).await?;
    key.revision = revision.ok_or(Error::NotFound { what: "version" })?;
    let id = Uuid::now_v7();
    let lease = app.catalogue.lease(Pending { object_id: Some(id), ..Pending::default() }).await?;
    let mut writer = app.objects.writer(id);
    futures::pin_mut!(body);
    while let Some(bytes) = body.try_next().await? {
        writer.write(&lease, bytes).await?;
    }
    let object = writer.finish(&lease).await?;
    app.catalogue.keep_rendition(lease, key, &object).await
}
