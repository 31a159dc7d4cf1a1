//! Hiding a document, and bringing it back.

use super::{
    item::{DELETED, DELETED_BY, Item, TTL, WRITE_ID, time_text},
    put::{TRIES_MAX, Written, back_off, judge, new_write_id, raced},
    store::{Document, Documents, key, unavailable},
};
use crate::{
    auth::Caller,
    catalogue::{Dataset, PendingDocument, Precondition, document_id},
    error::{Error, Result},
};
use aws_sdk_dynamodb::{
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure::AllOld},
};
use std::time::Duration;
use time::OffsetDateTime;

/// How long past its `ttl` the object of a hidden document is kept: more than any two clocks differ and any request lasts.
pub(super) const GRACE: Duration = Duration::from_secs(86_400);
const DAY: Duration = Duration::from_secs(86_400);
/// A century, which every interval of Postgres can hold.
const KEPT_DAYS_MAX: u32 = 36_500;

impl Documents {
    /// Hides the document for `LARDER_DELETED_DAYS`; then DynamoDB removes the item, and the sweep its object.
    ///
    /// # Errors
    /// `PreconditionFailed`; `NotFound`; `Conflict` when too many others write it at this moment.
    pub async fn delete(
        &self,
        caller: &Caller,
        collection: &Dataset,
        id: &str,
        condition: &Precondition,
    ) -> Result<()> {
        document_id(id)?;
        let mut current = self.read(collection.id, collection.shards, id).await?;
        for turn in 0..TRIES_MAX {
            let live = current.filter(Item::is_live);
            condition.check(live.as_ref().map(Item::etag).as_deref())?;
            let live = live.ok_or(Error::NotFound { what: "document" })?;
            match self.hide(caller, collection, &live).await? {
                Written::Raced(item) => current = item,
                _ => {
                    self.resized(collection, live.size_bytes()?, 0);
                    return Ok(());
                }
            }
            back_off(turn).await;
        }
        Err(raced(id))
    }

    /// Brings back a deleted document as it was: same incarnation, same ETag.
    ///
    /// # Errors
    /// `NotFound` if none is hidden under this id, or its time is over; `Quota`.
    pub async fn restore(&self, collection: &Dataset, id: &str) -> Result<Document> {
        document_id(id)?;
        let mut current = self.read(collection.id, collection.shards, id).await?;
        for turn in 0..TRIES_MAX {
            let hidden = current.filter(Item::is_restorable);
            let hidden = hidden.ok_or(Error::NotFound { what: "deleted document of this id" })?;
            let size_bytes = hidden.size_bytes()?;
            self.check_size(collection, 0, size_bytes).await?;
            let request = self
                .update(collection, &hidden)
                .update_expression("set #wid = :wid remove #deleted, #deleted_by, #ttl")
                .expression_attribute_names("#deleted", DELETED)
                .expression_attribute_names("#deleted_by", DELETED_BY)
                .expression_attribute_names("#ttl", TTL);
            match send(request).await? {
                Written::Raced(item) => current = item,
                _ => {
                    self.resized(collection, 0, size_bytes);
                    return self.document(Item { hidden_until: None, ..hidden }).await;
                }
            }
            back_off(turn).await;
        }
        Err(raced(id))
    }

    async fn hide(&self, caller: &Caller, collection: &Dataset, live: &Item) -> Result<Written> {
        let kept = DAY * u32::try_from(self.deleted_days).unwrap_or(u32::MAX).min(KEPT_DAYS_MAX);
        if let Some(object) = live.object_id() {
            // Before the item is hidden, so that no crash can lose sight of the object. Should the item come back, the sweep sees that it refers to it.
            let document = PendingDocument {
                collection_id: collection.id,
                document_id: live.id.clone(),
                old_object_id: Some(object),
            };
            self.catalogue.review_document(document, kept + GRACE).await?;
        }
        let now = OffsetDateTime::now_utc();
        let until = now.unix_timestamp().saturating_add_unsigned(kept.as_secs());
        let request = self
            .update(collection, live)
            .update_expression("set #wid = :wid, #deleted = :now, #deleted_by = :caller, #ttl = :until")
            .expression_attribute_names("#deleted", DELETED)
            .expression_attribute_names("#deleted_by", DELETED_BY)
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":now", AttributeValue::S(time_text(now)?))
            .expression_attribute_values(":caller", AttributeValue::S(caller.principal.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()));
        send(request).await
    }

    /// An update of what was read and nothing else, under a new write id.
    fn update(&self, collection: &Dataset, read: &Item) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(collection.id, collection.shards, &read.id)))
            .condition_expression("#wid = :read")
            .expression_attribute_names("#wid", WRITE_ID)
            .expression_attribute_values(":read", AttributeValue::S(read.write_id.clone()))
            .expression_attribute_values(":wid", AttributeValue::S(new_write_id()))
            .return_values_on_condition_check_failure(AllOld)
    }
}

async fn send(request: UpdateItemFluentBuilder) -> Result<Written> {
    let values = request.get_expression_attribute_values().as_ref();
    let write_id = values.and_then(|values| values.get(":wid")?.as_s().ok()).cloned().unwrap_or_default();
    match request.send().await {
        Ok(_) => Ok(Written::Applied),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => judge(failed, &write_id),
            _ => Err(unavailable(error)),
        },
    }
}
