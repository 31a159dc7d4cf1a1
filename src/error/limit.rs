//! What a request may take, and what a principal may own: each a setting that its sentence names.

use super::Error;

/// Every limit that a request can pass; each is a setting and has a problem type of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    UploadBytes,
    DocumentBytes,
    RequestBytes,
    DecompressedBytes,
    Rows,
    Loads,
    DecompressedRatio,
    ScratchBytes,
    WorkbookBytes,
    Columns,
    CellBytes,
    RowBytes,
    PageRows,
    ShareSeconds,
    PresignSeconds,
    QuerySeconds,
    StatsSeconds,
    SearchSeconds,
    Indexes,
    Tokens,
    PasswordChecks,
    TokenRequests,
    AddressRequests,
}

impl Limit {
    /// The environment variable that sets it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::UploadBytes => "LARDER_UPLOAD_BYTES_MAX",
            Self::DocumentBytes => "LARDER_DOCUMENT_BYTES_MAX",
            Self::RequestBytes => "LARDER_REQUEST_BYTES_MAX",
            Self::DecompressedBytes => "LARDER_DECOMPRESSED_BYTES_MAX",
            Self::Rows => "LARDER_ROWS_MAX",
            Self::Loads => "LARDER_LOADS_MAX",
            Self::DecompressedRatio => "LARDER_DECOMPRESSED_RATIO_MAX",
            Self::ScratchBytes => "LARDER_SCRATCH_BYTES_MAX",
            Self::WorkbookBytes => "LARDER_WORKBOOK_BYTES_MAX",
            Self::Columns => "LARDER_COLUMNS_MAX",
            Self::CellBytes => "LARDER_CELL_BYTES_MAX",
            Self::RowBytes => "LARDER_ROW_BYTES_MAX",
            Self::PageRows => "LARDER_PAGE_ROWS_MAX",
            Self::ShareSeconds => "LARDER_SHARE_SECONDS_MAX",
            Self::PresignSeconds => "LARDER_PRESIGN_SECONDS",
            Self::QuerySeconds => "LARDER_QUERY_SECONDS",
            Self::StatsSeconds => "LARDER_STATS_SECONDS",
            Self::SearchSeconds => "LARDER_SEARCH_SECONDS",
            Self::Indexes => "LARDER_INDEXES_MAX",
            Self::Tokens => "LARDER_TOKENS_MAX",
            Self::PasswordChecks => "LARDER_PASSWORD_CHECKS_MAX",
            Self::TokenRequests => "LARDER_REQUESTS_PER_SECOND_MAX",
            Self::AddressRequests => "LARDER_ADDRESS_REQUESTS_PER_SECOND_MAX",
        }
    }

    /// The error of passing it; in a file, at a line.
    pub fn passed(self, max: u64, line: Option<u64>) -> Error {
        Error::Limit { limit: self, max, line }
    }

    pub(super) fn sentence(self, max: u64, line: Option<u64>) -> String {
        let (what, unit) = match self {
            Self::UploadBytes => ("An upload", "bytes"),
            Self::DocumentBytes => ("A document", "bytes of JSON"),
            Self::RequestBytes => ("The body of a request that is no upload", "bytes"),
            Self::DecompressedBytes => ("A decompressed file", "bytes"),
            Self::Rows => ("A table", "rows"),
            Self::Loads => {
                ("Each replica", "tables being loaded at once, and others have waited as long as they may; it")
            }
            Self::DecompressedRatio => ("A decompressed file", "bytes for each of the compressed ones"),
            Self::ScratchBytes => ("What a file needs of temporary space", "bytes"),
            Self::WorkbookBytes => ("A workbook, packed or unpacked,", "bytes"),
            Self::Columns => ("A table", "columns"),
            Self::CellBytes => ("A cell of a table", "bytes"),
            Self::RowBytes => ("A row of a table", "bytes"),
            Self::PageRows => ("A page", "items"),
            Self::ShareSeconds => ("A share link", "seconds of life"),
            Self::PresignSeconds => ("A presigned URL", "seconds of life"),
            Self::QuerySeconds => ("A query", "seconds"),
            Self::StatsSeconds => ("Computing the statistics of a table, even of a sample,", "seconds"),
            Self::SearchSeconds => ("A search of a table that has no search index yet", "seconds"),
            Self::Indexes => ("A table", "indexes"),
            Self::Tokens => ("A principal", "tokens that are not over"),
            Self::TokenRequests => ("A token", "requests a second"),
            Self::AddressRequests => ("An address", "requests a second"),
            Self::PasswordChecks => {
                ("Each replica", "passwords being checked at once, and others have waited as long as they may; it")
            }
        };
        let at = line.map(|line| format!("Line {line}: ")).unwrap_or_default();
        let hint = match self {
            Self::SearchSeconds => {
                " `POST /v1/tables/{name}/indexes` with `{\"kind\":\"search\"}` builds one in the background."
            }
            _ => "",
        };
        format!("{at}{what} has at most {max} {unit} here ({}).{hint}", self.setting())
    }
}

/// What is counted of all that a principal owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    Bytes,
    Datasets,
}

impl Quota {
    pub fn setting(self) -> &'static str {
        match self {
            Self::Bytes => "LARDER_PRINCIPAL_BYTES_MAX",
            Self::Datasets => "LARDER_PRINCIPAL_DATASETS_MAX",
        }
    }

    pub(super) fn sentence(self, max: u64, current: u64) -> String {
        let unit = if self == Self::Bytes { "bytes" } else { "datasets" };
        format!(
            "A principal has at most {max} {unit} here ({}), and its owner would have {current}. Delete something, or ask an admin.",
            self.setting()
        )
    }
}
