//! Buckets. All of them belong to the one pair of keys and stand in one region.

use s3s::dto::*;
use s3s::{S3ErrorCode, S3Request};

use super::wire;
use crate::embedded::s3::fault::{Outcome, refuse};
use crate::embedded::s3::index::buckets;
use crate::embedded::s3::store::Store;

const REGION: &str = "us-east-1";

pub async fn create(store: &Store, request: S3Request<CreateBucketInput>) -> Outcome<CreateBucketOutput> {
    let name = request.input.bucket;
    let location = Some(format!("/{name}"));
    store.index.write(move |change| buckets::create(change, &name, wire::now_ms())).await?;
    Ok(CreateBucketOutput { location })
}

pub async fn delete(store: &Store, request: S3Request<DeleteBucketInput>) -> Outcome<DeleteBucketOutput> {
    store.index.write(move |change| buckets::delete(change, &request.input.bucket)).await?;
    Ok(DeleteBucketOutput::default())
}

pub async fn head(store: &Store, request: S3Request<HeadBucketInput>) -> Outcome<HeadBucketOutput> {
    store.index.read(move |sql| buckets::id(sql, &request.input.bucket)).await?;
    Ok(HeadBucketOutput { bucket_region: Some(REGION.into()), ..Default::default() })
}

pub async fn list(store: &Store, request: S3Request<ListBucketsInput>) -> Outcome<ListBucketsOutput> {
    let ListBucketsInput { prefix, max_buckets, continuation_token, .. } = request.input;
    let limit = max_buckets.map_or(10_000, |max| usize::try_from(max).unwrap_or_default());
    let (like, after) = (prefix.clone().unwrap_or_default(), continuation_token.unwrap_or_default());
    let mut rows = store.index.read(move |sql| buckets::list(sql, &like, &after, limit.saturating_add(1))).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let continuation_token = rows.last().filter(|_| more).map(|bucket| bucket.name.clone());
    let bucket = |row: buckets::Bucket| Bucket {
        bucket_region: Some(REGION.into()),
        creation_date: Some(wire::timestamp(row.created_ms)),
        name: Some(row.name),
    };
    let owner = Some(Owner { display_name: None, id: Some("larder".into()) });
    Ok(ListBucketsOutput { buckets: Some(rows.into_iter().map(bucket).collect()), continuation_token, owner, prefix })
}

pub async fn location(store: &Store, request: S3Request<GetBucketLocationInput>) -> Outcome<GetBucketLocationOutput> {
    store.index.read(move |sql| buckets::id(sql, &request.input.bucket)).await?;
    // S3 spells its first region as nothing.
    Ok(GetBucketLocationOutput::default())
}

pub async fn versioning(
    store: &Store,
    request: S3Request<GetBucketVersioningInput>,
) -> Outcome<GetBucketVersioningOutput> {
    store.index.read(move |sql| buckets::id(sql, &request.input.bucket)).await?;
    Ok(GetBucketVersioningOutput::default())
}

/// The rules are kept and given back; what browsers may do is decided for all buckets alike, in `http`.
pub async fn put_cors(store: &Store, request: S3Request<PutBucketCorsInput>) -> Outcome<PutBucketCorsOutput> {
    let PutBucketCorsInput { bucket, cors_configuration, .. } = request.input;
    let rules = serde_json::to_string(&cors_configuration.cors_rules)?;
    store.index.write(move |change| buckets::set_cors(change, &bucket, Some(&rules))).await?;
    Ok(PutBucketCorsOutput::default())
}

pub async fn cors(store: &Store, request: S3Request<GetBucketCorsInput>) -> Outcome<GetBucketCorsOutput> {
    match store.index.read(move |sql| buckets::cors(sql, &request.input.bucket)).await? {
        Some(rules) => Ok(GetBucketCorsOutput { cors_rules: serde_json::from_str(&rules)? }),
        None => refuse(S3ErrorCode::NoSuchCORSConfiguration, "The CORS configuration does not exist."),
    }
}

pub async fn delete_cors(store: &Store, request: S3Request<DeleteBucketCorsInput>) -> Outcome<DeleteBucketCorsOutput> {
    store.index.write(move |change| buckets::set_cors(change, &request.input.bucket, None)).await?;
    Ok(DeleteBucketCorsOutput::default())
}
