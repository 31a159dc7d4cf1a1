//! `LARDER_DATABASE_AUTH=iam`: RDS takes a token, signed with the credentials of the role, as a password.
//!
//! **Invariant.** A token is never older than a minute when a connection is opened with it, so neither its own fifteen minutes nor a rotation of the role's credentials
//! are ever met. Connections that are open stay open: RDS asks for a token only when one is opened.

use crate::error::{Error, Result};
use aws_config::{Region, SdkConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4::SigningParams,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::postgres::PgConnectOptions;
use std::time::{Duration, SystemTime};

/// What RDS allows at most.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
const SIGNATURE: &str = "X-Amz-Signature";
/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whose tokens open the database.
#[derive(Debug, Clone)]
pub struct Login {
    credentials: SharedCredentialsProvider,
    region: Region,
}

impl Login {
    pub fn new(sdk: &SdkConfig) -> Result<Self> {
        let missing = || Error::startup("LARDER_DATABASE_AUTH=iam needs a region and a role: the AWS SDK found none.");
        let (credentials, region) = (sdk.credentials_provider(), sdk.region().cloned());
        Ok(Self { credentials: credentials.ok_or_else(missing)?, region: region.ok_or_else(missing)? })
    }

    /// The options with a token that was signed now.
    pub async fn renew(&self, options: &PgConnectOptions) -> Result<PgConnectOptions> {
        let credentials = self.credentials.provide_credentials().await.map_err(Error::internal)?;
        let address = (options.get_host(), options.get_port());
        let token = token(credentials, self.region.as_ref(), address, options.get_username(), SystemTime::now())?;
        Ok(options.clone().password(&token))
    }

    /// The same, of a pool, which keeps what it has if that fails.
    pub(super) async fn renewed(&self, options: &PgConnectOptions) -> Option<PgConnectOptions> {
        let renewed = self.renew(options).await;
        renewed
            .inspect_err(|error| tracing::warn!(?error, "no new token for the database; the next minute tries again"))
            .ok()
    }
}

/// The query of a presigned `connect` of the service `rds-db`, without its scheme.
/// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
fn token(
    credentials: Credentials,
    region: &str,
    (host, port): (&str, u16),
    user: &str,
    now: SystemTime,
) -> Result<String> {
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(TOKEN_LIFE);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.into();
    let params =
        SigningParams::builder().identity(&identity).region(region).name("rds-db").time(now).settings(settings);
    let params = params.build().map_err(Error::internal)?.into();
    let address = format!("{host}:{port}/?Action=connect&DBUser={}", utf8_percent_encode(user, RESERVED));
    let url = format!("https://{address}");
    let request =
        SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[])).map_err(Error::internal)?;
    let (instructions, _) = sign(request, &params).map_err(Error::internal)?.into_parts();
    let (_, mut signed) = instructions.into_parts();
    // As every other signer writes it: the signature behind what it signs.
    signed.sort_by_key(|(name, _)| *name == SIGNATURE);
    let parameter =
        |(name, value): &(&str, std::borrow::Cow<'_, str>)| format!("&{name}={}", utf8_percent_encode(value, RESERVED));
    Ok(signed.iter().fold(address, |token, part| token + &parameter(part)))
}
