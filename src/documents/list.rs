//! The documents of a collection in the order of their ids: one sorted run for each shard, merged.

use super::{
    item::{Attributes, Item},
    store::{Document, Documents, partitions, unavailable},
};
use crate::{
    catalogue::{Dataset, document_id},
    error::{Error, Result},
};
use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use std::collections::VecDeque;

/// Bodies beyond this end a page early; it holds one document at least.
const PAGE_BYTES_MAX: u64 = 16 << 20;
/// Items asked of a shard at a time, at least and at most. DynamoDB itself ends an answer at 1 MB.
const RUN_ITEMS: std::ops::RangeInclusive<usize> = 8..=250;

/// Consecutive documents; `more` says whether any follows the last one.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub documents: Vec<Document>,
    pub more: bool,
}

/// What has been read ahead of one shard.
struct Run<'a> {
    documents: &'a Documents,
    partition: String,
    after: Option<String>,
    items: VecDeque<Item>,
    last_key: Option<Attributes>,
    ended: bool,
}

impl Documents {
    /// Up to `limit` documents with ids behind `after`, in the order of their bytes, by consistent reads. Fewer with `more` when their bodies pass 16 MB.
    ///
    /// Memory: the page, and a megabyte of items for each shard.
    pub async fn list(&self, collection: &Dataset, after: Option<&str>, limit: usize) -> Result<Page> {
        if after.is_some_and(|after| document_id(after).is_err()) {
            return Err(Error::invalid("after", "it must be the id of a document"));
        }
        let mut runs: Vec<Run> = partitions(collection.id, collection.shards)
            .map(|partition| Run {
                documents: self,
                partition,
                after: after.map(str::to_owned),
                items: VecDeque::new(),
                last_key: None,
                ended: false,
            })
            .collect();
        let mut page = Page::default();
        let mut bytes = 0;
        loop {
            let wanted = limit.saturating_sub(page.documents.len()) / runs.len() + 1;
            try_join_all(runs.iter_mut().map(|run| run.fill(wanted))).await?;
            let run = runs.iter_mut().min_by(|a, b| front(a).cmp(&front(b)));
            let Some(next) = run.and_then(|run| run.items.pop_front()) else { return Ok(page) };
            if page.documents.len() >= limit || bytes >= PAGE_BYTES_MAX {
                page.more = true;
                return Ok(page);
            }
            let document = self.document(next).await?;
            bytes += document.size_bytes;
            page.documents.push(document);
        }
    }
}

/// A run without items sorts behind all others.
fn front<'a>(run: &'a Run<'_>) -> (bool, Option<&'a str>) {
    (run.items.is_empty(), run.items.front().map(|item| item.id.as_str()))
}

impl Run<'_> {
    /// Reads on until there is a document that is not hidden, or the shard has ended.
    async fn fill(&mut self, wanted: usize) -> Result<()> {
        while self.items.is_empty() && !self.ended {
            self.read(wanted.clamp(*RUN_ITEMS.start(), *RUN_ITEMS.end())).await?;
        }
        Ok(())
    }

    async fn read(&mut self, items: usize) -> Result<()> {
        let behind = if self.after.is_some() { " and sk > :after" } else { "" };
        let request = self
            .documents
            .client
            .query()
            .table_name(&self.documents.table)
            .key_condition_expression(format!("pk = :partition{behind}"))
            .expression_attribute_values(":partition", AttributeValue::S(self.partition.clone()))
            .consistent_read(true)
            .limit(i32::try_from(items).map_err(Error::internal)?)
            .set_exclusive_start_key(self.last_key.take());
        let request = match &self.after {
            Some(after) => request.expression_attribute_values(":after", AttributeValue::S(after.clone())),
            None => request,
        };
        let answer = request.send().await.map_err(unavailable)?;
        for attributes in answer.items.unwrap_or_default() {
            let item = Item::from_attributes(attributes)?;
            if item.is_live() {
                self.items.push_back(item);
            }
        }
        self.last_key = answer.last_evaluated_key;
        self.ended = self.last_key.is_none();
        Ok(())
    }
}
