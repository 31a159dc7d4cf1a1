//! What every slice's `http.rs` uses: problems, extractors, ETags, descriptors, and the serving of bytes.

mod again;
mod client;
mod descriptor;
mod digest;
mod etag;
mod extract;
mod headers;
mod incoming;
mod layers;
mod openapi;
mod page;
mod problem;
mod rejection;
mod request;
mod serve;
mod trace;

pub use again::until_there;
pub use client::{Client, Peer};
pub use descriptor::{Descriptor, Links, answer_upload, check_share, share_life, upload_share};
pub use digest::claims;
pub use etag::{is_fresh, precondition};
pub use extract::{Json, NoParameters, Path, Query, flag};
pub use headers::{
    content_encoding, content_type, guess_content_type, idempotency_key, plain_document, preference, prefers_redirect,
};
pub use incoming::{in_time, incoming, incoming_field, pump};
pub use layers::{entrance, frame};
pub use openapi::openapi;
pub use page::{PageOf, Paging, encode_path, parse_life};
pub use problem::{PROBLEMS, Problem, ProblemType, Refusal, Told, not_found, slug};
pub use request::{RequestContext, in_same_request, request_id};
pub use serve::{
    File, HEADERS_MAX_USUAL, bytes as serve_bytes, described as serve_descriptor, disposition, mint,
    object as serve_object, redirect, user_bytes,
};
pub use trace::Trace;
