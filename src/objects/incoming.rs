//! The bytes of an upload as they come: bounded, timed, and checked against the checksums that the client sent with them.

use crate::error::{Error, Limit, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use futures::{Stream, StreamExt};
use sha2::Digest;
use std::{collections::VecDeque, pin::Pin, time::Duration};

pub struct Incoming {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    /// Read ahead by `peek`, not yet given out.
    ahead: VecDeque<Bytes>,
    claims: Vec<Claim>,
    bytes_left: u64,
    bytes_max: u64,
    idle: Duration,
}

/// A checksum that the client sent, and the same of the bytes so far.
pub struct Claim {
    algorithm: Algorithm,
    expected: Vec<u8>,
    hasher: Hasher,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Crc32,
    Crc32c,
    Crc64Nvme,
}

enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Crc(Crc, usize),
}

impl Incoming {
    pub fn new(
        stream: impl Stream<Item = Result<Bytes>> + Send + 'static,
        claims: Vec<Claim>,
        bytes_max: u64,
        idle: Duration,
    ) -> Self {
        Self { stream: Box::pin(stream.fuse()), ahead: VecDeque::new(), claims, bytes_left: bytes_max, bytes_max, idle }
    }

    /// The same with less room, if it is less.
    #[must_use]
    pub fn at_most(self, bytes_max: u64) -> Self {
        let bytes_max = self.bytes_max.min(bytes_max);
        Self { bytes_max, bytes_left: self.bytes_left.min(bytes_max), ..self }
    }

    /// The next bytes, or `None` at the end, where all checksums have been compared.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.ahead.pop_front() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.pull().await,
        }
    }

    /// The first `wanted` bytes, or all there are if fewer, without taking them.
    pub async fn peek(&mut self, wanted: usize) -> Result<Bytes> {
        let mut first = BytesMut::new();
        for bytes in self.ahead.drain(..) {
            first.extend_from_slice(&bytes);
        }
        while first.len() < wanted {
            match self.pull().await? {
                Some(bytes) => first.extend_from_slice(&bytes),
                None => break,
            }
        }
        let first = first.freeze();
        self.ahead.extend((!first.is_empty()).then(|| first.clone()));
        Ok(first)
    }

    /// The whole body in memory.
    pub async fn collect(mut self, limit: Limit, max: u64) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if (whole.len() + bytes.len()) as u64 > max {
                return Err(limit.passed(max, None));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    async fn pull(&mut self) -> Result<Option<Bytes>> {
        let idle = |_| Error::Interrupted { detail: format!("no byte came for {} s", self.idle.as_secs()) };
        let Some(bytes) = tokio::time::timeout(self.idle, self.stream.next()).await.map_err(idle)?.transpose()? else {
            for claim in self.claims.drain(..) {
                claim.compare()?;
            }
            return Ok(None);
        };
        let limit = Limit::UploadBytes.passed(self.bytes_max, None);
        self.bytes_left = self.bytes_left.checked_sub(bytes.len() as u64).ok_or(limit)?;
        for claim in &mut self.claims {
            claim.update(&bytes);
        }
        Ok(Some(bytes))
    }
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
        }
    }

    fn hasher(self) -> Hasher {
        match self {
            Self::Md5 => Hasher::Md5(md5::Md5::new()),
            Self::Sha1 => Hasher::Sha1(sha1::Sha1::new()),
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Sha512 => Hasher::Sha512(sha2::Sha512::new()),
            Self::Crc32 => Hasher::Crc(Crc::new(CrcAlgorithm::Crc32IsoHdlc), 4),
            Self::Crc32c => Hasher::Crc(Crc::new(CrcAlgorithm::Crc32Iscsi), 4),
            Self::Crc64Nvme => Hasher::Crc(Crc::new(CrcAlgorithm::Crc64Nvme), 8),
        }
    }
}

impl Claim {
    pub fn new(algorithm: Algorithm, expected: Vec<u8>) -> Self {
        Self { algorithm, expected, hasher: algorithm.hasher() }
    }

    fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Md5(hasher) => hasher.update(bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
            Hasher::Crc(crc, _) => crc.update(bytes),
        }
    }

    fn compare(self) -> Result<()> {
        let computed = match self.hasher {
            Hasher::Md5(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha512(hasher) => hasher.finalize().to_vec(),
            Hasher::Crc(crc, width) => crc.finalize().to_be_bytes()[8 - width..].to_vec(),
        };
        if computed == self.expected {
            return Ok(());
        }
        Err(Error::ChecksumMismatch {
            algorithm: self.algorithm.name().to_owned(),
            computed: BASE64_STANDARD.encode(computed),
        })
    }
}
