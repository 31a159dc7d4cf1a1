//! Which problem an error is.

use crate::error::{Error, Limit, Quota};
use serde_json::{Value, json};

/// The slug of an error, and the fields of its own.
pub(super) fn describe(error: &Error) -> (&'static str, Value) {
    match error {
        Error::Unauthenticated => ("unauthenticated", json!({})),
        Error::Forbidden { .. } => ("forbidden", json!({})),
        Error::ScopeNeeded { scope } => ("scope-needed", json!({ "scope": scope })),
        Error::NotFound { .. } | Error::Hidden { .. } => ("not-found", json!({})),
        Error::Gone { .. } => ("gone", json!({})),
        Error::PasswordNeeded => ("password-needed", json!({})),
        Error::NotShared { .. } => ("not-shared", json!({})),
        Error::DownloadsInUse => ("downloads-in-use", json!({})),
        Error::DropBoxFull { .. } => ("drop-box-full", json!({})),
        Error::CursorExpired => ("cursor-expired", json!({})),
        Error::Invalid { parameter, .. } => ("bad-request", json!({ "parameter": parameter })),
        Error::Query(_) => ("bad-request", json!({ "parameter": "query" })),
        Error::BadName { name, .. } => ("bad-name", json!({ "name": name })),
        Error::NameTakenUnseen { .. } => ("name-taken", json!({})),
        Error::NameTaken { free, .. } => ("name-taken", json!({ "free": free })),
        Error::NameReserved { name } => ("name-reserved", json!({ "name": name })),
        Error::Malformed(at) => {
            ("malformed", json!({ "line": at.line, "column": at.column, "field": at.field, "excerpt": at.excerpt }))
        }
        Error::Limit { limit, max, line } => {
            (limit_slug(*limit), json!({ "limit": max, "setting": limit.setting(), "line": line }))
        }
        Error::TooManyAttempts { seconds } => ("too-many-attempts", json!({ "retry_after_seconds": seconds })),
        Error::Quota { quota: Quota::Bytes, max, current } => {
            ("quota-bytes", json!({ "limit": max, "current": current, "setting": Quota::Bytes.setting() }))
        }
        Error::Quota { quota: Quota::Datasets, max, current } => {
            ("quota-datasets", json!({ "limit": max, "current": current, "setting": Quota::Datasets.setting() }))
        }
        Error::ChecksumMismatch { algorithm, computed } => {
            ("checksum-mismatch", json!({ "algorithm": algorithm, "computed": computed }))
        }
        Error::PreconditionFailed { .. } => ("precondition-failed", json!({})),
        Error::Conflict { .. } | Error::InProgress => ("conflict", json!({})),
        Error::DuplicateKey { columns, lines, .. } => ("duplicate-key", json!({ "columns": columns, "lines": lines })),
        Error::TooManyAffected { rows, max } => ("max-affected", json!({ "rows": rows, "max_affected": max })),
        Error::KeyReused => ("idempotency-mismatch", json!({})),
        Error::MethodNotAllowed => ("method-not-allowed", json!({})),
        Error::UnsupportedMediaType { .. } => ("unsupported-media-type", json!({})),
        Error::RowTooWide { line } => ("row-too-wide", json!({ "line": line })),
        Error::SchemaChanged { changes } => ("schema-changed", json!({ "changes": changes })),
        Error::DoesNotFit { .. } => ("does-not-fit", json!({})),
        Error::NotAcceptable { .. } => ("not-acceptable", json!({})),
        Error::RangeNotSatisfiable { size } => ("range-not-satisfiable", json!({ "size_bytes": size })),
        Error::RowsNotSatisfiable { rows } => ("range-not-satisfiable", json!({ "rows": rows })),
        Error::Interrupted { .. } => ("interrupted", json!({})),
        Error::LeaseLost => ("lease-lost", json!({})),
        Error::Store { .. } => ("store-unavailable", json!({})),
        Error::Startup(_) | Error::Internal(_) => ("internal", json!({})),
    }
}

fn limit_slug(limit: Limit) -> &'static str {
    match limit {
        Limit::UploadBytes => "upload-too-large",
        Limit::DocumentBytes => "document-too-large",
        Limit::RequestBytes => "request-too-large",
        Limit::DecompressedBytes => "decompressed-too-large",
        Limit::DecompressedRatio => "decompressed-too-dense",
        Limit::ScratchBytes => "scratch-too-large",
        Limit::WorkbookBytes => "workbook-too-large",
        Limit::Rows => "too-many-rows",
        Limit::Loads => "too-many-loads",
        Limit::Columns => "too-many-columns",
        Limit::CellBytes => "cell-too-large",
        Limit::RowBytes => "row-too-large",
        Limit::PageRows => "page-too-large",
        Limit::ShareSeconds => "share-too-long",
        Limit::PresignSeconds => "presign-too-long",
        Limit::PasswordChecks => "too-many-password-checks",
        Limit::TokenRequests | Limit::AddressRequests => "too-many-requests",
        Limit::Indexes => "too-many-indexes",
        Limit::Tokens => "too-many-tokens",
        Limit::QuerySeconds => "query-too-slow",
        Limit::StatsSeconds => "statistics-too-slow",
        Limit::SearchSeconds => "search-too-slow",
    }
}
