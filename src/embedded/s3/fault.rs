//! Why an operation did not happen: refused, with the S3 error that the client gets, or broken, with a cause for the log.

use s3s::{S3Error, S3ErrorCode};

use crate::error::BoxError;

pub enum Fault {
    Refused(S3Error),
    Broken(BoxError),
}

pub type Outcome<T> = Result<T, Fault>;

/// Refuses with an S3 error code and a sentence for the client.
pub fn refuse<T>(code: S3ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Outcome<T> {
    Err(Fault::Refused(S3Error::with_message(code, message)))
}

impl From<Fault> for S3Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Broken(source) => Self::with_source(S3ErrorCode::InternalError, source),
        }
    }
}

impl From<Fault> for BoxError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => Box::new(error),
            Fault::Broken(source) => source,
        }
    }
}

impl From<S3Error> for Fault {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl From<S3ErrorCode> for Fault {
    fn from(code: S3ErrorCode) -> Self {
        Self::Refused(code.into())
    }
}

/// Errors that are never the client's doing.
macro_rules! broken_by {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Broken(error.into())
            }
        }
    )*};
}

broken_by!(rusqlite::Error, std::io::Error, tokio::task::JoinError, serde_json::Error, &'static str);
