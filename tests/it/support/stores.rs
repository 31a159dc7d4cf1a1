//! The stores behind a service, looked at directly: what is really in them, and what only time would change.

use super::{Service, process::PATIENCE};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

impl Service {
    pub async fn database(&self) -> PgConnection {
        let stores = self.base.stores(&self.app.config).await.expect("the stores");
        PgConnection::connect_with(&stores.database.options).await.expect("the database")
    }

    /// Runs a statement, as the database's superuser; how many rows it touched.
    pub async fn sql(&self, statement: &str) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.database().await).await;
        done.expect("SQL").rows_affected()
    }

    /// The first column of a query's rows, as text.
    pub async fn column(&self, query: &str) -> Vec<String> {
        let query = format!("select coalesce(x::text, 'NULL') from ({query}) as q (x)");
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut self.database().await).await.expect("SQL");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits for a query to give `wanted`: what a service does after its answer has no other sign.
    pub async fn wait_for(&self, query: &str, wanted: &[&str]) {
        let end = Instant::now() + PATIENCE;
        let mut database = self.database().await;
        let query = format!("select coalesce(x::text, 'NULL') from ({query}) as q (x)");
        loop {
            let rows = sqlx::query(AssertSqlSafe(query.clone())).fetch_all(&mut database).await.expect("SQL");
            let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            if found == wanted {
                return;
            }
            assert!(Instant::now() < end, "{query}: {found:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The physical tables of users' rows.
    pub async fn physical_tables(&self) -> BTreeSet<String> {
        self.column("select tablename from pg_tables where schemaname = 'rows'").await.into_iter().collect()
    }

    pub async fn bucket(&self) -> (aws_sdk_s3::Client, String) {
        let at = self.base.stores(&self.app.config).await.expect("the stores").objects;
        let config = aws_sdk_s3::config::Builder::from(&at.sdk).force_path_style(true).build();
        (aws_sdk_s3::Client::from_conf(config), at.bucket)
    }

    /// The keys of the objects in the bucket, the installation's mark aside.
    pub async fn objects(&self) -> BTreeSet<String> {
        let (s3, bucket) = self.bucket().await;
        let listed = s3.list_objects_v2().bucket(bucket).prefix("objects/").send().await.expect("a listing");
        assert_eq!(listed.is_truncated(), Some(false));
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// How many multipart uploads are open.
    pub async fn open_multiparts(&self) -> usize {
        let (s3, bucket) = self.bucket().await;
        s3.list_multipart_uploads().bucket(bucket).send().await.expect("a listing").uploads().len()
    }

    /// A principal that is no admin, with a token.
    pub async fn principal(&self, name: &str) -> String {
        let token = format!("larder_test_{}", Uuid::new_v4().simple());
        let (id, hash) = (Uuid::now_v7(), hex::encode(Sha256::digest(&token)));
        self.sql(&format!(
            "insert into larder.principals (id, name, kind) values ('{id}', '{name}', 'program');
             insert into larder.tokens (id, principal_id, name, hash, prefix) values ('{id}', '{id}', 'test', '\\x{hash}', 'test')"
        ))
        .await;
        token
    }
}

pub async fn gzip(bytes: &[u8]) -> Vec<u8> {
    compressed(async_compression::tokio::bufread::GzipEncoder::new(bytes)).await
}

pub async fn zstd(bytes: &[u8]) -> Vec<u8> {
    compressed(async_compression::tokio::bufread::ZstdEncoder::new(bytes)).await
}

pub async fn bzip2(bytes: &[u8]) -> Vec<u8> {
    compressed(async_compression::tokio::bufread::BzEncoder::new(bytes)).await
}

pub async fn xz(bytes: &[u8]) -> Vec<u8> {
    compressed(async_compression::tokio::bufread::XzEncoder::new(bytes)).await
}

async fn compressed(reader: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let chunks: Vec<_> = ReaderStream::new(reader).try_collect().await.expect("compression");
    chunks.concat()
}
