//! `larder export`: the database first, in one snapshot; then what it refers to, which cannot go meanwhile.

use super::{
    COPIES_AT_ONCE, Carried, CatalogueFile, CollectionFile, FORM, MANIFEST, Manifest, OBJECTS, Place, RowFile, Written,
    json_line, lines,
};
use crate::{
    app::App,
    catalogue::{CarriedObject, Snapshot},
    error::{Error, Result},
    objects::Stored,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use std::{
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use uuid::Uuid;

/// Writes all of the installation to a place that holds no export yet.
pub async fn export(app: &App, place: &Place) -> Result<Carried> {
    if place.read(MANIFEST).await?.is_some() {
        return Err(Error::startup("There is an export already: choose an empty folder or another prefix."));
    }
    let hold = app.catalogue.hold().await?;
    let mut snapshot = app.catalogue.snapshot().await?;
    let mut manifest = Manifest {
        form: FORM,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        migrations: app.catalogue.migrations().await?,
        keys: app.keys.fingerprints(),
        catalogue: Vec::new(),
        rows: Vec::new(),
        collections: Vec::new(),
        objects: place.write(OBJECTS, objects(&mut snapshot)).await?,
    };
    for table in snapshot.tables().await? {
        let name = format!("catalogue/{}", table.name);
        let file = place.write(&name, snapshot.copy_out(&table).await?).await?;
        manifest.catalogue.push(CatalogueFile { table: table.name, columns: table.columns, file });
    }
    for id in snapshot.row_tables().await? {
        let table = app.tables.describe_rows(snapshot.connection(), id).await?;
        let rows = app.tables.rows_out(snapshot.connection(), &table).await?;
        let file = place.write(&format!("rows/{id}"), rows).await?;
        manifest.rows.push(RowFile { table, file });
    }
    let collections = snapshot.collections().await?;
    drop(snapshot);

    let mut carried = Carried { tables: manifest.rows.len(), ..Carried::default() };
    let listed = lines(manifest.objects.open(place).await?)
        .map(|line| serde_json::from_slice::<CarriedObject>(&line?).map_err(Error::internal));
    let counted = (AtomicU64::new(0), AtomicU64::new(0));
    copy_objects(app, place, listed, &counted).await?;
    for (id, shards) in collections {
        let file = collection(app, place, (id, shards), &counted).await?;
        carried.documents += file.items;
        manifest.collections.push(file);
    }
    hold.release().await?;
    carried.objects = counted.0.into_inner();
    let files = manifest.catalogue.iter().map(|one| &one.file).chain(manifest.rows.iter().map(|one| &one.file));
    let files = files.chain(manifest.collections.iter().map(|one| &one.file));
    carried.bytes = counted.1.into_inner() + files.map(|file| file.size_bytes).sum::<u64>();
    place.write(MANIFEST, stream::iter([json_line(&manifest)])).await?;
    Ok(carried)
}

/// One line for each object of the catalogue.
fn objects(snapshot: &mut Snapshot) -> impl Stream<Item = Result<Bytes>> {
    stream::try_unfold((snapshot, Uuid::nil()), |(snapshot, after)| async move {
        let page = snapshot.objects(after).await?;
        let Some(last) = page.last().map(|object| object.id) else { return Ok(None) };
        let mut lines = Vec::new();
        for object in &page {
            lines.extend_from_slice(&json_line(object)?);
        }
        Ok(Some((Bytes::from(lines), (snapshot, last))))
    })
}

/// A collection's items, a line each, and the objects that are their bodies.
async fn collection(
    app: &App,
    place: &Place,
    (id, shards): (Uuid, i32),
    counted: &(AtomicU64, AtomicU64),
) -> Result<CollectionFile> {
    let items = AtomicU64::new(0);
    let lines = app.documents.items(id, shards.unsigned_abs()).and_then(async |item| {
        if let Some(object) = &item.object {
            copy_object(app, place, object, counted).await?;
        }
        items.fetch_add(1, Relaxed);
        json_line(&item.json)
    });
    let file: Written = place.write(&format!("documents/{id}"), lines).await?;
    Ok(CollectionFile { id, shards, items: items.into_inner(), file })
}

async fn copy_objects(
    app: &App,
    place: &Place,
    objects: impl Stream<Item = Result<CarriedObject>>,
    counted: &(AtomicU64, AtomicU64),
) -> Result<()> {
    let copies = objects.map(|object| async { copy_object(app, place, &object?, counted).await });
    let mut copies = pin!(copies.buffer_unordered(COPIES_AT_ONCE));
    while copies.try_next().await?.is_some() {}
    Ok(())
}

async fn copy_object(
    app: &App,
    place: &Place,
    object: &CarriedObject,
    (objects, bytes): &(AtomicU64, AtomicU64),
) -> Result<()> {
    let written = place.write(&format!("objects/{}", object.id), app.objects.read(object.id, None).await?).await?;
    if written.size_bytes != object.size_bytes || object.sha256.as_ref().is_some_and(|known| *known != written.sha256) {
        return Err(Error::startup(format!("The object {} of the bucket is not what was put there.", object.id)));
    }
    objects.fetch_add(1, Relaxed);
    bytes.fetch_add(written.size_bytes, Relaxed);
    Ok(())
}

impl CarriedObject {
    /// Whether what was stored is this object.
    pub(super) fn is(&self, stored: &Stored) -> bool {
        stored.size_bytes == self.size_bytes
            && hex::encode(stored.crc64nvme) == self.crc64nvme
            && self.sha256.as_ref().is_none_or(|known| *known == hex::encode(stored.sha256))
    }
}
