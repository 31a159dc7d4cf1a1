//! The DynamoDB table: where a document stands in it, and reading one.

use super::{
    item::{Attributes, Body, Item, PK, SK},
    together::Waiting,
};
use crate::{
    catalogue::{Catalogue, Dataset, Desk},
    config::Config,
    error::{BoxError, Error, Result, Store},
    objects::Objects,
};
use aws_sdk_dynamodb::{Client, config::timeout::TimeoutConfig, types::AttributeValue};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};
use time::OffsetDateTime;
use tokio::runtime::Handle;
use uuid::Uuid;

#[derive(Clone)]
pub struct Documents {
    pub(super) client: Client,
    /// For what no lease stands behind: the start, and the question whether the table answers.
    pub(super) unleased: Client,
    pub(super) table: String,
    pub(super) catalogue: Catalogue,
    pub(super) objects: Objects,
    pub(super) deleted_days: u64,
    /// Collections, and what their documents have grown by.
    sizes: Desk<(Uuid, i64), ()>,
    pub(super) waiting: Waiting,
}

#[derive(Debug, Clone)]
pub struct Document {
    pub id: String,
    /// `"{incarnation}.{counter}"`, quotes included.
    pub etag: String,
    /// A share binds to it: a document made anew under the same id has another one.
    pub incarnation: String,
    pub created_at: OffsetDateTime,
    /// The id of a principal, as `updated_by`: names can change.
    pub created_by: String,
    pub updated_at: OffsetDateTime,
    pub updated_by: String,
    /// Of `body`, as the digests.
    pub size_bytes: u64,
    pub sha256: [u8; 32],
    /// Big-endian.
    pub crc64nvme: [u8; 8],
    /// JSON: a small document in the spelling of [`super::value`], a large one as it was received.
    pub body: Bytes,
}

impl Document {
    /// As which it is saved.
    pub fn file_name(&self) -> String {
        match self.id.rsplit_once('.') {
            Some((_, extension)) if extension.eq_ignore_ascii_case("json") => self.id.clone(),
            _ => format!("{}.json", self.id),
        }
    }
}

impl Documents {
    /// In a runtime: sizes are added up by a task of their own.
    ///
    /// Whatever the client was built with: an operation, retries included, ends in a quarter of a lease and in `LARDER_REQUEST_SECONDS` at most. The put of a
    /// document with an object rests on it: when its lease has expired, it can no longer be under way.
    pub fn new(client: Client, table: String, catalogue: Catalogue, objects: Objects, config: &Config) -> Self {
        let request = config.times.request();
        let sums = catalogue.clone();
        let sizes = Desk::open(&Handle::current(), move |group: Vec<(Uuid, i64)>| {
            let sums = sums.clone();
            async move {
                let answers = vec![(); group.len()];
                let mut grown = BTreeMap::new();
                for (collection, bytes) in group {
                    *grown.entry(collection).or_default() += bytes;
                }
                sums.add_document_bytes(grown).await?;
                Ok(answers)
            }
        });
        Self {
            sizes,
            waiting: Waiting::default(),
            unleased: bounded(&client, request),
            client: bounded(&client, request.min(config.times.lease() / 4)),
            table,
            catalogue,
            objects,
            deleted_days: config.times.deleted_days,
        }
    }

    pub fn table(&self) -> &str {
        &self.table
    }

    /// The document, unless it is deleted, by a consistent read.
    pub(super) async fn find(&self, collection: Uuid, shards: u32, id: &str) -> Result<Option<Document>> {
        let item = self.read(collection, shards, id).await?;
        match item.filter(Item::is_live) {
            Some(item) => self.document(item).await.map(Some),
            None => Ok(None),
        }
    }

    /// Before a document of `old` bytes becomes one of `new`, by what this replica knows of all those before.
    ///
    /// # Errors
    /// `Quota` if the collection's owner would have too many.
    pub(super) async fn check_size(&self, collection: &Dataset, old: u64, new: u64) -> Result<()> {
        if new <= old || !self.catalogue.limits_bytes() {
            return Ok(());
        }
        self.flush().await?;
        self.catalogue.check_growth(collection, new - old).await
    }

    /// Behind a write: the collection has a document of `new` bytes for one of `old`.
    pub(super) fn resized(&self, collection: &Dataset, old: u64, new: u64) {
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        if old != new {
            self.sizes.tell((collection.id, number(new) - number(old)));
        }
    }

    /// Waits until the sums of collections tell of all writes before.
    pub async fn flush(&self) -> Result<()> {
        self.sizes.flush().await
    }

    /// The item with its body, which may be in the bucket.
    pub(super) async fn document(&self, item: Item) -> Result<Document> {
        let body = match &item.body {
            Body::Native(_) => item.body.native_json()?.unwrap_or_default(),
            Body::Object(stored) => self.objects.read_whole(stored.id).await?,
        };
        Ok(item.into_document(body))
    }

    /// The item, hidden or not, by a consistent read.
    pub(super) async fn read(&self, collection: Uuid, shards: u32, id: &str) -> Result<Option<Item>> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key(collection, shards, id)));
        let answer = request.consistent_read(true).send().await.map_err(unavailable)?;
        answer.item.map(Item::from_attributes).transpose()
    }
}

/// The same client, whose operations end within `operation`.
fn bounded(client: &Client, operation: Duration) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(operation / 3)
        .operation_attempt_timeout(operation / 2)
        .operation_timeout(operation);
    Client::from_conf(client.config().to_builder().timeout_config(timeouts.build()).build())
}

/// The key of a document: its shard follows from the SHA-256 of its id and never changes.
pub(super) fn key(collection: Uuid, shards: u32, id: &str) -> Attributes {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(id.as_bytes())[..8]);
    let shard = u64::from_be_bytes(first) % u64::from(shards.max(1));
    Attributes::from([
        (PK.to_owned(), AttributeValue::S(format!("{collection}#{shard}"))),
        (SK.to_owned(), AttributeValue::S(id.to_owned())),
    ])
}

/// All partition keys of a collection.
pub(super) fn partitions(collection: Uuid, shards: u32) -> impl Iterator<Item = String> {
    (0..shards.max(1)).map(move |shard| format!("{collection}#{shard}"))
}

pub(super) fn unavailable(error: impl Into<BoxError>) -> Error {
    Error::store(Store::Documents, error)
}
