//! Objects that are larger than memory should hold: from a file, in parts.

use std::io::SeekFrom;
use std::path::Path;

use bytes::Bytes;
use object_store::{
    Attribute, Attributes, Error, MultipartUpload, PutMode, PutMultipartOptions, PutOptions,
    PutPayload,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::{Failure, RemoteError};
use crate::remote::{Created, Remote, path};

/// What is put in one request; a larger object goes up in parts of this size.
const PART_LEN: u64 = 8 * 1024 * 1024;

impl Remote {
    /// Creates an object of the bytes of a file, with a content type where the
    /// store takes one.
    ///
    /// A file of more than 8 MiB goes up in parts, and stores take those
    /// without the condition that nothing lies under the key: use a key that
    /// was drawn at random. Cancelled, the object is not there; the store may
    /// keep parts until its own rules remove them.
    pub async fn create_from_file(
        &self,
        key: &str,
        file: &Path,
        content_type: &'static str,
    ) -> Result<Created, RemoteError> {
        let io = |error| RemoteError::local("create", key, error);
        let mut file = tokio::fs::File::open(file).await.map_err(io)?;
        let size = file.metadata().await.map_err(io)?.len();
        if size <= PART_LEN {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes).await.map_err(io)?;
            return self.create_typed(key, bytes.into(), content_type).await;
        }
        if self.size(key).await?.is_some() {
            return Ok(Created::Exists);
        }
        let fail = |source| RemoteError::new("create", key, source);
        let options = PutMultipartOptions { attributes: typed(content_type), ..Default::default() };
        let started = match self.count().put_multipart_opts(&path(key), options).await {
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.count().put_multipart_opts(&path(key), PutMultipartOptions::default()).await
            }
            started => started,
        };
        let mut upload = started.map_err(fail)?;
        match self.parts(&mut *upload, &mut file, size, key).await {
            Ok(()) => {}
            Err(error) => {
                // What cannot be taken back now is garbage that the store keeps.
                let _ = upload.abort().await;
                return Err(error);
            }
        }
        match self.size(key).await? {
            Some(found) if found == size => Ok(Created::New),
            _ => Err(RemoteError {
                operation: "create",
                key: key.to_owned(),
                what: Failure::Incomplete,
                source: None,
            }),
        }
    }

    async fn parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &mut tokio::fs::File,
        size: u64,
        key: &str,
    ) -> Result<(), RemoteError> {
        let io = |error| RemoteError::local("create", key, error);
        let fail = |source| RemoteError::new("create", key, source);
        file.seek(SeekFrom::Start(0)).await.map_err(io)?;
        let mut at = 0;
        while at < size {
            let mut part = vec![0; PART_LEN.min(size - at) as usize];
            file.read_exact(&mut part).await.map_err(io)?;
            at += part.len() as u64;
            self.count();
            upload.put_part(PutPayload::from(part)).await.map_err(fail)?;
        }
        self.count();
        upload.complete().await.map_err(fail)?;
        Ok(())
    }

    /// As [`create`](Self::create), with a content type where the store takes
    /// one.
    async fn create_typed(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &'static str,
    ) -> Result<Created, RemoteError> {
        let options = PutOptions {
            mode: PutMode::Create,
            attributes: typed(content_type),
            ..PutOptions::default()
        };
        let payload = PutPayload::from_bytes(bytes.clone());
        match self.count().put_opts(&path(key), payload, options).await {
            Ok(_) => Ok(Created::New),
            // A store without attributes, or one whose answer has to be looked
            // into: both are what the other way knows.
            Err(_) => self.create(key, bytes).await,
        }
    }
}

fn typed(content_type: &'static str) -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, content_type)])
}
