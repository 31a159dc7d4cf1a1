//! A collection's items as they are, hidden ones included: out of one DynamoDB table and into another, in DynamoDB's own JSON.

use super::{
    item::{Attributes, Body, Item, PK, SK},
    store::{Documents, partitions, unavailable},
};
use crate::{
    catalogue::CarriedObject,
    error::{Error, Result},
    objects::Stored,
};
use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{Stream, StreamExt};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const BATCH_ITEMS_MAX: usize = 25;

/// One document: a line of JSON, and the object that its body is, if it is one.
#[derive(Debug)]
pub struct CarriedItem {
    pub json: Value,
    pub object: Option<CarriedObject>,
}

impl Documents {
    /// All items of a collection as they come.
    pub fn items(&self, collection: Uuid, shards: u32) -> impl Stream<Item = Result<CarriedItem>> + use<> {
        let documents = self.clone();
        let pages = partitions(collection, shards).map(move |partition| documents.partition(partition));
        futures::stream::iter(pages).flatten()
    }

    fn partition(&self, partition: String) -> impl Stream<Item = Result<CarriedItem>> + use<> {
        let query = self.client.query().table_name(&self.table).key_condition_expression("pk = :partition");
        let query = query.expression_attribute_values(":partition", AttributeValue::S(partition)).consistent_read(true);
        let items = query.into_paginator().items().send();
        futures::stream::try_unfold(items, |mut items| async move {
            let Some(item) = items.next().await else { return Ok(None) };
            let carried = CarriedItem::of(item.map_err(unavailable)?)?;
            Ok(Some((carried, items)))
        })
    }

    /// Puts some items of the collection, whatever is there under their ids.
    ///
    /// # Errors
    /// `Startup` for what is no item of this collection.
    pub async fn put_items(&self, collection: Uuid, items: Vec<CarriedItem>) -> Result<()> {
        let mut requests = Vec::new();
        for item in items {
            let attributes = item.attributes(collection)?;
            let put = PutRequest::builder().set_item(Some(attributes)).build().map_err(Error::internal)?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for batch in requests.chunks(BATCH_ITEMS_MAX) {
            self.write_batch(batch.to_vec()).await?;
        }
        Ok(())
    }
}

impl CarriedItem {
    fn of(attributes: Attributes) -> Result<Self> {
        let json = attributes.iter().map(|(name, value)| Ok((name.clone(), value_json(value)?)));
        let json = json.collect::<Result<Map<_, _>>>()?.into();
        let object = match Item::from_attributes(attributes)?.body {
            Body::Native(_) => None,
            Body::Object(stored) => Some(carried(&stored)),
        };
        Ok(Self { json, object })
    }

    /// Reads a line of an export.
    ///
    /// # Errors
    /// `Startup` if it is no item.
    pub fn parse(line: &[u8]) -> Result<Self> {
        let json: Value = serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
        let attributes = attributes(&json).ok_or_else(|| broken("an attribute is none of DynamoDB's"))?;
        Self::of(attributes)
    }

    fn attributes(&self, collection: Uuid) -> Result<Attributes> {
        let attributes = attributes(&self.json).ok_or_else(|| broken("an attribute is none of DynamoDB's"))?;
        let partition = attributes.get(PK).and_then(|key| key.as_s().ok());
        let ours = partition.is_some_and(|key| key.starts_with(&format!("{collection}#")));
        if !ours || !attributes.contains_key(SK) {
            return Err(broken("an item is of another collection"));
        }
        Ok(attributes)
    }
}

fn broken(why: impl std::fmt::Display) -> Error {
    Error::startup(format!("The export's documents cannot be read: {why}."))
}

fn carried(stored: &Stored) -> CarriedObject {
    CarriedObject {
        id: stored.id,
        size_bytes: stored.size_bytes,
        sha256: Some(hex::encode(stored.sha256)),
        crc64nvme: hex::encode(stored.crc64nvme),
    }
}

/// As DynamoDB's own API writes it: `{"S": "text"}`.
fn value_json(value: &AttributeValue) -> Result<Value> {
    let base64 = |blob: &Blob| BASE64_STANDARD.encode(blob.as_ref());
    Ok(match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(blob) => json!({ "B": base64(blob) }),
        AttributeValue::Bool(value) => json!({ "BOOL": value }),
        AttributeValue::Null(value) => json!({ "NULL": value }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        AttributeValue::Ns(numbers) => json!({ "NS": numbers }),
        AttributeValue::Bs(blobs) => json!({ "BS": blobs.iter().map(base64).collect::<Vec<_>>() }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(value_json).collect::<Result<Vec<_>>>()? }),
        AttributeValue::M(map) => {
            let fields = map.iter().map(|(name, value)| Ok((name.clone(), value_json(value)?)));
            json!({ "M": fields.collect::<Result<Map<_, _>>>()? })
        }
        _ => return Err(Error::internal("an attribute of a type that is newer than this release")),
    })
}

fn json_value(json: &Value) -> Option<AttributeValue> {
    let (kind, value) = json.as_object().filter(|object| object.len() == 1)?.iter().next()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let blob = |value: &Value| BASE64_STANDARD.decode(value.as_str()?).ok().map(Blob::new);
    let list = || value.as_array();
    Some(match kind.as_str() {
        "S" => AttributeValue::S(text(value)?),
        "N" => AttributeValue::N(text(value)?),
        "B" => AttributeValue::B(blob(value)?),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "NULL" => AttributeValue::Null(value.as_bool()?),
        "SS" => AttributeValue::Ss(list()?.iter().map(text).collect::<Option<_>>()?),
        "NS" => AttributeValue::Ns(list()?.iter().map(text).collect::<Option<_>>()?),
        "BS" => AttributeValue::Bs(list()?.iter().map(blob).collect::<Option<_>>()?),
        "L" => AttributeValue::L(list()?.iter().map(json_value).collect::<Option<_>>()?),
        "M" => AttributeValue::M(attributes(value)?),
        _ => return None,
    })
}

fn attributes(json: &Value) -> Option<Attributes> {
    json.as_object()?.iter().map(|(name, value)| Some((name.clone(), json_value(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{attributes, value_json};
    use aws_sdk_dynamodb::types::AttributeValue;
    use serde_json::json;

    #[test]
    fn every_kind_of_value_is_itself_again() {
        let item = json!({
            "s": {"S": "é\u{0}"}, "n": {"N": "-0.1E+125"}, "b": {"B": "AP8="}, "t": {"BOOL": true}, "z": {"NULL": true},
            "l": {"L": [{"S": ""}, {"L": []}]}, "m": {"M": {"deep": {"N": "1"}}}, "ss": {"SS": ["a"]}, "ns": {"NS": ["2"]}, "bs": {"BS": ["AA=="]},
        });
        let read = attributes(&item).expect("an item");
        assert_eq!(value_json(&AttributeValue::M(read)).expect("JSON"), json!({ "M": item }));
        for bad in [
            json!({"s": "text"}),
            json!({"s": {"S": 1}}),
            json!({"s": {"X": ""}}),
            json!({"s": {"S": "", "N": "1"}}),
            json!([]),
        ] {
            assert!(attributes(&bad).is_none(), "{bad}");
        }
    }
}
