//! What the sweep asks of the document store: which object a document refers to, and the end of a collection.

use super::{
    item::{Item, OBJECT, PK, SK},
    remove::GRACE,
    store::{Documents, partitions, unavailable},
};
use crate::{
    catalogue::ExpiredDocument,
    error::{Error, Result},
};
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// What BatchWriteItem takes.
const BATCH_ITEMS_MAX: usize = 25;
const BATCH_TRIES_MAX: u32 = 8;
/// When the sweep looks again at a hidden document.
const REVIEW: Duration = Duration::from_secs(3600);

impl Documents {
    /// Ends an expired lease: each of its two objects that the document does not refer to becomes garbage. While the document is hidden, and may be restored,
    /// the row waits.
    pub async fn resolve(&self, expired: &ExpiredDocument) -> Result<()> {
        let item = match expired.shards {
            Some(shards) => self.read(expired.collection_id, shards.unsigned_abs(), &expired.document_id).await?,
            None => None,
        };
        let item = item.filter(|item| !is_over(item));
        let used = item.as_ref().and_then(Item::object_id);
        let named = [expired.object_id, expired.old_object_id].into_iter().flatten();
        if used.is_some_and(|used| named.clone().any(|object| object == used))
            && item.is_some_and(|item| !item.is_live())
        {
            return self.catalogue.postpone_document(expired.id, REVIEW).await;
        }
        let lost: Vec<Uuid> = named.filter(|object| Some(*object) != used).collect();
        self.catalogue.resolve_document(expired.id, &lost).await
    }

    /// Deletes all that a collection held, objects first, so that a repetition finds what is left. For the sweep of a collection past restoring only.
    pub async fn purge(&self, collection: Uuid, shards: u32) -> Result<()> {
        for partition in partitions(collection, shards) {
            let mut last_key = None;
            loop {
                let request = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .key_condition_expression("pk = :partition")
                    .projection_expression("#pk, #sk, #object")
                    .expression_attribute_names("#pk", PK)
                    .expression_attribute_names("#sk", SK)
                    .expression_attribute_names("#object", OBJECT)
                    .expression_attribute_values(":partition", AttributeValue::S(partition.clone()))
                    .consistent_read(true)
                    .set_exclusive_start_key(last_key);
                let answer = request.send().await.map_err(unavailable)?;
                let mut requests = Vec::new();
                for mut key in answer.items.unwrap_or_default() {
                    if let Some(AttributeValue::S(object)) = key.remove(OBJECT) {
                        self.objects.delete(Uuid::parse_str(&object).map_err(Error::internal)?).await?;
                    }
                    let request = DeleteRequest::builder().set_key(Some(key)).build().map_err(Error::internal)?;
                    requests.push(WriteRequest::builder().delete_request(request).build());
                }
                for batch in requests.chunks(BATCH_ITEMS_MAX) {
                    self.write_batch(batch.to_vec()).await?;
                }
                last_key = answer.last_evaluated_key;
                if last_key.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// DynamoDB may do a part of a batch only, when it is busy.
    pub(super) async fn write_batch(&self, mut requests: Vec<WriteRequest>) -> Result<()> {
        for turn in 0..BATCH_TRIES_MAX {
            let request = self.client.batch_write_item().request_items(&self.table, requests);
            let unprocessed = request.send().await.map_err(unavailable)?.unprocessed_items;
            requests = unprocessed.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50 << turn)).await;
        }
        Err(unavailable("BatchWriteItem leaves items undone"))
    }
}

/// No restore can bring it back any more, by any replica's clock.
fn is_over(item: &Item) -> bool {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    item.hidden_until.is_some_and(|until| until.saturating_add_unsigned(GRACE.as_secs()) < now)
}
