//! AWS Signature Version 4 of a DynamoDB request, checked as the service checks it:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
//!
//! The access key id alone would not do as a password: it stands in every presigned S3 URL that the service hands out.

use dynoxide::auth_material::{self, AuthMaterial};
use hmac::{Hmac, KeyInit, Mac};
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::fault;
use crate::embedded::EngineKeys;

/// `Ok` if the keys signed this request; else the JSON of a 400, in the order and words of DynamoDB. The age of a signature is not checked: to replay
/// one, somebody must have read the traffic of the loopback interface.
pub(super) fn verify(keys: &EngineKeys, head: &Parts, body: &[u8]) -> Result<(), String> {
    let authorization = text(head, "authorization");
    let incomplete = auth_material::validate(AuthMaterial {
        authorization,
        query: head.uri.query().unwrap_or_default(),
        has_date_header: head.headers.contains_key("x-amz-date") || head.headers.contains_key("date"),
    });
    if let Some(refusal) = incomplete {
        return Err(refusal);
    }
    let unknown = || fault("UnrecognizedClientException", "The security token included in the request is invalid.");
    let signed = authorization.and_then(Authorization::parse).ok_or_else(unknown)?;
    if !bool::from(signed.access_key_id.as_bytes().ct_eq(keys.access_key_id.as_bytes())) {
        return Err(unknown());
    }
    let computed = signed.compute(&keys.secret_access_key, head, body);
    if computed.is_some_and(|computed| bool::from(computed.as_bytes().ct_eq(signed.signature.as_bytes()))) {
        return Ok(());
    }
    Err(fault(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
    ))
}

/// The parts of an `Authorization: AWS4-HMAC-SHA256 …` header.
struct Authorization<'a> {
    access_key_id: &'a str,
    /// `date/region/service/aws4_request`.
    scope: &'a str,
    /// Lower case, in order, separated by `;`.
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let parts = header.strip_prefix("AWS4-HMAC-SHA256")?;
        let part = |name: &str| parts.split([',', ' ']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let (access_key_id, scope) = part("Credential")?.split_once('/')?;
        Some(Self { access_key_id, scope, signed_headers: part("SignedHeaders")?, signature: part("Signature")? })
    }

    /// The signature that `secret` gives for the request; `None` if the request lacks a header that it signs.
    fn compute(&self, secret: &str, head: &Parts, body: &[u8]) -> Option<String> {
        let mut canonical = format!("{}\n{}\n{}\n", head.method, head.uri.path(), head.uri.query().unwrap_or_default());
        for name in self.signed_headers.split(';') {
            let values = head.headers.get_all(name).iter().map(|value| value.to_str().ok().map(collapse));
            let values = values.collect::<Option<Vec<_>>>().filter(|values| !values.is_empty())?;
            canonical.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        canonical.push_str(&format!("\n{}\n{}", self.signed_headers, hex::encode(Sha256::digest(body))));

        let date = text(head, "x-amz-date")?;
        let hashed = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{hashed}", self.scope);
        let key = self.scope.split('/').try_fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part))?;
        Some(hex::encode(hmac(&key, &to_sign)?))
    }
}

fn hmac(key: &[u8], message: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// Without spaces at the ends, and one where there were several.
fn collapse(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn text<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}
