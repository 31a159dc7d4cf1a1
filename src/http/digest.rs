//! The checksums that a client may send: `Content-MD5`, S3's `x-amz-checksum-*`, and `Repr-Digest` or `Content-Digest` of RFC 9530.

use crate::{
    error::{Error, Result},
    objects::{Algorithm, Claim},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue};

const HEADERS: [(&str, Algorithm, usize); 6] = [
    ("content-md5", Algorithm::Md5, 16),
    ("x-amz-checksum-crc32", Algorithm::Crc32, 4),
    ("x-amz-checksum-crc32c", Algorithm::Crc32c, 4),
    ("x-amz-checksum-crc64nvme", Algorithm::Crc64Nvme, 8),
    ("x-amz-checksum-sha1", Algorithm::Sha1, 20),
    ("x-amz-checksum-sha256", Algorithm::Sha256, 32),
];

/// All checksums in the headers; one that is not valid base64 of its length is refused, since it could never hold.
pub fn claims(headers: &HeaderMap) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (header, algorithm, bytes) in HEADERS {
        if let Some(value) = text(headers, header)? {
            claims.push(claim(header, algorithm, bytes, value)?);
        }
    }
    for header in ["repr-digest", "content-digest"] {
        let lines = headers.get_all(header).iter().map(|line| readable(header, line));
        for member in lines.collect::<Result<Vec<_>>>()?.iter().flat_map(|line| line.split(',')) {
            let (name, digest) = member.trim().split_once('=').unwrap_or((member, ""));
            let Some((algorithm, bytes)) = structured_algorithm(name) else { continue };
            let digest = digest.strip_prefix(':').and_then(|digest| digest.strip_suffix(':'));
            claims.push(claim(header, algorithm, bytes, digest.unwrap_or_default())?);
        }
    }
    Ok(claims)
}

/// Algorithms of RFC 9530 that we compute; a sender may name others beside them, which are passed over as the standard says.
fn structured_algorithm(name: &str) -> Option<(Algorithm, usize)> {
    match name {
        "sha-256" => Some((Algorithm::Sha256, 32)),
        "sha-512" => Some((Algorithm::Sha512, 64)),
        "md5" => Some((Algorithm::Md5, 16)),
        "sha" => Some((Algorithm::Sha1, 20)),
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    headers.get(name).map(|value| readable(name, value)).transpose()
}

fn readable<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str> {
    value.to_str().map_err(|_| Error::invalid(name, "it must be plain ASCII."))
}

fn claim(header: &str, algorithm: Algorithm, bytes: usize, value: &str) -> Result<Claim> {
    let expected = BASE64_STANDARD.decode(value.trim()).ok().filter(|digest| digest.len() == bytes);
    let expected = expected.ok_or_else(|| {
        Error::invalid(header, format!("it must be the base64 of {bytes} bytes ({}).", algorithm.name()))
    })?;
    Ok(Claim::new(algorithm, expected))
}

#[cfg(test)]
mod tests {
    use super::claims;
    use http::HeaderMap;

    #[test]
    fn checksums_that_cannot_hold_are_refused_and_unknown_ones_passed_over() {
        let count = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            claims(&headers).map(|claims| claims.len()).ok()
        };
        assert_eq!(count("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), Some(1));
        assert_eq!(count("content-md5", "abc"), None);
        assert_eq!(count("repr-digest", "id-sha-256=:AA==:, md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"), Some(1));
        assert_eq!(count("repr-digest", "sha-256=AA=="), None);
    }
}
