//! The operations of S3, as functions over the [`Store`]. What is not listed here answers `NotImplemented`.

mod attributes;
mod buckets;
mod conditions;
mod copy;
mod listing;
mod multipart;
mod objects;
mod parts;
mod wire;

use std::pin::Pin;
use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::store::Store;

pub struct Operations(pub Arc<Store>);

/// Implements methods of the trait, as `async_trait` would, by functions that take the store and the input.
macro_rules! operations {
    ($($method:ident($input:ident) -> $output:ident = $function:path;)*) => {
        impl S3 for Operations {$(
            fn $method<'a, 'async_trait>(
                &'a self,
                request: S3Request<$input>,
            ) -> Pin<Box<dyn Future<Output = S3Result<S3Response<$output>>> + Send + 'async_trait>>
            where
                'a: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move { Ok(S3Response::new($function(&self.0, request).await?)) })
            }
        )*}
    };
}

operations! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets::delete;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = buckets::versioning;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = buckets::cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = buckets::put_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = buckets::delete_cors;

    put_object(PutObjectInput) -> PutObjectOutput = objects::put;
    get_object(GetObjectInput) -> GetObjectOutput = objects::get;
    head_object(HeadObjectInput) -> HeadObjectOutput = objects::head;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = objects::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = objects::delete_many;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy::object;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = attributes::get;

    list_objects(ListObjectsInput) -> ListObjectsOutput = listing::objects;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listing::objects_v2;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = listing::uploads;
    upload_part(UploadPartInput) -> UploadPartOutput = parts::upload;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copy::part;
    list_parts(ListPartsInput) -> ListPartsOutput = parts::list;
}
