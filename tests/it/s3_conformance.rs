//! What the service relies on in an S3, asked through the unmodified AWS SDK. Runs against the embedded engine, or against any endpoint:
//! `LARDER_CONFORMANCE_S3_ENDPOINT=http://… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… cargo test --test it s3_conformance`.

mod browsers;
mod checksums;
mod conditions;
mod copies;
mod engine;
mod listings;
mod multipart;
mod objects;
mod part_checksums;
mod presigned;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use larder::embedded::EngineKeys;
use larder::embedded::s3::S3Engine;

/// An empty bucket at some S3.
struct Bucket {
    client: Client,
    endpoint: String,
    name: String,
    _engine: Option<(S3Engine, tempfile::TempDir)>,
}

fn keys() -> EngineKeys {
    EngineKeys { access_key_id: "LARDERTESTKEY".into(), secret_access_key: "not-a-secret-outside-tests".into() }
}

fn client(endpoint: &str, keys: &EngineKeys) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(&keys.access_key_id, &keys.secret_access_key, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        // A retry would hide what we look for.
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

impl Bucket {
    async fn new() -> Self {
        let name = format!("conformance-{}", uuid::Uuid::new_v4().simple());
        let (endpoint, keys, engine) = match std::env::var("LARDER_CONFORMANCE_S3_ENDPOINT") {
            Ok(endpoint) => {
                let variable = |name| std::env::var(name).expect("the keys of the endpoint are in the environment");
                let keys = EngineKeys {
                    access_key_id: variable("AWS_ACCESS_KEY_ID"),
                    secret_access_key: variable("AWS_SECRET_ACCESS_KEY"),
                };
                (endpoint, keys, None)
            }
            Err(_) => {
                let folder = tempfile::tempdir().unwrap();
                let engine = S3Engine::start(folder.path(), &keys()).await.unwrap();
                (format!("http://{}", engine.addr()), keys(), Some((engine, folder)))
            }
        };
        let client = client(&endpoint, &keys);
        client.create_bucket().bucket(&name).send().await.unwrap();
        Self { client, endpoint, name, _engine: engine }
    }

    /// Puts an object and gives its ETag.
    async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let put = self.client.put_object().bucket(&self.name).key(key).body(ByteStream::from(body.into()));
        put.send().await.unwrap().e_tag.unwrap()
    }

    /// The bytes of an object, `None` if there is no such key.
    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(found) => Some(found.body.collect().await.unwrap().to_vec()),
            Err(error) if error.code() == Some("NoSuchKey") => None,
            Err(error) => panic!("{}", DisplayErrorContext(error)),
        }
    }

    fn url(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.endpoint, self.name)
    }
}

/// The S3 error code of a failure; for HEAD and 304, which have no body, the status.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata>(outcome: Result<T, SdkError<E>>) -> String {
    let error = outcome.expect_err("the request fails");
    let status = error.raw_response().map(|response| response.status().as_u16());
    match error.code() {
        Some(code) => code.into(),
        None => status.map_or_else(|| "no response".into(), |status| status.to_string()),
    }
}

fn minutes(minutes: u64) -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60 * minutes)).unwrap()
}

/// Bytes that do not repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}
