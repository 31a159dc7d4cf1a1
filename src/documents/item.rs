//! A document as DynamoDB holds it: the names and types of the item's attributes.

use super::{store::Document, value};
use crate::{
    error::{Error, Result},
    objects::Stored,
};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// Partition key: `{collection id}#{shard}`.
pub(super) const PK: &str = "pk";
/// Sort key: the document's id.
pub(super) const SK: &str = "sk";
/// A native map, or else `obj`: the id of the object in the bucket, with its `size`, `sha256` and `crc`.
const BODY: &str = "body";
pub(super) const OBJECT: &str = "obj";
const SIZE: &str = "size";
const SHA256: &str = "sha256";
const CRC: &str = "crc";
const INCARNATION: &str = "inc";
const REVISION: &str = "rev";
/// Anew at every write, hiding and restoring included: who has read it may replace what it read.
pub(super) const WRITE_ID: &str = "wid";
const CREATED: &str = "created";
const CREATED_BY: &str = "created_by";
const UPDATED: &str = "updated";
const UPDATED_BY: &str = "updated_by";
const FILE: &str = "file";
/// When it was hidden, RFC 3339.
pub(super) const DELETED: &str = "deleted";
pub(super) const DELETED_BY: &str = "deleted_by";
/// When DynamoDB removes the hidden item, in seconds since 1970.
pub(super) const TTL: &str = "ttl";

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub id: String,
    pub incarnation: String,
    pub revision: u64,
    pub write_id: String,
    pub created_at: OffsetDateTime,
    pub created_by: String,
    pub updated_at: OffsetDateTime,
    pub updated_by: String,
    /// The name of the file that a smart upload made it from.
    pub file: Option<String>,
    pub body: Body,
    /// Of a hidden document: the second since 1970 from which it cannot be restored.
    pub hidden_until: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Native(AttributeValue),
    Object(Stored),
}

impl Item {
    pub(super) fn is_live(&self) -> bool {
        self.hidden_until.is_none()
    }

    /// Whether `restore` still brings it back. DynamoDB may keep the item for days after that.
    pub(super) fn is_restorable(&self) -> bool {
        self.hidden_until.is_some_and(|until| until > OffsetDateTime::now_utc().unix_timestamp())
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{}.{}\"", self.incarnation, self.revision)
    }

    /// Of what a GET sends.
    pub(super) fn size_bytes(&self) -> Result<u64> {
        Ok(match &self.body {
            Body::Native(body) => value::to_json(body)?.len() as u64,
            Body::Object(stored) => stored.size_bytes,
        })
    }

    pub(super) fn object_id(&self) -> Option<Uuid> {
        match &self.body {
            Body::Native(_) => None,
            Body::Object(stored) => Some(stored.id),
        }
    }

    /// The document with the body that a GET sends; of an object, its bytes have been read before.
    pub(super) fn into_document(self, body: Bytes) -> Document {
        let (size_bytes, sha256, crc64nvme) = match &self.body {
            Body::Native(_) => digests(&body),
            Body::Object(stored) => (stored.size_bytes, stored.sha256, stored.crc64nvme),
        };
        Document {
            etag: self.etag(),
            id: self.id,
            incarnation: self.incarnation,
            created_at: self.created_at,
            created_by: self.created_by,
            updated_at: self.updated_at,
            updated_by: self.updated_by,
            size_bytes,
            sha256,
            crc64nvme,
            body,
        }
    }

    pub(super) fn into_attributes(self, partition: String) -> Result<Attributes> {
        let mut attributes = Attributes::from([
            (PK.to_owned(), AttributeValue::S(partition)),
            (SK.to_owned(), AttributeValue::S(self.id)),
            (INCARNATION.to_owned(), AttributeValue::S(self.incarnation)),
            (REVISION.to_owned(), AttributeValue::N(self.revision.to_string())),
            (WRITE_ID.to_owned(), AttributeValue::S(self.write_id)),
            (CREATED.to_owned(), AttributeValue::S(time_text(self.created_at)?)),
            (CREATED_BY.to_owned(), AttributeValue::S(self.created_by)),
            (UPDATED.to_owned(), AttributeValue::S(time_text(self.updated_at)?)),
            (UPDATED_BY.to_owned(), AttributeValue::S(self.updated_by)),
        ]);
        attributes.extend(self.file.map(|file| (FILE.to_owned(), AttributeValue::S(file))));
        match self.body {
            Body::Native(body) => attributes.extend([(BODY.to_owned(), body)]),
            Body::Object(stored) => attributes.extend([
                (OBJECT.to_owned(), AttributeValue::S(stored.id.to_string())),
                (SIZE.to_owned(), AttributeValue::N(stored.size_bytes.to_string())),
                (SHA256.to_owned(), AttributeValue::B(Blob::new(stored.sha256))),
                (CRC.to_owned(), AttributeValue::B(Blob::new(stored.crc64nvme))),
            ]),
        }
        Ok(attributes)
    }

    pub(super) fn from_attributes(attributes: Attributes) -> Result<Self> {
        let mut fields = Fields(attributes);
        let body = match fields.0.remove(BODY) {
            Some(body) => Body::Native(body),
            None => Body::Object(Stored {
                id: Uuid::parse_str(&fields.text(OBJECT)?).map_err(Error::internal)?,
                size_bytes: fields.number(SIZE)?,
                sha256: fields.bytes(SHA256)?,
                crc64nvme: fields.bytes(CRC)?,
            }),
        };
        Ok(Self {
            body,
            id: fields.text(SK)?,
            incarnation: fields.text(INCARNATION)?,
            revision: fields.number(REVISION)?,
            write_id: fields.text(WRITE_ID)?,
            created_at: fields.time(CREATED)?,
            created_by: fields.text(CREATED_BY)?,
            updated_at: fields.time(UPDATED)?,
            updated_by: fields.text(UPDATED_BY)?,
            file: if fields.0.contains_key(FILE) { Some(fields.text(FILE)?) } else { None },
            hidden_until: if fields.0.contains_key(TTL) { Some(fields.number(TTL)?) } else { None },
        })
    }
}

impl Body {
    /// The bytes of a native body; `None` for those of an object, which are in the bucket.
    pub(super) fn native_json(&self) -> Result<Option<Bytes>> {
        match self {
            Self::Native(body) => Ok(Some(value::to_json(body)?.into())),
            Self::Object(_) => Ok(None),
        }
    }
}

/// Size, SHA-256 and CRC-64/NVME, big-endian.
pub(super) fn digests(body: &[u8]) -> (u64, [u8; 32], [u8; 8]) {
    (body.len() as u64, Sha256::digest(body).into(), crc_fast::checksum(Crc64Nvme, body).to_be_bytes())
}

pub(super) fn time_text(at: OffsetDateTime) -> Result<String> {
    at.format(&Rfc3339).map_err(Error::internal)
}

/// Attributes taken one by one; a lacking one is another tool's doing, and is named in the log.
struct Fields(Attributes);

impl Fields {
    fn text(&mut self, name: &'static str) -> Result<String> {
        match self.0.remove(name) {
            Some(AttributeValue::S(text)) => Ok(text),
            _ => Err(lacking(name)),
        }
    }

    fn number<N: std::str::FromStr>(&mut self, name: &'static str) -> Result<N> {
        match self.0.remove(name) {
            Some(AttributeValue::N(number)) => number.parse().map_err(|_| lacking(name)),
            _ => Err(lacking(name)),
        }
    }

    fn bytes<const LEN: usize>(&mut self, name: &'static str) -> Result<[u8; LEN]> {
        match self.0.remove(name) {
            Some(AttributeValue::B(bytes)) => bytes.into_inner().try_into().map_err(|_| lacking(name)),
            _ => Err(lacking(name)),
        }
    }

    fn time(&mut self, name: &'static str) -> Result<OffsetDateTime> {
        OffsetDateTime::parse(&self.text(name)?, &Rfc3339).map_err(Error::internal)
    }
}

fn lacking(name: &'static str) -> Error {
    Error::internal(format!("an item of the document store has no valid attribute `{name}`"))
}
