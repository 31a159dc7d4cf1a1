//! Checksums: the five algorithms of S3, computing them beside the MD5 of the ETag, and putting those of parts together.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use s3s::S3ErrorCode;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};

use super::fault::{Outcome, refuse};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    /// What S3 computes where the client names none.
    pub const DEFAULT: Self = Self::Crc64Nvme;
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn parse(name: &str) -> Outcome<Self> {
        match Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name)) {
            Some(algorithm) => Ok(algorithm),
            None => refuse(S3ErrorCode::InvalidRequest, format!("The checksum algorithm {name} is not supported.")),
        }
    }

    /// The header or trailer that carries its value.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    /// CRCs of parts combine into the CRC of the whole; hashes do not.
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }

    fn crc(self) -> Option<crc_fast::CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// Checksums of one run of bytes, as the base64 that S3 shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums(pub BTreeMap<Algorithm, String>);

impl Checksums {
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    pub fn text(&self, algorithm: Algorithm) -> Option<String> {
        self.0.get(&algorithm).cloned()
    }

    pub fn one(algorithm: Algorithm, value: String) -> Self {
        Self(BTreeMap::from([(algorithm, value)]))
    }
}

/// Reads the five checksum fields of an input.
macro_rules! checksums_of {
    ($input:expr) => {{
        use $crate::embedded::s3::digest::{Algorithm, Checksums};
        let fields = [
            (Algorithm::Crc32, &$input.checksum_crc32),
            (Algorithm::Crc32c, &$input.checksum_crc32c),
            (Algorithm::Crc64Nvme, &$input.checksum_crc64nvme),
            (Algorithm::Sha1, &$input.checksum_sha1),
            (Algorithm::Sha256, &$input.checksum_sha256),
        ];
        Checksums(fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect())
    }};
}
pub(crate) use checksums_of;

/// Writes the five checksum fields of an output.
macro_rules! show_checksums {
    ($output:expr, $checksums:expr) => {{
        use $crate::embedded::s3::digest::Algorithm;
        $output.checksum_crc32 = $checksums.text(Algorithm::Crc32);
        $output.checksum_crc32c = $checksums.text(Algorithm::Crc32c);
        $output.checksum_crc64nvme = $checksums.text(Algorithm::Crc64Nvme);
        $output.checksum_sha1 = $checksums.text(Algorithm::Sha1);
        $output.checksum_sha256 = $checksums.text(Algorithm::Sha256);
    }};
}
pub(crate) use show_checksums;

/// What was computed over the bytes that went through a [`Digester`].
pub struct Digest {
    pub length: u64,
    pub md5: [u8; 16],
    pub checksums: Checksums,
}

pub struct Digester {
    length: u64,
    md5: Md5,
    checksums: ChecksumHasher,
}

impl Digester {
    pub fn new(algorithms: &BTreeSet<Algorithm>) -> Self {
        let mut checksums = ChecksumHasher::default();
        for algorithm in algorithms {
            match algorithm {
                Algorithm::Crc32 => checksums.crc32 = Some(Crc32::new()),
                Algorithm::Crc32c => checksums.crc32c = Some(Crc32c::new()),
                Algorithm::Crc64Nvme => checksums.crc64nvme = Some(Crc64Nvme::new()),
                Algorithm::Sha1 => checksums.sha1 = Some(Sha1::new()),
                Algorithm::Sha256 => checksums.sha256 = Some(Sha256::new()),
            }
        }
        Self { length: 0, md5: Md5::new(), checksums }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.md5.update(bytes);
        self.checksums.update(bytes);
    }

    pub fn finish(self) -> Digest {
        let computed = self.checksums.finalize();
        Digest { length: self.length, md5: self.md5.finalize(), checksums: checksums_of!(computed) }
    }
}

/// The checksum of parts put one behind the other, from those of the parts and their lengths. `None` where one is missing or malformed.
pub fn full_object<'a>(algorithm: Algorithm, parts: impl Iterator<Item = (Option<&'a str>, u64)>) -> Option<String> {
    let crc = algorithm.crc()?;
    let mut whole: Option<u64> = None;
    for (checksum, length) in parts {
        let value = BASE64.decode(checksum?).ok()?.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
        whole = Some(match whole {
            Some(before) => crc_fast::checksum_combine(crc, before, value, length),
            None => value,
        });
    }
    let whole = whole?.to_be_bytes();
    Some(BASE64.encode(if algorithm == Algorithm::Crc64Nvme { &whole[..] } else { &whole[4..] }))
}

/// The checksum of the parts' checksums, with `-` and their number behind it. `None` where one is missing or malformed.
pub fn composite<'a>(algorithm: Algorithm, parts: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let mut digester = Digester::new(&BTreeSet::from([algorithm]));
    let mut count = 0;
    for checksum in parts {
        digester.update(&BASE64.decode(checksum?).ok()?);
        count += 1;
    }
    Some(format!("{}-{count}", digester.finish().checksums.get(algorithm)?))
}
