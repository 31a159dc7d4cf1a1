//! Putting a blob: object first, catalogue last.

use crate::{
    audit::Note,
    auth::Caller,
    catalogue::{Catalogue, Kind, NewVersion, Outcome, Pending, Precondition, Replace, blob_key},
    error::Result,
    objects::{Incoming, Objects},
};
use serde_json::json;
use uuid::Uuid;

#[derive(Clone)]
pub struct Blobs {
    catalogue: Catalogue,
    objects: Objects,
}

#[derive(Debug)]
pub struct NewBlob {
    pub key: String,
    pub title: Option<String>,
    /// The file name of a smart upload.
    pub original_name: Option<String>,
    pub content_type: String,
    pub content_encoding: Option<String>,
    pub replace: Replace,
    pub condition: Precondition,
}

impl Blobs {
    pub fn new(catalogue: Catalogue, objects: Objects) -> Self {
        Self { catalogue, objects }
    }

    /// Stores the bytes as they come and publishes them as the blob's new version.
    pub async fn put(&self, caller: &Caller, blob: NewBlob, mut incoming: Incoming) -> Result<Outcome> {
        blob_key(&blob.key)?;
        self.catalogue
            .check_upload(caller, Kind::Blob, &blob.key, blob.original_name.as_deref(), blob.replace, &blob.condition)
            .await?;
        let id = Uuid::now_v7();
        let note = Note::new("upload", Kind::Blob.as_str(), &*blob.key);
        let lease =
            self.catalogue.lease_for(caller, &note, Pending { object_id: Some(id), ..Pending::default() }).await?;
        let mut writer = self.objects.writer(id);
        while let Some(bytes) = incoming.next().await? {
            writer.write(&lease, bytes).await?;
        }
        let object = writer.finish(&lease).await?;
        let version = NewVersion {
            kind: Kind::Blob,
            title: blob.title.unwrap_or_else(|| blob.key.rsplit('/').next().unwrap_or(&blob.key).to_owned()),
            name: blob.key,
            original_name: blob.original_name,
            object,
            content_type: blob.content_type,
            content_encoding: blob.content_encoding,
            table: None,
            job: None,
            options: json!({}),
        };
        self.catalogue.publish(caller, lease, &version, blob.replace, &blob.condition).await
    }
}
