//! Tables: structured files, kept typed in Postgres with the raw upload beside them in S3.

pub mod read;
