//! Where an export is: a folder, or a prefix in a bucket.

use super::Written;
use crate::{
    app::{self, ObjectsAt},
    config::Config,
    error::{Error, Result},
    objects::{ObjectBytes, Objects},
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    path::PathBuf,
    pin::pin,
};
use tokio::task::block_in_place;

const CHUNK_BYTES: usize = 1 << 20;

pub enum Place {
    Folder(PathBuf),
    /// The prefix is empty or ends with `/`.
    Bucket {
        objects: Objects,
        prefix: String,
    },
}

impl Place {
    /// `s3://bucket/prefix`, through the AWS SDK's own settings, or else a folder.
    pub async fn named(name: &str, config: &Config) -> Result<Self> {
        let Some(rest) = name.strip_prefix("s3://") else { return Ok(Self::Folder(PathBuf::from(name))) };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Error::startup(format!("{name} names no bucket: s3://bucket/prefix does.")));
        }
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let at =
            ObjectsAt { sdk: app::configured_sdk(config).await?, public_endpoint: None, bucket: bucket.to_owned() };
        Ok(Self::Bucket { objects: app::objects(config, at)?, prefix })
    }

    /// Writes a whole file; it is durable when this returns.
    pub(super) async fn write(&self, name: &str, bytes: impl Stream<Item = Result<Bytes>>) -> Result<Written> {
        let (mut sha256, mut size_bytes) = (Sha256::new(), 0);
        let bytes = bytes.inspect_ok(|chunk| {
            sha256.update(chunk);
            size_bytes += chunk.len() as u64;
        });
        let mut bytes = pin!(bytes);
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let failed =
                    |error: std::io::Error| Error::startup(format!("{} cannot be written: {error}.", path.display()));
                let parent = path.parent().unwrap_or(folder);
                fs::create_dir_all(parent).map_err(failed)?;
                let mut file = File::create(&path).map_err(failed)?;
                while let Some(chunk) = bytes.try_next().await? {
                    block_in_place(|| file.write_all(&chunk)).map_err(failed)?;
                }
                block_in_place(|| file.sync_all().and_then(|()| File::open(parent)?.sync_all())).map_err(failed)?;
            }
            Self::Bucket { objects, prefix } => {
                let mut writer = objects.writer_at(format!("{prefix}{name}"));
                while let Some(chunk) = bytes.try_next().await? {
                    writer.write(None, chunk).await?;
                }
                writer.finish(None).await?;
            }
        }
        Ok(Written { name: name.to_owned(), size_bytes, sha256: hex::encode(sha256.finalize()) })
    }

    /// The bytes of a file as they come; `None` if there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Option<ObjectBytes>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let failed =
                    move |error: std::io::Error| Error::startup(format!("{} cannot be read: {error}.", path.display()));
                let file = match File::open(folder.join(name)) {
                    Ok(file) => file,
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(failed(error)),
                };
                Ok(Some(Box::pin(futures::stream::try_unfold((file, failed), |(mut file, failed)| async move {
                    let mut chunk = BytesMut::zeroed(CHUNK_BYTES);
                    let read = block_in_place(|| file.read(&mut chunk)).map_err(&failed)?;
                    chunk.truncate(read);
                    Ok((read > 0).then(|| (chunk.freeze(), (file, failed))))
                }))))
            }
            Self::Bucket { objects, prefix } => objects.find_at(&format!("{prefix}{name}")).await,
        }
    }
}
