//! The bucket through the AWS SDK.

use crate::{
    error::{BoxError, Error, Result, Store},
    metrics::{self, Direction},
    objects::{ObjectWriter, Presigner},
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use bytes::Bytes;
use futures::Stream;
use std::{ops::RangeInclusive, pin::Pin, time::Duration};
use uuid::Uuid;

/// The bytes of an object or of a range of it.
pub type ObjectBytes = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

const INSTALLATION_KEY: &str = "larder/installation";
/// Whose object there never is.
const NOBODY: Uuid = Uuid::nil();
const MARK_TRIES_MAX: u32 = 20;
const MARK_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct Objects {
    pub(super) client: Client,
    pub presigner: Presigner,
    pub(super) bucket: String,
}

impl Objects {
    /// `signer` is a client for the address under which clients elsewhere reach the bucket.
    pub fn new(
        client: Client,
        signer: Client,
        credentials: SharedCredentialsProvider,
        bucket: String,
        presign_life: Duration,
    ) -> Self {
        Self { client, presigner: Presigner::new(signer, credentials, bucket.clone(), presign_life), bucket }
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Starts an object; nothing is visible before `ObjectWriter::finish`, and nothing is kept without a commit of the catalogue.
    pub fn writer(&self, id: Uuid) -> ObjectWriter {
        ObjectWriter::new(self.clone(), id, key(id))
    }

    /// The same at a key that is none of an object's: of an export in a bucket of its own.
    pub fn writer_at(&self, key: String) -> ObjectWriter {
        ObjectWriter::new(self.clone(), Uuid::nil(), key)
    }

    /// The object's bytes, or those of `range`, as they come.
    pub async fn read(&self, id: Uuid, range: Option<RangeInclusive<u64>>) -> Result<ObjectBytes> {
        let range = range.map(|range| format!("bytes={}-{}", range.start(), range.end()));
        let request = self.client.get_object().bucket(&self.bucket).key(key(id)).set_range(range);
        Ok(stream(request.send().await.map_err(unavailable)?.body))
    }

    /// The bytes at a key; `None` if there is nothing. For an operator, who is told what the role lacks.
    pub async fn find_at(&self, key: &str) -> Result<Option<ObjectBytes>> {
        match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(object) => Ok(Some(stream(object.body))),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(self.not_permitted("s3:GetObject on its objects", &error)),
        }
    }

    /// The whole object in memory; for documents, whose size has a limit.
    pub async fn read_whole(&self, id: Uuid) -> Result<Bytes> {
        let request = self.client.get_object().bucket(&self.bucket).key(key(id));
        let body = request.send().await.map_err(unavailable)?.body;
        let bytes = body.collect().await.map_err(unavailable)?.into_bytes();
        metrics::moved("objects", Direction::Out, bytes.len() as u64);
        Ok(bytes)
    }

    /// Deletes an object that nothing refers to; one that is not there is no error.
    pub async fn delete(&self, id: Uuid) -> Result<()> {
        self.client.delete_object().bucket(&self.bucket).key(key(id)).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// Ends a multipart upload that will never be completed; one that is not there is no error.
    pub async fn abort(&self, id: Uuid, multipart_id: &str) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key(id)).upload_id(multipart_id);
        match request.send().await {
            Err(error) if error.code() != Some("NoSuchUpload") => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// Whether the bucket answers.
    pub async fn check(&self) -> Result<()> {
        self.client.head_bucket().bucket(&self.bucket).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// At start: the bucket must be there and permit what we do; the sentence says what is missing.
    pub async fn check_at_start(&self) -> Result<()> {
        // HeadBucket asks for the same permission, but its refusal has no body that would say why.
        match self.client.list_objects_v2().bucket(&self.bucket).max_keys(1).send().await {
            Ok(_) => self.check_permissions().await,
            Err(error) if error.code() == Some("NoSuchBucket") => {
                Err(Error::startup(format!("The bucket `{}` of LARDER_S3_BUCKET does not exist.", self.bucket)))
            }
            Err(error) => Err(self.not_permitted("s3:ListBucket on it", &error)),
        }
    }

    /// What only a later request would find missing: asked of an object and an upload that are not there. The deletion comes last, for a store that passes over
    /// the condition of the put.
    async fn check_permissions(&self) -> Result<()> {
        let (bucket, key, none) = (&self.bucket, &key(NOBODY), "none");
        let put = self.client.put_object().bucket(bucket).key(key).if_match("\"none\"").body(Vec::new().into());
        self.unless_forbidden("s3:PutObject on its objects", put.send().await)?;
        let get = self.client.get_object().bucket(bucket).key(key).send().await;
        self.unless_forbidden("s3:GetObject on its objects", get)?;
        let abort = self.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(none).send().await;
        self.unless_forbidden("s3:AbortMultipartUpload on its objects", abort)?;
        let delete = self.client.delete_object().bucket(bucket).key(key).send().await;
        delete.map(drop).map_err(|error| self.not_permitted("s3:DeleteObject on its objects", &error))
    }

    /// Whatever else is answered, the call was permitted.
    fn unless_forbidden<T, E>(&self, action: &str, answer: Result<T, SdkError<E>>) -> Result<()>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        match answer {
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 403) => {
                Err(self.not_permitted(action, &error))
            }
            _ => Ok(()),
        }
    }

    /// The installation id that the bucket is marked with.
    pub async fn installation(&self) -> Result<Option<Uuid>> {
        let request = self.client.get_object().bucket(&self.bucket).key(INSTALLATION_KEY);
        let object = match request.send().await {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.not_permitted("s3:GetObject on its objects", &error)),
        };
        let text = object.body.collect().await.map_err(unavailable)?.into_bytes();
        let id = std::str::from_utf8(&text).ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
        id.map(Some)
            .ok_or_else(|| Error::startup(format!("`{INSTALLATION_KEY}` in the bucket `{}` holds no id.", self.bucket)))
    }

    /// Marks the bucket as this installation's, unless it is marked already; the caller reads the mark again to see whose it is.
    pub async fn mark(&self, installation: Uuid) -> Result<()> {
        let mut tries = 0;
        loop {
            let request = self.client.put_object().bucket(&self.bucket).key(INSTALLATION_KEY).if_none_match("*");
            match request.body(installation.to_string().into_bytes().into()).send().await {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some("PreconditionFailed") => return Ok(()),
                // A replica that starts in the same moment is about to write it.
                Err(error) if error.code() == Some("ConditionalRequestConflict") && tries < MARK_TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(MARK_PAUSE).await;
                }
                Err(error) => return Err(self.not_permitted("s3:PutObject on its objects", &error)),
            }
        }
    }

    fn not_permitted<E>(&self, action: &str, error: &SdkError<E>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let bucket = format!("the bucket `{}`", self.bucket);
        Error::startup(match error.code() {
            Some("AccessDenied") => format!("The role may not use {bucket}: it lacks {action}."),
            Some(code) => format!("S3 refuses {bucket}: {code}: {}", error.message().unwrap_or("it does not say why")),
            None => format!("S3 does not answer for {bucket}: {}", DisplayErrorContext(error)),
        })
    }
}

fn stream(body: ByteStream) -> ObjectBytes {
    Box::pin(futures::stream::try_unfold(body, |mut body| async move {
        let chunk = body.try_next().await.map_err(unavailable)?;
        metrics::moved("objects", Direction::Out, chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        Ok(chunk.map(|chunk| (chunk, body)))
    }))
}

pub(super) fn key(id: Uuid) -> String {
    format!("objects/{id}")
}

pub(super) fn unavailable(error: impl Into<BoxError>) -> Error {
    Error::store(Store::Objects, error)
}
