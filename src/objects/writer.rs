//! One upload into one object: small ones by a single put, larger ones in parts, two of them on their way at a time.
//!
//! Every part is held in memory until S3 has it, so that the SDK can repeat it; S3 compares our CRC-64/NVME of each part and of the whole.

use super::store::{Objects, unavailable};
use crate::{
    catalogue::Lease,
    error::{Error, Result},
};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm::Crc64Nvme, Digest as Crc};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use uuid::Uuid;

const PART_BYTES_MIN: usize = 8 << 20;
/// S3 takes 10,000 parts; the size of a part doubles after each so many, up to 64 MiB, which makes room for some 500 GB.
const PARTS_BEFORE_DOUBLING: usize = 1000;
const DOUBLINGS_MAX: usize = 3;
const PARTS_IN_FLIGHT_MAX: usize = 2;

/// What is known of an object once all its bytes are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub id: Uuid,
    pub size_bytes: u64,
    pub sha256: [u8; 32],
    /// Big-endian, as S3 shows it.
    pub crc64nvme: [u8; 8],
}

pub struct ObjectWriter {
    objects: Objects,
    id: Uuid,
    key: String,
    part: BytesMut,
    multipart_id: Option<String>,
    parts_started: usize,
    in_flight: JoinSet<Result<CompletedPart>>,
    parts: Vec<CompletedPart>,
    size_bytes: u64,
    sha256: Sha256,
    crc: Crc,
}

impl ObjectWriter {
    pub(super) fn new(objects: Objects, id: Uuid, key: String) -> Self {
        Self {
            objects,
            id,
            key,
            part: BytesMut::new(),
            multipart_id: None,
            parts_started: 0,
            in_flight: JoinSet::new(),
            parts: Vec::new(),
            size_bytes: 0,
            sha256: Sha256::new(),
            crc: Crc::new(Crc64Nvme),
        }
    }

    /// Takes the next bytes; waits while two parts are on their way. The lease is told of a multipart upload that begins; without one a lifecycle rule ends what
    /// breaks off.
    pub async fn write<'a>(&mut self, lease: impl Into<Option<&'a Lease>>, mut bytes: Bytes) -> Result<()> {
        let lease = lease.into();
        self.size_bytes += bytes.len() as u64;
        self.sha256.update(&bytes);
        self.crc.update(&bytes);
        while !bytes.is_empty() {
            let room = self.part_bytes() - self.part.len();
            self.part.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
            if self.part.len() == self.part_bytes() {
                self.send_part(lease).await?;
            }
        }
        Ok(())
    }

    /// Completes the object. It stays invisible to users until the catalogue commits a version that refers to it.
    pub async fn finish<'a>(mut self, lease: impl Into<Option<&'a Lease>>) -> Result<Stored> {
        let stored = Stored {
            id: self.id,
            size_bytes: self.size_bytes,
            sha256: self.sha256.clone().finalize().into(),
            crc64nvme: self.crc.finalize().to_be_bytes(),
        };
        if self.multipart_id.is_none() {
            self.put_whole(&stored).await?;
        } else {
            if !self.part.is_empty() {
                self.send_part(lease.into()).await?;
            }
            self.complete(&stored).await?;
        }
        Ok(stored)
    }

    fn part_bytes(&self) -> usize {
        PART_BYTES_MIN << (self.parts_started / PARTS_BEFORE_DOUBLING).min(DOUBLINGS_MAX)
    }

    async fn put_whole(&mut self, stored: &Stored) -> Result<()> {
        let request = self.objects.client.put_object().bucket(&self.objects.bucket).key(&self.key);
        let request = request.checksum_crc64_nvme(BASE64_STANDARD.encode(stored.crc64nvme));
        request.body(self.part.split().freeze().into()).send().await.map_err(unavailable)?;
        Ok(())
    }

    async fn send_part(&mut self, lease: Option<&Lease>) -> Result<()> {
        let multipart_id = match &self.multipart_id {
            Some(id) => id.clone(),
            None => self.start_multipart(lease).await?,
        };
        while self.in_flight.len() >= PARTS_IN_FLIGHT_MAX {
            self.collect_one().await?;
        }
        self.parts_started += 1;
        let number = i32::try_from(self.parts_started).map_err(Error::internal)?;
        let body = self.part.split().freeze();
        let crc = BASE64_STANDARD.encode(crc_fast::checksum(Crc64Nvme, &body).to_be_bytes());
        let request = self.objects.client.upload_part().bucket(&self.objects.bucket).key(&self.key);
        let request = request.upload_id(multipart_id).part_number(number).checksum_crc64_nvme(&crc).body(body.into());
        self.in_flight.spawn(async move {
            let part = request.send().await.map_err(unavailable)?;
            let completed = CompletedPart::builder().part_number(number).set_e_tag(part.e_tag);
            Ok(completed.checksum_crc64_nvme(crc).build())
        });
        Ok(())
    }

    async fn start_multipart(&mut self, lease: Option<&Lease>) -> Result<String> {
        let request = self.objects.client.create_multipart_upload().bucket(&self.objects.bucket).key(&self.key);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
        let created = request.send().await.map_err(unavailable)?;
        let id = created.upload_id.ok_or_else(|| unavailable("CreateMultipartUpload answered without an upload id"))?;
        if let Some(lease) = lease {
            lease.set_multipart(&id).await?;
        }
        self.multipart_id = Some(id.clone());
        Ok(id)
    }

    async fn collect_one(&mut self) -> Result<()> {
        if let Some(part) = self.in_flight.join_next().await {
            self.parts.push(part.map_err(Error::internal)??);
        }
        Ok(())
    }

    async fn complete(&mut self, stored: &Stored) -> Result<()> {
        while !self.in_flight.is_empty() {
            self.collect_one().await?;
        }
        self.parts.sort_by_key(|part| part.part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let request = self.objects.client.complete_multipart_upload().bucket(&self.objects.bucket).key(&self.key);
        let request = request.set_upload_id(self.multipart_id.clone()).multipart_upload(parts);
        let request = request.checksum_type(ChecksumType::FullObject);
        let request = request.checksum_crc64_nvme(BASE64_STANDARD.encode(stored.crc64nvme));
        request.send().await.map_err(unavailable)?;
        Ok(())
    }
}
