//! Writing a document: one conditional put, and for a body in the bucket a lease around it.

use super::{
    item::{Body, Item, PK, WRITE_ID, digests},
    store::{Document, Documents, key, unavailable},
    value,
};
use crate::{
    auth::Caller,
    catalogue::{
        DOCUMENT_ID_BYTES_MAX, Dataset, Lease, Pending, PendingDocument, Precondition, Replace, document_id, free_name,
    },
    error::{Error, Result},
    objects::Stored,
};
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{
        AttributeValue, ReturnValuesOnConditionCheckFailure::AllOld, error::ConditionalCheckFailedException as Failed,
    },
};
use bytes::Bytes;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// Of one write among others on the same document; each time that we lose, somebody else has won.
pub(super) const TRIES_MAX: u32 = 30;

#[derive(Debug, Clone)]
pub enum Put {
    Created(Document),
    Replaced(Document),
    /// The same value is there already; its ETag stays.
    Unchanged(Document),
}

impl Put {
    pub fn document(&self) -> &Document {
        match self {
            Self::Created(document) | Self::Replaced(document) | Self::Unchanged(document) => document,
        }
    }
}

/// How a conditional write ended.
pub(super) enum Written {
    /// It is durable and visible.
    Applied,
    /// The item is no longer what was read, but this; it can never be applied any more.
    Raced(Option<Item>),
    /// DynamoDB calls it invalid; nothing was written.
    Refused(SdkError<PutItemError>),
}

/// A body as it will be read again.
struct Content {
    json: Bytes,
    native: Option<AttributeValue>,
    size_bytes: u64,
    sha256: [u8; 32],
    crc64nvme: [u8; 8],
}

impl Content {
    /// A native body is read again in its canonical spelling, another one as received.
    fn new(native: Option<AttributeValue>, received: &Bytes) -> Result<Self> {
        let json = match &native {
            Some(native) => value::to_json(native)?.into(),
            None => received.clone(),
        };
        let (size_bytes, sha256, crc64nvme) = digests(&json);
        Ok(Self { json, native, size_bytes, sha256, crc64nvme })
    }

    fn is_that_of(&self, item: &Item) -> Result<bool> {
        Ok(match &item.body {
            Body::Native(_) => item.body.native_json()?.as_ref() == Some(&self.json),
            Body::Object(stored) => stored.size_bytes == self.size_bytes && stored.sha256 == self.sha256,
        })
    }

    fn body(&self, object: Option<Uuid>) -> Result<Body> {
        match (&self.native, object) {
            (_, Some(id)) => Ok(Body::Object(Stored {
                id,
                size_bytes: self.size_bytes,
                sha256: self.sha256,
                crc64nvme: self.crc64nvme,
            })),
            (Some(native), None) => Ok(Body::Native(native.clone())),
            (None, None) => Err(Error::internal("a body that is not native needs an object")),
        }
    }
}

impl Documents {
    /// Creates or replaces a document. The condition is judged on a consistent read, and again each time that somebody else's write comes between.
    ///
    /// # Errors
    /// `BadName`, `Malformed` (see [`value::parse`]), `PreconditionFailed`, `Quota`; `Conflict` when [`TRIES_MAX`] tries have lost; `Store`, after which the write may
    /// still have been applied, as after any lost answer.
    pub async fn put(
        &self,
        caller: &Caller,
        collection: &Dataset,
        id: &str,
        body: Bytes,
        condition: &Precondition,
    ) -> Result<Put> {
        self.put_from(caller, collection, id, body, condition, None).await
    }

    /// The same for the file of a smart upload: unless told to, it replaces only what this caller made from a file of the same name.
    ///
    /// # Errors
    /// Those of `put`, and `NameTaken`.
    pub async fn put_file(
        &self,
        caller: &Caller,
        collection: &Dataset,
        id: &str,
        body: Bytes,
        condition: &Precondition,
        file: (&str, Replace),
    ) -> Result<Put> {
        self.put_from(caller, collection, id, body, condition, Some(file)).await
    }

    async fn put_from(
        &self,
        caller: &Caller,
        collection: &Dataset,
        id: &str,
        body: Bytes,
        condition: &Precondition,
        file: Option<(&str, Replace)>,
    ) -> Result<Put> {
        document_id(id)?;
        let body = body.slice_ref(value::without_mark(&body));
        let mut content = Content::new(value::parse(&body)?, &body)?;
        let mut current = self.read(collection.id, collection.shards, id).await?;
        for turn in 0..TRIES_MAX {
            let live = current.as_ref().filter(|item| item.is_live());
            condition.check(live.map(Item::etag).as_deref())?;
            if let (Some(live), Some((file, Replace::SameFile))) = (live, file)
                && !(live.created_by == caller.principal.to_string() && live.file.as_deref() == Some(file))
            {
                return Err(self.taken(collection, id).await?);
            }
            if let Some(live) = live
                && content.is_that_of(live)?
            {
                return Ok(Put::Unchanged(live.clone().into_document(content.json)));
            }
            let old = live.map_or(Ok(0), Item::size_bytes)?;
            self.check_size(collection, old, content.size_bytes).await?;
            let object = content.native.is_none().then(Uuid::now_v7);
            let file = file.map(|(file, _)| file.to_owned());
            let next = Item { file, ..successor(caller, id, live, content.body(object)?) };
            match self.write(collection, current.as_ref(), &next, &content.json).await? {
                Written::Applied => {
                    self.resized(collection, old, content.size_bytes);
                    let put = if live.is_some() { Put::Replaced } else { Put::Created };
                    return Ok(put(next.into_document(content.json)));
                }
                Written::Raced(item) => current = item,
                Written::Refused(error) if content.native.is_some() => {
                    tracing::warn!(error = error.message(), "a body goes to the bucket: DynamoDB refused it as a map");
                    content = Content::new(None, &body)?;
                }
                Written::Refused(error) => return Err(Error::internal(error)),
            }
            back_off(turn).await;
        }
        Err(raced(id))
    }

    /// The id is another's; says which is free.
    async fn taken(&self, collection: &Dataset, id: &str) -> Result<Error> {
        let mut n = 2;
        let free = loop {
            let free = free_name(id, n, DOCUMENT_ID_BYTES_MAX);
            if self.read(collection.id, collection.shards, &free).await?.is_none() {
                break format!("{}/{free}", collection.name);
            }
            n += 1;
        };
        let detail = format!(
            "There is already a document `{}/{id}`, which was not made from this file by you. Send `?replace=true` to replace it, or `?name={free}`, which is free.",
            collection.name
        );
        Ok(Error::NameTaken { detail, free: Some(free) })
    }

    /// One try. Whatever it leaves behind in the bucket is named by a lease before it is there.
    async fn write(&self, collection: &Dataset, current: Option<&Item>, next: &Item, json: &Bytes) -> Result<Written> {
        let old = current.and_then(Item::object_id);
        let new = next.object_id();
        if old.is_none() && new.is_none() {
            return self.put_item(collection, current, next).await;
        }
        let document =
            PendingDocument { collection_id: collection.id, document_id: next.id.clone(), old_object_id: old };
        let pending = Pending { object_id: new, table_id: None, document: Some(document) };
        let lease = self.catalogue.lease(pending).await?;
        if let Some(new) = new {
            let mut writer = self.objects.writer(new);
            writer.write(&lease, json.clone()).await?;
            writer.finish(&lease).await?;
        }
        lease.renew().await?;
        // On an error the put may yet have been applied: the row stays until it expires, when the item itself tells which object it refers to.
        let written = self.put_item(collection, current, next).await?;
        match &written {
            Written::Applied => settle(lease, old).await,
            // An earlier attempt was applied and then hidden or restored: the sweep judges by the item which object lost.
            Written::Raced(Some(item)) if new.is_some() && item.object_id() == new => drop(lease),
            Written::Raced(_) | Written::Refused(_) => settle(lease, new).await,
        }
        Ok(written)
    }

    async fn put_item(&self, collection: &Dataset, current: Option<&Item>, next: &Item) -> Result<Written> {
        let mut key = key(collection.id, collection.shards, &next.id);
        let Some(AttributeValue::S(partition)) = key.remove(PK) else {
            return Err(Error::internal("a key has a partition"));
        };
        let request = self.client.put_item().table_name(&self.table);
        let request = request.set_item(Some(next.clone().into_attributes(partition)?));
        let request = match current {
            None => request.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", PK),
            Some(current) => request
                .condition_expression("#wid = :read")
                .expression_attribute_names("#wid", WRITE_ID)
                .expression_attribute_values(":read", AttributeValue::S(current.write_id.clone())),
        };
        match request.return_values_on_condition_check_failure(AllOld).send().await {
            Ok(_) => Ok(Written::Applied),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => judge(failed, &next.write_id),
                Some(refused) if refused.code() == Some("ValidationException") => Ok(Written::Refused(error)),
                _ => Err(unavailable(error)),
            },
        }
    }
}

/// What is to stand after `live`; without one, a new incarnation.
fn successor(caller: &Caller, id: &str, live: Option<&Item>, body: Body) -> Item {
    let now = OffsetDateTime::now_utc();
    Item {
        id: id.to_owned(),
        incarnation: live.map_or_else(|| new_write_id()[..12].to_owned(), |live| live.incarnation.clone()),
        revision: live.map_or(1, |live| live.revision + 1),
        write_id: new_write_id(),
        created_at: live.map_or(now, |live| live.created_at),
        created_by: live.map_or_else(|| caller.principal.to_string(), |live| live.created_by.clone()),
        updated_at: now,
        updated_by: caller.principal.to_string(),
        file: None,
        body,
        hidden_until: None,
    }
}

/// A condition that fails on our own write id is the SDK's repetition of a write that was applied.
pub(super) fn judge(failed: &Failed, write_id: &str) -> Result<Written> {
    let item = failed.item().cloned().map(Item::from_attributes).transpose()?;
    match item {
        Some(item) if item.write_id == write_id => Ok(Written::Applied),
        item => Ok(Written::Raced(item)),
    }
}

/// The document is written whatever becomes of this: what cannot be settled now is settled when the row expires.
async fn settle(lease: Lease, lost: Option<Uuid>) {
    if let Err(error) = lease.document_committed(lost).await {
        tracing::warn!(?error, "the lease of a document is left to expire");
    }
}

pub(super) fn raced(id: &str) -> Error {
    Error::Conflict { detail: format!("The document `{id}` keeps changing; try again.") }
}

/// 128 random bits; the beginning of one names an incarnation.
pub(super) fn new_write_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A random wait below 4 ms, doubled each time up to 256 ms.
pub(super) async fn back_off(turn: u32) {
    let below = 4_000_u64 << turn.min(6);
    let random = Uuid::new_v4().as_u64_pair().1;
    tokio::time::sleep(Duration::from_micros(random % below)).await;
}
