//! `larder import`: everything that the catalogue refers to first, and then the catalogue, in one commit.

use super::{COPIES_AT_ONCE, Carried, FORM, MANIFEST, Manifest, Place, RowFile, lines, spoilt};
use crate::{
    app::App,
    catalogue::{CarriedObject, CatalogueTable, Imported},
    documents::CarriedItem,
    error::{Error, Result},
};
use futures::{Stream, StreamExt, TryStreamExt};
use std::{collections::HashSet, pin::pin};
use uuid::Uuid;

/// Objects, or documents, that are taken in together.
const BATCH: usize = 1000;

/// Makes an export the installation of stores that nobody has served from.
///
/// # Errors
/// `Startup` if the export is none, is spoilt, or does not fit; then nothing of it is visible, and it can be tried again.
pub async fn import(app: &App, place: &Place) -> Result<Carried> {
    let manifest = manifest(place).await?;
    check(app, &manifest).await?;
    let mut named = Vec::new();
    let mut carried = Carried { tables: manifest.rows.len(), ..Carried::default() };

    let objects = lines(manifest.objects.open(place).await?)
        .map(|line| serde_json::from_slice(&line?).map_err(|_| spoilt(&manifest.objects.name, "lists no objects")));
    take_objects(app, place, objects, &mut named, &mut carried).await?;
    for RowFile { table, file } in &manifest.rows {
        app.catalogue.name_import(Imported::Table, &[table.id]).await?;
        named.push(table.id);
        app.tables.rows_in(table, file.open(place).await?).await?;
        carried.bytes += file.size_bytes;
    }
    for collection in &manifest.collections {
        app.catalogue.name_import(Imported::Collection { shards: collection.shards }, &[collection.id]).await?;
        named.push(collection.id);
        let items = lines(collection.file.open(place).await?).map(|line| CarriedItem::parse(&line?));
        let mut batches = pin!(items.try_chunks(BATCH));
        while let Some(items) = batches.try_next().await.map_err(|error| error.1)? {
            let objects: Vec<CarriedObject> = items.iter().filter_map(|item| item.object.clone()).collect();
            take_objects(app, place, futures::stream::iter(objects.into_iter().map(Ok)), &mut named, &mut carried)
                .await?;
            carried.documents += items.len() as u64;
            app.documents.put_items(collection.id, items).await?;
        }
        carried.bytes += collection.file.size_bytes;
    }
    let text = async |table: &CatalogueTable| {
        let file = manifest.catalogue.iter().find(|file| file.table == table.name);
        file.ok_or_else(|| spoilt(&table.name, "is not there"))?.file.open(place).await
    };
    app.catalogue.publish_import(text, &named).await?;
    Ok(carried)
}

async fn manifest(place: &Place) -> Result<Manifest> {
    let bytes = place.read(MANIFEST).await?;
    let bytes =
        bytes.ok_or_else(|| Error::startup("There is no export, or one that did not end: it has no manifest.json."))?;
    let whole: Vec<u8> = bytes
        .try_fold(Vec::new(), async |mut whole, chunk| {
            whole.extend_from_slice(&chunk);
            Ok(whole)
        })
        .await?;
    let manifest: Manifest = serde_json::from_slice(&whole).map_err(|_| spoilt(MANIFEST, "cannot be read"))?;
    match manifest.form {
        FORM => Ok(manifest),
        form => Err(Error::startup(format!("The export has form {form}, and this release reads form {FORM} alone."))),
    }
}

async fn check(app: &App, manifest: &Manifest) -> Result<()> {
    if !app.catalogue.is_unused().await? {
        return Err(Error::startup(
            "The stores are in use: an export is taken into new ones alone, before `larder serve` has run on them.",
        ));
    }
    if app.catalogue.migrations().await? != manifest.migrations {
        return Err(Error::startup(format!(
            "The export was made by Larder {}, whose database has another form: import it with that release, and upgrade then.",
            manifest.version
        )));
    }
    let known: HashSet<String> = app.keys.fingerprints().into_iter().collect();
    if !manifest.keys.iter().all(|key| known.contains(key)) {
        return Err(Error::startup(
            "LARDER_SECRET_KEYS are not those of the exported installation, so its links would end: carry them over. Embedded engines keep theirs in `secret-key` of the data folder.",
        ));
    }
    let text = app.catalogue.snapshot().await?.tables().await?;
    let fits = |table: &CatalogueTable| {
        manifest.catalogue.iter().any(|file| file.table == table.name && file.columns == table.columns)
    };
    match text.len() == manifest.catalogue.len() && text.iter().all(fits) {
        true => Ok(()),
        false => Err(spoilt(MANIFEST, "names other tables than its release has")),
    }
}

/// Into the bucket, some at once, each compared with what it must be.
async fn take_objects(
    app: &App,
    place: &Place,
    objects: impl Stream<Item = Result<CarriedObject>>,
    named: &mut Vec<Uuid>,
    carried: &mut Carried,
) -> Result<()> {
    let mut batches = pin!(objects.try_chunks(BATCH));
    while let Some(batch) = batches.try_next().await.map_err(|error| error.1)? {
        let ids: Vec<Uuid> = batch.iter().map(|object| object.id).collect();
        app.catalogue.name_import(Imported::Object, &ids).await?;
        carried.objects += batch.len() as u64;
        carried.bytes += batch.iter().map(|object| object.size_bytes).sum::<u64>();
        let copies = futures::stream::iter(batch).map(|object| take_object(app, place, object));
        let mut copies = pin!(copies.buffer_unordered(COPIES_AT_ONCE));
        while copies.try_next().await?.is_some() {}
        named.extend(ids);
    }
    Ok(())
}

async fn take_object(app: &App, place: &Place, object: CarriedObject) -> Result<()> {
    let name = format!("objects/{}", object.id);
    let mut bytes = place.read(&name).await?.ok_or_else(|| spoilt(&name, "is not there"))?;
    let mut writer = app.objects.writer(object.id);
    while let Some(chunk) = bytes.try_next().await? {
        writer.write(None, chunk).await?;
    }
    match object.is(&writer.finish(None).await?) {
        true => Ok(()),
        false => Err(spoilt(&name, "is not what was written")),
    }
}
