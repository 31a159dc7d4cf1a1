//! All kinds of problems, and what they mean to whoever meets one.

use http::StatusCode as S;

/// A kind of problem: `type` is `/problems/{slug}`, a page that explains it.
#[derive(Debug)]
pub struct ProblemType {
    pub slug: &'static str,
    pub status: S,
    pub title: &'static str,
    pub explanation: &'static str,
}

const fn problem(slug: &'static str, status: S, title: &'static str, explanation: &'static str) -> ProblemType {
    ProblemType { slug, status, title, explanation }
}

/// All kinds of problems, as `/problems` lists them.
pub const PROBLEMS: &[ProblemType] = &[
    problem(
        "unauthenticated",
        S::UNAUTHORIZED,
        "A valid token is needed",
        "The request has no credentials, or they are unknown, expired or revoked. The answer is the same whether or not the name exists.",
    ),
    problem(
        "forbidden",
        S::FORBIDDEN,
        "The token does not permit this",
        "You may see the thing, but not do this with it. Use a token that may, or ask the owner.",
    ),
    problem(
        "scope-needed",
        S::FORBIDDEN,
        "The token's scopes do not permit this",
        "A token does only what its scopes permit, and this takes the one named in `scope`, or a wider one. Use another token, or ask an admin for one.",
    ),
    problem(
        "not-found",
        S::NOT_FOUND,
        "Not found",
        "There is nothing of this name that you may read: it does not exist, was deleted, or is hidden from you. A deleted thing can be brought back with POST …/restore for a while.",
    ),
    problem(
        "gone",
        S::GONE,
        "No longer available",
        "The link has expired or was revoked: ask whoever sent it for a new one. Or the rows of before a change were kept for as long as LARDER_DELETED_DAYS says, and are gone.",
    ),
    problem(
        "password-needed",
        S::UNAUTHORIZED,
        "The link asks for a password",
        "Open it in a browser, which shows a form, or send the password with HTTP Basic under any name, as `curl -u :PASSWORD` does. Whoever sent the link knows it.",
    ),
    problem(
        "not-shared",
        S::FORBIDDEN,
        "The link does not allow this",
        "Whoever made the link decided what its holders may do: look at it, download it, or upload into it. Ask for a link that allows more.",
    ),
    problem(
        "downloads-in-use",
        S::TOO_MANY_REQUESTS,
        "All downloads of the link are under way",
        "The link may be downloaded so many times, and others are doing it. One that breaks off gives its place back some minutes later: try again after `Retry-After`.",
    ),
    problem(
        "drop-box-full",
        S::PAYLOAD_TOO_LARGE,
        "The drop box is full",
        "A link that takes files is bounded in their number and bytes, by whoever made it and by LARDER_DROP_BOX_FILES_MAX and LARDER_DROP_BOX_BYTES_MAX. Nothing of this file was stored.",
    ),
    problem(
        "cursor-expired",
        S::GONE,
        "The cursor has expired",
        "A cursor goes through one version of a table, and that version is no longer kept: the table was replaced since. Begin again without `cursor`; the pages before were whole.",
    ),
    problem(
        "bad-request",
        S::BAD_REQUEST,
        "The request cannot be understood",
        "A parameter, header or field holds something that it cannot; `parameter` names it and `detail` says what is expected.",
    ),
    problem(
        "bad-name",
        S::BAD_REQUEST,
        "The name breaks the rules of names",
        "Blob keys are paths of up to 900 bytes without empty, `.` or `..` segments; tables and collections are named by up to 63 of a-z, 0-9, `_` and `-`; document ids have up to 512 bytes and no `/`.",
    ),
    problem(
        "name-taken",
        S::CONFLICT,
        "The name is taken",
        "A smart upload replaces only what the same principal uploaded from a file of the same name. Send `?replace=true`, or the `?name=` that `free` proposes.",
    ),
    problem(
        "name-reserved",
        S::CONFLICT,
        "The name is reserved",
        "The first segment of the path belongs to a route of the service. Choose another name with `?name=`.",
    ),
    problem(
        "conflict",
        S::CONFLICT,
        "It does not go with what there is now",
        "`detail` says why. If another request changed it at the same moment, read again and repeat. Or the first request with the same `Idempotency-Key` is not answered yet: repeat after `Retry-After`.",
    ),
    problem(
        "duplicate-key",
        S::CONFLICT,
        "Rows that must be unique are not",
        "A key or a unique index allows each value once, and a key no missing one; `columns` names it and `lines` are the first that break it, in the file that was sent. Nothing was changed. To overwrite rows that exist, send `?on_conflict=` with `Prefer: resolution=merge-duplicates`.",
    ),
    problem(
        "max-affected",
        S::BAD_REQUEST,
        "More rows than `max-affected` allows",
        "`Prefer: max-affected=…` bounds how many rows a change may touch, and the filter finds more: `rows`. Nothing was changed. Narrow the filter, or allow more.",
    ),
    problem(
        "idempotency-mismatch",
        S::UNPROCESSABLE_ENTITY,
        "The Idempotency-Key belongs to another request",
        "The same `Idempotency-Key` came before with another body, other parameters or for another address. Nothing was changed. Use a key for one request and its repetitions alone.",
    ),
    problem(
        "malformed",
        S::UNPROCESSABLE_ENTITY,
        "The content cannot be read",
        "The file or document is not what it was sent as; `line`, `column` or `field` say where and `detail` why. What was there before is untouched. Mend it, or store the file as it is with `?as=blob`.",
    ),
    problem(
        "checksum-mismatch",
        S::UNPROCESSABLE_ENTITY,
        "The bytes do not match the checksum",
        "The bytes that arrived are not those that `Content-MD5`, `Repr-Digest` or `x-amz-checksum-…` describes. Nothing was stored; send them again.",
    ),
    problem(
        "does-not-fit",
        S::UNPROCESSABLE_ENTITY,
        "The format cannot hold the answer",
        "A sheet of a workbook has at most 1,048,576 rows with its header, 32,767 characters in a cell and 4 GiB of XML, and the rows asked for have more; nothing was cut off. Ask for fewer rows or columns (`limit`, `select`), or for `csv` or `parquet`, which hold any.",
    ),
    problem(
        "precondition-failed",
        S::PRECONDITION_FAILED,
        "The precondition did not hold",
        "`If-Match` or `If-None-Match` did not hold, so nothing was changed. Read the current state and decide again.",
    ),
    problem(
        "range-not-satisfiable",
        S::RANGE_NOT_SATISFIABLE,
        "The range lies outside of what there is",
        "`Range` names no byte of the file, or no row of the answer; `size_bytes` or `rows` says how many there are.",
    ),
    problem(
        "method-not-allowed",
        S::METHOD_NOT_ALLOWED,
        "The method is not allowed here",
        "The header `Allow` lists the methods of this address.",
    ),
    problem(
        "not-acceptable",
        S::NOT_ACCEPTABLE,
        "No such format",
        "None of the formats in `Accept`, or not the extension asked for, can be given here.",
    ),
    problem(
        "unsupported-media-type",
        S::UNSUPPORTED_MEDIA_TYPE,
        "The format of the body is not supported",
        "`Content-Type` or `Content-Encoding` names something that is not read here; `detail` says what is.",
    ),
    problem(
        "interrupted",
        S::REQUEST_TIMEOUT,
        "The upload broke off",
        "The connection was lost, stalled, or sent less than it promised. Nothing was stored; send it again.",
    ),
    problem(
        "lease-lost",
        S::SERVICE_UNAVAILABLE,
        "The upload was given up",
        "The service was not able to renew its claim on the upload in time. Nothing was stored; send it again.",
    ),
    problem(
        "store-unavailable",
        S::SERVICE_UNAVAILABLE,
        "A store is not available",
        "One of the stores behind the service does not answer. Nothing was acknowledged; try again after `Retry-After`.",
    ),
    problem(
        "internal",
        S::INTERNAL_SERVER_ERROR,
        "Something went wrong on our side",
        "The log has the details under the `request_id`.",
    ),
    problem("upload-too-large", S::PAYLOAD_TOO_LARGE, "The upload is too large", "Set by LARDER_UPLOAD_BYTES_MAX."),
    problem(
        "document-too-large",
        S::PAYLOAD_TOO_LARGE,
        "The document is too large",
        "Set by LARDER_DOCUMENT_BYTES_MAX. Store the file as it is with `?as=blob`.",
    ),
    problem(
        "request-too-large",
        S::PAYLOAD_TOO_LARGE,
        "The request's body is too large",
        "Set by LARDER_REQUEST_BYTES_MAX, for requests that are no uploads.",
    ),
    problem(
        "decompressed-too-large",
        S::PAYLOAD_TOO_LARGE,
        "The decompressed file is too large",
        "Set by LARDER_DECOMPRESSED_BYTES_MAX, against files that grow without end. Store the file as it is with `?as=blob`.",
    ),
    problem(
        "too-many-loads",
        S::SERVICE_UNAVAILABLE,
        "Too many tables are being loaded",
        "Nothing was stored; send the file again in a while. LARDER_LOADS_MAX says how many one replica loads at once.",
    ),
    problem("too-many-rows", S::PAYLOAD_TOO_LARGE, "The table has too many rows", "Set by LARDER_ROWS_MAX."),
    problem(
        "row-too-wide",
        S::UNPROCESSABLE_ENTITY,
        "A row is too wide for Postgres",
        "Postgres keeps a row on a page of 8 KiB, where long texts take 18 bytes each and numbers 8. Split the table, or leave columns out.",
    ),
    problem(
        "schema-changed",
        S::UNPROCESSABLE_ENTITY,
        "The file has other columns than the table",
        "You said `?schema=keep`, and a column is lost or has another type: `changes` lists them.",
    ),
    problem(
        "decompressed-too-dense",
        S::PAYLOAD_TOO_LARGE,
        "The compressed file grows too much",
        "Set by LARDER_DECOMPRESSED_RATIO_MAX, against small files that unpack to huge ones. Store the file as it is with `?as=blob`.",
    ),
    problem(
        "scratch-too-large",
        S::PAYLOAD_TOO_LARGE,
        "The file needs too much temporary space",
        "Set by LARDER_SCRATCH_BYTES_MAX; Parquet, Arrow files, workbooks and zip files are read from a temporary file. Store the file as it is with `?as=blob`.",
    ),
    problem(
        "workbook-too-large",
        S::PAYLOAD_TOO_LARGE,
        "The workbook is too large",
        "Set by LARDER_WORKBOOK_BYTES_MAX. Save the sheet as CSV, or store the file as it is with `?as=blob`.",
    ),
    problem(
        "too-many-columns",
        S::PAYLOAD_TOO_LARGE,
        "The table has too many columns",
        "Set by LARDER_COLUMNS_MAX, at most 1,599. Store the file as it is with `?as=blob`.",
    ),
    problem(
        "cell-too-large",
        S::PAYLOAD_TOO_LARGE,
        "A cell is too large",
        "Set by LARDER_CELL_BYTES_MAX. Often a quote that is never closed: `line` says where it began.",
    ),
    problem(
        "row-too-large",
        S::PAYLOAD_TOO_LARGE,
        "A row is too large",
        "Set by LARDER_ROW_BYTES_MAX; `line` says where the row begins. Store the file as it is with `?as=blob`.",
    ),
    problem(
        "too-many-indexes",
        S::UNPROCESSABLE_ENTITY,
        "The table has too many indexes",
        "Set by LARDER_INDEXES_MAX. Drop one that is no longer needed.",
    ),
    problem(
        "too-many-tokens",
        S::UNPROCESSABLE_ENTITY,
        "The principal has too many tokens",
        "Set by LARDER_TOKENS_MAX. Revoke one that is no longer needed.",
    ),
    problem(
        "page-too-large",
        S::BAD_REQUEST,
        "The page is too large",
        "Set by LARDER_PAGE_ROWS_MAX. Ask for fewer and follow `next`.",
    ),
    problem(
        "presign-too-long",
        S::BAD_REQUEST,
        "The presigned URL would live too long",
        "Set by LARDER_PRESIGN_SECONDS. For more, make a share link.",
    ),
    problem(
        "query-too-slow",
        S::SERVICE_UNAVAILABLE,
        "The query took too long",
        "Set by LARDER_QUERY_SECONDS. Ask for fewer rows or columns.",
    ),
    problem(
        "statistics-too-slow",
        S::SERVICE_UNAVAILABLE,
        "The statistics took too long",
        "Set by LARDER_STATS_SECONDS: not even a small sample of the table was read in that time, or other tables' statistics took it. Try again when the service has less to do.",
    ),
    problem(
        "search-too-slow",
        S::SERVICE_UNAVAILABLE,
        "The search took too long without an index",
        "Set by LARDER_SEARCH_SECONDS. Make an index: `POST /v1/tables/{name}/indexes` with `{\"kind\":\"search\"}` builds one in the background, and `GET` of the same address says when it is ready. Or narrow the search by filters.",
    ),
    problem(
        "share-too-long",
        S::BAD_REQUEST,
        "The link would live too long",
        "Set by LARDER_SHARE_SECONDS_MAX. Ask for less; a link can be extended. `never` needs LARDER_SHARE_NEVER_EXPIRES.",
    ),
    problem(
        "too-many-password-checks",
        S::SERVICE_UNAVAILABLE,
        "Too many passwords are being checked",
        "Set by LARDER_PASSWORD_CHECKS_MAX: checking a password takes a moment of a processor by intention. Try again after `Retry-After`.",
    ),
    problem(
        "too-many-requests",
        S::TOO_MANY_REQUESTS,
        "Too many requests",
        "Set by LARDER_REQUESTS_PER_SECOND_MAX for a token and LARDER_ADDRESS_REQUESTS_PER_SECOND_MAX for an address, on average over ten seconds. Go on after `Retry-After`; `RateLimit` tells how a token stands.",
    ),
    problem(
        "too-many-attempts",
        S::TOO_MANY_REQUESTS,
        "Too many wrong tokens or passwords",
        "Set by LARDER_WRONG_TOKENS_PER_SECOND_MAX and LARDER_WRONG_PASSWORDS_MAX. Wait as long as `Retry-After` says; after each wrong password of a link the wait doubles.",
    ),
    problem(
        "quota-bytes",
        S::PAYLOAD_TOO_LARGE,
        "The owner has too many bytes",
        "Set by LARDER_PRINCIPAL_BYTES_MAX: `current` is what the owner's blobs, uploads of tables and documents would have together. Nothing was changed. Delete something, or ask an admin.",
    ),
    problem(
        "quota-datasets",
        S::TOO_MANY_REQUESTS,
        "The owner has too many datasets",
        "Set by LARDER_PRINCIPAL_DATASETS_MAX: `current` is how many blobs, tables and collections the owner would have. Nothing was changed. Delete something, or ask an admin.",
    ),
];
