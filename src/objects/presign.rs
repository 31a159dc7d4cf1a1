//! URLs that serve an object by themselves for a while.
//!
//! The SDK signs one when it is first asked, which tells where the bucket is and how it is signed for. The others are signed by the SDK's own signer alone: a link's hit is answered by one,
//! and needs nothing of all that the SDK does around it.

use super::store::{key, unavailable};
use crate::error::{Error, Result};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_sdk_s3::{Client, presigning::PresigningConfig};
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};
use time::OffsetDateTime;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// With less than this left of the credentials that would sign, we stream instead of minting a URL.
const CREDENTIALS_LIFE_MIN: Duration = Duration::from_secs(60);
/// How long credentials are taken for the latest. A role's come by a request to whoever lends them.
const CREDENTIALS_FRESH: Duration = Duration::from_secs(10);
/// URLs that are remembered, of one second.
const MINTED_MAX: usize = 1024;
/// What stays as it is in a query (RFC 3986).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Clone)]
pub struct Presigner {
    /// For the address under which clients elsewhere reach the bucket.
    client: Client,
    /// Whose expiry bounds that of a presigned URL.
    credentials: SharedCredentialsProvider,
    bucket: String,
    life: Duration,
    place: Arc<OnceCell<Place>>,
    known: Arc<RwLock<Option<(Instant, Credentials)>>>,
    minted: Arc<Mutex<Minted>>,
}

/// URLs that were signed in one second. One that is asked for again in it would be the same.
#[derive(Debug, Default)]
struct Minted {
    second: i64,
    /// Whatever credentials have signed one, they live so long.
    urls: HashMap<(Of, Duration), String>,
}

/// What a URL is of: a version, and another number after each change of what is said of it.
pub type Of = (Uuid, i64);

impl Minted {
    fn of(&mut self, second: i64) -> &mut HashMap<(Of, Duration), String> {
        if self.second != second {
            *self = Self { second, urls: HashMap::new() };
        }
        &mut self.urls
    }
}

/// Where the bucket's objects are, and whose signatures they take.
#[derive(Debug)]
struct Place {
    /// What the key of an object is appended to.
    base: String,
    region: String,
}

/// How a browser is told to treat the bytes.
#[derive(Debug, Clone)]
pub struct Presentation {
    pub content_type: String,
    pub content_disposition: String,
    pub content_encoding: Option<String>,
}

/// A URL that serves the object by itself, until `expires_at`.
#[derive(Debug, Clone)]
pub struct Presigned {
    pub url: String,
    pub expires_at: OffsetDateTime,
}

impl Presigner {
    pub fn new(client: Client, credentials: SharedCredentialsProvider, bucket: String, life: Duration) -> Self {
        Self { client, credentials, bucket, life, place: Arc::default(), known: Arc::default(), minted: Arc::default() }
    }

    /// Mints a URL for a GET of the object `id`, or `None` when the credentials are about to expire: then the caller streams.
    pub async fn presign(
        &self,
        (id, of): (Uuid, Of),
        presentation: impl FnOnce() -> Presentation,
        life: Option<Duration>,
    ) -> Result<Option<Presigned>> {
        let credentials = self.credentials().await?;
        let Some(life) = life_of(&credentials, life.unwrap_or(self.life)) else { return Ok(None) };
        // Signatures count in whole seconds.
        let (now, life) = (OffsetDateTime::now_utc().unix_timestamp(), Duration::from_secs(life.as_secs()));
        let start = OffsetDateTime::from_unix_timestamp(now).map_err(Error::internal)?;
        let place = self.place.get_or_try_init(|| Box::pin(self.find_place())).await?;
        let expires_at = start + life;
        let wanted = (of, life);
        if let Some(url) = self.minted().of(now).get(&wanted) {
            return Ok(Some(Presigned { url: url.clone(), expires_at }));
        }
        let url = signed(place, &credentials, (id, &presentation()), (start.into(), life)).map_err(unavailable)?;
        let mut minted = self.minted();
        let urls = minted.of(now);
        if urls.len() < MINTED_MAX {
            urls.insert(wanted, url.clone());
        }
        Ok(Some(Presigned { url, expires_at }))
    }

    fn minted(&self) -> MutexGuard<'_, Minted> {
        self.minted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a URL minted now would live for a while.
    pub async fn can_presign(&self) -> Result<bool> {
        Ok(life_of(&self.credentials().await?, self.life).is_some())
    }

    /// From one that the SDK has signed.
    async fn find_place(&self) -> Result<Place> {
        let key = key(Uuid::nil());
        let config = PresigningConfig::expires_in(CREDENTIALS_LIFE_MIN).map_err(Error::internal)?;
        let request = self.client.get_object().bucket(&self.bucket).key(&key);
        let signed = request.presigned(config).await.map_err(unavailable)?;
        let unexpected = || Error::internal("the SDK signs URLs in another way");
        let (path, query) = signed.uri().split_once('?').ok_or_else(unexpected)?;
        let scope = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential=")).ok_or_else(unexpected)?;
        // Key id, day, region, service and `aws4_request`.
        let region = scope.split("%2F").nth(2).ok_or_else(unexpected)?;
        Ok(Place { base: path.strip_suffix(&key).ok_or_else(unexpected)?.to_owned(), region: region.to_owned() })
    }

    async fn credentials(&self) -> Result<Credentials> {
        let known = self.known.read().ok().and_then(|known| known.clone());
        if let Some((_, credentials)) = known.filter(|(asked, _)| asked.elapsed() < CREDENTIALS_FRESH) {
            return Ok(credentials);
        }
        let credentials = self.credentials.provide_credentials().await.map_err(unavailable)?;
        if let Ok(mut known) = self.known.write() {
            *known = Some((Instant::now(), credentials.clone()));
        }
        Ok(credentials)
    }
}

fn signed(
    place: &Place,
    credentials: &Credentials,
    (id, presentation): (Uuid, &Presentation),
    (start, life): (SystemTime, Duration),
) -> Result<String, crate::error::BoxError> {
    let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let mut url = format!(
        "{}{}?response-content-type={}&response-content-disposition={}",
        place.base,
        key(id),
        encoded(&presentation.content_type),
        encoded(&presentation.content_disposition)
    );
    if let Some(encoding) = &presentation.content_encoding {
        url = format!("{url}&response-content-encoding={}", encoded(encoding));
    }
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(life);
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = credentials.clone().into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(&place.region)
        .name("s3")
        .time(start)
        .settings(settings)
        .build()?
        .into();
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::UnsignedPayload)?;
    let (instructions, _) = sign(request, &signing)?.into_parts();
    for (name, value) in instructions.params() {
        url = format!("{url}&{name}={}", encoded(value));
    }
    Ok(url)
}

/// The life that a URL signed now can have: a presigned URL dies with the credentials that signed it.
fn life_of(credentials: &Credentials, wanted: Duration) -> Option<Duration> {
    let Some(expiry) = credentials.expiry() else { return Some(wanted) };
    let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
    (left >= CREDENTIALS_LIFE_MIN).then(|| wanted.min(left))
}
