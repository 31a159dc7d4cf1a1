//! Putting a blob: object first, catalogue last.

use crate::{
    audit::Note,
    auth::Caller,
    catalogue::{
        Catalogue, KEY_BYTES_MAX, Kind, Lease, NewVersion, Outcome, Pending, Precondition, Replace, blob_key, free_name,
    },
    error::{Error, Result},
    objects::{Incoming, Objects, Stored},
};
use serde_json::json;
use uuid::Uuid;

/// Names that are tried for a blob whose own is taken.
const NAMES_MAX: u32 = 1000;

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

impl NewBlob {
    fn version(self, object: Stored) -> NewVersion {
        NewVersion {
            kind: Kind::Blob,
            title: self.title.unwrap_or_else(|| self.key.rsplit('/').next().unwrap_or(&self.key).to_owned()),
            name: self.key,
            original_name: self.original_name,
            object,
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            table: None,
            job: None,
            options: json!({}),
        }
    }
}

impl Blobs {
    pub fn new(catalogue: Catalogue, objects: Objects) -> Self {
        Self { catalogue, objects }
    }

    /// Stores the bytes as they come and publishes them as the blob's new version.
    pub async fn put(&self, caller: &Caller, blob: NewBlob, incoming: Incoming) -> Result<Outcome> {
        blob_key(&blob.key)?;
        self.catalogue
            .check_upload(caller, Kind::Blob, &blob.key, blob.original_name.as_deref(), blob.replace, &blob.condition)
            .await?;
        let id = Uuid::now_v7();
        let note = upload_note(&blob.key);
        let lease =
            self.catalogue.lease_for(caller, &note, Pending { object_id: Some(id), ..Pending::default() }).await?;
        let object = self.receive(&lease, id, incoming).await?;
        let (replace, condition) = (blob.replace, blob.condition.clone());
        self.catalogue.publish(caller, lease, &blob.version(object), replace, &condition).await
    }

    /// The same for a blob that replaces nothing: under its key, or if that is taken, under the next that is free. The lease names the object that is to be made.
    pub async fn put_new(
        &self,
        caller: &Caller,
        blob: NewBlob,
        (lease, id): (Lease, Uuid),
        incoming: Incoming,
    ) -> Result<Outcome> {
        blob_key(&blob.key)?;
        let object = self.receive(&lease, id, incoming).await?;
        let mut version = blob.version(object);
        let key = version.name.clone();
        for next in 2..=NAMES_MAX {
            let published =
                self.catalogue.publish_on_basis(caller, &lease, &version, Replace::Any, &Precondition::Absent);
            match published.await {
                Err(Error::PreconditionFailed { .. } | Error::NameTaken { .. } | Error::NameTakenUnseen { .. }) => {
                    version.name = free_name(&key, next, KEY_BYTES_MAX);
                }
                Err(error) => return Err(error),
                Ok(outcome) => {
                    lease.committed();
                    return outcome.ok_or_else(|| Error::internal("a version without a basis has lost it"));
                }
            }
        }
        Err(Error::NameTaken { detail: format!("`{key}` and {NAMES_MAX} names like it are taken."), free: None })
    }

    async fn receive(&self, lease: &Lease, id: Uuid, mut incoming: Incoming) -> Result<Stored> {
        let mut writer = self.objects.writer(id);
        while let Some(bytes) = incoming.next().await? {
            writer.write(lease, bytes).await?;
        }
        writer.finish(lease).await
    }
}

/// What begins with the lease of a blob.
pub fn upload_note(key: &str) -> Note {
    Note::new("upload", Kind::Blob.as_str(), key)
}
