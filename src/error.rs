//! The one error of the service. It knows no HTTP: `http::problem` turns it into a response. `Display` is for the caller, `source()` for the log.

mod fault;
mod limit;

pub use fault::Fault;
pub use limit::{Limit, Quota};

use std::error::Error as StdError;

pub type Result<T, E = Error> = std::result::Result<T, E>;
pub type BoxError = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credentials, or none that are valid. The same answer whether or not the name exists.
    #[error("Send a valid token: `Authorization: Bearer <token>`, or HTTP Basic with the token as the password.")]
    Unauthenticated,

    /// The caller is known and may see the thing, but its token does not permit the action.
    #[error("This token may not {action}.")]
    Forbidden { action: &'static str },

    /// The caller may know of the thing, but no scope of its token permits the action.
    #[error("The token's scopes do not permit this: it needs `{scope}`.")]
    ScopeNeeded { scope: String },

    /// Absent, or hidden from this caller: the two are never told apart.
    #[error("There is no {what} here that you may read.")]
    NotFound { what: &'static str },

    /// The same to the caller, and to the log that it was hidden from it.
    #[error("There is no {what} here that you may read.")]
    Hidden { what: &'static str, dataset: uuid::Uuid },

    /// It was here and is over: an expired or revoked share.
    #[error("{detail}")]
    Gone { detail: String },

    /// A share that asks for a password, and was given none or another.
    #[error("This link asks for its password: send it with HTTP Basic, under any name.")]
    PasswordNeeded,

    /// A share whose maker does not let its holders do this.
    #[error("This link does not allow {action}.")]
    NotShared { action: &'static str },

    /// All places of a share that counts its downloads are held by others, who may give them back.
    #[error(
        "All the downloads that this link allows are under way. Try again in a while: one that breaks off may be taken over."
    )]
    DownloadsInUse,

    /// A drop box holds as many files or bytes as it may.
    #[error("{detail}")]
    DropBoxFull { detail: String },

    /// A cursor into a version that is no longer kept.
    #[error("The version of the table that this cursor goes through is no longer kept. Begin again without `cursor`.")]
    CursorExpired,

    /// A parameter, header or JSON field holds something it cannot.
    #[error("{parameter}: {detail}")]
    Invalid { parameter: String, detail: String },

    /// A query that Postgres refuses.
    #[error("query: {}", .0.sentence())]
    Query(Fault),

    /// A blob key, table, collection or document name breaks the rules of names.
    #[error("`{name}` is not a valid name: {detail}")]
    BadName { name: String, detail: &'static str },

    /// The name is in use by something that this upload may not replace.
    #[error("{detail}")]
    NameTaken { detail: String, free: Option<String> },

    /// The same where it is taken by something that the caller may not see.
    #[error("The name `{name}` is taken.")]
    NameTakenUnseen { name: String, dataset: uuid::Uuid },

    /// The first path segment belongs to a route of the service.
    #[error("`{name}` is reserved for the service itself; choose a name with `?name=`.")]
    NameReserved { name: String },

    /// The content cannot be read as what it was sent as. Boxed: it is the one variant with many fields.
    #[error("{0}")]
    Malformed(Box<Malformed>),

    /// Wrong tokens or passwords before; this one was not looked at, or nobody learns how that went.
    #[error("Too many wrong tokens or passwords came from your address; try again in {seconds} s.")]
    TooManyAttempts { seconds: u64 },

    /// What one principal may have.
    #[error("{}", quota.sentence(*max, *current))]
    Quota { quota: Quota, max: u64, current: u64 },

    /// A documented limit was passed.
    #[error("{}", limit.sentence(*max, *line))]
    Limit {
        limit: Limit,
        max: u64,
        /// Where in a file it was passed; counts from 1.
        line: Option<u64>,
    },

    /// Postgres keeps a row on one page, and this one has too many values for that.
    #[error("{}The row is wider than Postgres can hold in one row (about 8,000 bytes, long texts counting 18 each). Split the table, or leave columns out.", line.map(|line| format!("Line {line}: ")).unwrap_or_default())]
    RowTooWide { line: Option<u64> },

    /// A replace would lose columns or change their types, and the caller wants neither.
    #[error(
        "The file's columns are not those of the table: see `changes`. Nothing was stored; send it without `?schema=keep` to replace the table all the same."
    )]
    SchemaChanged { changes: serde_json::Value },

    /// The bytes received are not those that the sender's checksum describes.
    #[error(
        "The bytes received do not match the `{algorithm}` sent: computed {computed}. Nothing was stored; send the file again."
    )]
    ChecksumMismatch { algorithm: String, computed: String },

    /// `If-Match` or `If-None-Match` did not hold.
    #[error("The precondition did not hold: {detail}")]
    PreconditionFailed { detail: String },

    /// Another request changed the same thing at the same moment, and a retry may succeed.
    #[error("{detail}")]
    Conflict { detail: String },

    /// Rows that a key or a unique index does not allow: values that stand twice, or a key that is NULL.
    #[error("{}", duplicate_sentence(columns, lines, *missing))]
    DuplicateKey {
        columns: Vec<String>,
        /// The first few, in the file that was sent; count from 1.
        lines: Vec<u64>,
        /// A value of the key is missing; else all of them stand in another row too.
        missing: bool,
    },

    /// A change finds more rows than `max-affected` allows.
    #[error("The filter finds {rows} rows, and `max-affected` allows {max}. Nothing was changed.")]
    TooManyAffected { rows: u64, max: u64 },

    /// The first request with this `Idempotency-Key` is not yet answered.
    #[error("A request with this Idempotency-Key is in progress; repeat it a little later for its answer.")]
    InProgress,

    /// An `Idempotency-Key` that another request has used.
    #[error("This Idempotency-Key was sent with another request before; a new request takes a new key.")]
    KeyReused,

    #[error("This address does not know the method; `Allow` lists those it knows.")]
    MethodNotAllowed,

    #[error("{detail}")]
    UnsupportedMediaType { detail: String },

    #[error("{detail}")]
    NotAcceptable { detail: String },

    /// What the format that was asked for cannot hold.
    #[error("The answer does not fit into this format: {detail}")]
    DoesNotFit { detail: String },

    /// `Range` names nothing of the `size` bytes there are.
    #[error("The range lies outside the {size} bytes of this file.")]
    RangeNotSatisfiable { size: u64 },

    /// `Range` begins behind the last of the `rows` there are.
    #[error("The range begins behind the last of {rows} rows.")]
    RowsNotSatisfiable { rows: u64 },

    /// The client went away, stalled, or sent a broken body. Nothing was stored.
    #[error("The upload broke off: {detail}. Nothing of what was on its way was stored; send it again.")]
    Interrupted { detail: String },

    /// The lease of an upload ran out before its commit, so a sweep may have taken its parts.
    #[error("The upload took too long to commit and was given up. Nothing was stored; send it again.")]
    LeaseLost,

    /// A store does not answer, or answers that it cannot. The detail is for the log alone.
    #[error("The {store} is not available at the moment. Nothing was acknowledged; try again.")]
    Store {
        store: Store,
        #[source]
        source: BoxError,
    },

    /// The service cannot start; the sentence tells the operator what to do.
    #[error("{0}")]
    Startup(String),

    /// A bug, or something that we did not foresee. The detail is for the log alone.
    #[error("Something went wrong on our side. The log has the details under this request id.")]
    Internal(#[source] BoxError),
}

/// Where a file or document could not be read, and why. Lines and columns count from 1; a column counts characters.
#[derive(Debug, Clone, Default)]
pub struct Malformed {
    pub detail: String,
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// A JSON Pointer, or the name of a table's column.
    pub field: Option<String>,
    /// The beginning of the offending text.
    pub excerpt: Option<String>,
    /// What the caller can do, when there is something better than mending the file.
    pub hint: Option<String>,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column, &self.field) {
            (Some(line), Some(column), _) => write!(f, "Line {line}, column {column}: {}", self.detail)?,
            (Some(line), None, _) => write!(f, "Line {line}: {}", self.detail)?,
            (None, _, Some(field)) => write!(f, "{field}: {}", self.detail)?,
            (None, _, None) => f.write_str(&self.detail)?,
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " {hint}"))
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(Box::new(malformed))
    }
}

fn duplicate_sentence(columns: &[String], lines: &[u64], missing: bool) -> String {
    let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    let names = names.join(", ");
    let numbers: Vec<String> = lines.iter().map(u64::to_string).collect();
    let at = match lines {
        [] => String::new(),
        [line] => format!("Line {line}: "),
        _ => format!("Lines {}: ", numbers.join(", ")),
    };
    match (missing, lines) {
        (true, _) => format!("{at}A value of the key ({names}) is missing. Nothing was changed."),
        (false, []) => {
            format!("The values of {names} must differ from row to row, and some do not. Nothing was changed.")
        }
        (false, _) => format!(
            "{at}The values of {names} must differ from row to row, and these stand in another one too. Nothing was changed."
        ),
    }
}

/// The three stores, as a caller knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Database,
    Objects,
    Documents,
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Objects => "object store",
            Self::Documents => "document store",
        })
    }
}

impl Error {
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::Internal(source.into())
    }

    pub fn invalid(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { parameter: parameter.into(), detail: detail.into() }
    }

    pub fn store(store: Store, source: impl Into<BoxError>) -> Self {
        Self::Store { store, source: source.into() }
    }

    pub fn startup(sentence: impl Into<String>) -> Self {
        Self::Startup(sentence.into())
    }
}
