//! Uploads on their way to disk: memory stays at two chunks, whatever the size, and nothing comes out unless every checksum that was promised holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::BytesMut;
use futures::StreamExt as _;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, StdError, TrailingHeaders};
use tokio::task::spawn_blocking;

use super::digest::{Algorithm, Checksums, Digest, Digester};
use super::fault::{Fault, Outcome, refuse};
use super::files::{Files, NewFile};

/// Bytes that are gathered before a write; one more chunk may be under way.
const CHUNK_BYTES: usize = 512 << 10;
/// S3's own limit for one request.
const BODY_BYTES_MAX: u64 = 5 << 30;
/// How much of a refused body is read and thrown away, so that the client sees the refusal rather than a broken connection.
const DRAIN_BYTES_MAX: usize = 4 << 20;

/// What the sender says about the bytes.
#[derive(Default)]
pub struct Promise {
    pub length: Option<u64>,
    pub md5: Option<String>,
    pub checksums: Checksums,
    /// An algorithm to compute besides those of `checksums` and of the trailers.
    pub wanted: Option<Algorithm>,
    /// The checksums that `x-amz-trailer` announces for after the body, and where they will be found.
    pub announced: Vec<Algorithm>,
    pub trailers: Option<TrailingHeaders>,
}

impl Promise {
    /// Reads `x-amz-trailer`.
    pub fn announce(&mut self, headers: &http::HeaderMap, trailers: Option<TrailingHeaders>) {
        let names = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
        let names: Vec<&str> = names.flat_map(|value| value.split(',')).map(str::trim).collect();
        self.announced = Algorithm::ALL.into_iter().filter(|algorithm| names.contains(&&*algorithm.header())).collect();
        self.trailers = trailers;
    }

    fn algorithms(&self) -> BTreeSet<Algorithm> {
        let mut all: BTreeSet<_> = self.checksums.0.keys().copied().chain(self.announced.iter().copied()).collect();
        all.extend(self.wanted);
        if all.is_empty() {
            all.insert(Algorithm::DEFAULT);
        }
        all
    }

    fn verify(&self, digest: &Digest) -> Outcome<()> {
        if self.length.is_some_and(|length| length != digest.length) {
            return refuse(S3ErrorCode::IncompleteBody, "The body is not as long as its headers say.");
        }
        if let Some(md5) = &self.md5 {
            match BASE64.decode(md5) {
                Ok(sent) if sent == digest.md5 => {}
                Ok(sent) if sent.len() == 16 => {
                    return refuse(
                        S3ErrorCode::BadDigest,
                        "The Content-MD5 you specified did not match what we received.",
                    );
                }
                _ => return refuse(S3ErrorCode::InvalidDigest, "The Content-MD5 you specified is not valid."),
            }
        }
        for (algorithm, sent) in &self.checksums.0 {
            check(*algorithm, sent, digest)?;
        }
        for algorithm in &self.announced {
            let header = algorithm.header();
            let sent = self
                .trailers
                .as_ref()
                .and_then(|trailers| trailers.read(|map| map.get(&header)?.to_str().ok().map(String::from)));
            match sent.flatten() {
                Some(sent) => check(*algorithm, &sent, digest)?,
                None => {
                    return refuse(
                        S3ErrorCode::IncompleteBody,
                        format!("The trailer {header} was announced and did not come."),
                    );
                }
            }
        }
        Ok(())
    }
}

fn check(algorithm: Algorithm, sent: &str, digest: &Digest) -> Outcome<()> {
    if digest.checksums.get(algorithm) == Some(sent) {
        return Ok(());
    }
    refuse(
        S3ErrorCode::BadDigest,
        format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
    )
}

/// Verified bytes on disk that no row names yet. An empty body needs no file.
pub struct Received {
    pub file: Option<NewFile>,
    pub digest: Digest,
}

/// Writes a body to disk. An error leaves nothing behind.
pub async fn receive(files: &Arc<Files>, body: Option<StreamingBlob>, promise: Promise) -> Outcome<Received> {
    if promise.length.is_some_and(|length| length > BODY_BYTES_MAX) {
        return refuse(S3ErrorCode::EntityTooLarge, "One request holds at most 5 GiB; upload in parts.");
    }
    let mut body = body.unwrap_or_else(|| s3s::Body::empty().into());
    let sink = Sink { files: files.clone(), digester: Digester::new(&promise.algorithms()), file: None };
    let mut chunk = gather(&mut body).await?;
    let mut writing = spawn_blocking(move || sink.write(&chunk));
    loop {
        // Gathers the next chunk while this one is hashed and written.
        chunk = gather(&mut body).await?;
        let sink = writing.await??;
        if chunk.is_empty() {
            return spawn_blocking(move || sink.finish(&promise)).await?;
        }
        writing = spawn_blocking(move || sink.write(&chunk));
    }
}

/// Reads on for a moment after a refusal.
pub async fn drain(body: Option<StreamingBlob>) {
    let Some(mut body) = body else { return };
    let mut bytes = 0;
    while let Some(Ok(piece)) = body.next().await {
        bytes += piece.len();
        if bytes > DRAIN_BYTES_MAX {
            return;
        }
    }
}

async fn gather(body: &mut StreamingBlob) -> Outcome<BytesMut> {
    let mut chunk = BytesMut::new();
    while chunk.len() < CHUNK_BYTES {
        match body.next().await {
            Some(piece) => chunk.extend_from_slice(&piece.map_err(broken_body)?),
            None => break,
        }
    }
    Ok(chunk)
}

/// The types of these errors are private to `s3s`; their texts are not.
fn broken_body(error: StdError) -> Fault {
    let text = error.to_string();
    let code = if text.contains("Sha256Mismatch") {
        S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into())
    } else if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch
    } else {
        S3ErrorCode::IncompleteBody
    };
    let mut refusal = S3Error::with_source(code, error);
    refusal.set_message("The body broke off or is not what its headers say.");
    refusal.set_status_code(http::StatusCode::BAD_REQUEST);
    Fault::Refused(refusal)
}

struct Sink {
    files: Arc<Files>,
    digester: Digester,
    file: Option<(NewFile, File)>,
}

impl Sink {
    fn write(mut self, chunk: &[u8]) -> Outcome<Self> {
        if chunk.is_empty() {
            return Ok(self);
        }
        if self.file.is_none() {
            self.file = Some(self.files.draft()?);
        }
        if let Some((_, file)) = &mut self.file {
            file.write_all(chunk)?;
        }
        self.digester.update(chunk);
        Ok(self)
    }

    fn finish(self, promise: &Promise) -> Outcome<Received> {
        let digest = self.digester.finish();
        promise.verify(&digest)?;
        let Some((mut new, file)) = self.file else { return Ok(Received { file: None, digest }) };
        new.place(&file)?;
        Ok(Received { file: Some(new), digest })
    }
}
