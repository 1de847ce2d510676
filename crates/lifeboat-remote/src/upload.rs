//! Objects that are larger than memory should hold: from a file, in parts.

use std::io::SeekFrom;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, Error, MultipartId, MultipartUpload, PutMultipartOptions, PutPayload,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::{Failure, RemoteError};
use crate::remote::{Carried, Created, Doing, Remote, path};

/// What is put in one request; a larger object goes up in parts of this size.
const PART_LEN: u64 = 8 * 1024 * 1024;

/// The parts of objects, each of which can be sent again on its own.
#[derive(Clone)]
pub(crate) struct Parts {
    store: Arc<dyn MultipartStore>,
    prefix: Path,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Parts {
    #[cfg(feature = "http-stores")]
    pub(crate) fn new(store: Arc<dyn MultipartStore>, prefix: &str) -> Self {
        Self { store, prefix: Path::from(prefix) }
    }

    fn path(&self, key: &str) -> Path {
        self.prefix.parts().chain(path(key).parts()).collect()
    }
}

/// The file that is sent, and what it is called there.
struct Sending<'a> {
    key: &'a str,
    file: tokio::fs::File,
    size: u64,
    attributes: Attributes,
}

impl Sending<'_> {
    /// The bytes of a part.
    async fn part(&mut self, at: u64) -> Result<Bytes, RemoteError> {
        let key = self.key;
        let io = |error| RemoteError::local("create", key, error);
        self.file.seek(SeekFrom::Start(at)).await.map_err(io)?;
        let mut part = vec![0; PART_LEN.min(self.size - at) as usize];
        self.file.read_exact(&mut part).await.map_err(io)?;
        Ok(part.into())
    }

    fn doing(&self) -> Doing<'_> {
        Doing { operation: "create", key: self.key }
    }
}

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
        file: &FilePath,
        content_type: &'static str,
    ) -> Result<Created, RemoteError> {
        let io = |error| RemoteError::local("create", key, error);
        let mut file = tokio::fs::File::open(file).await.map_err(io)?;
        let size = file.metadata().await.map_err(io)?.len();
        if size <= PART_LEN {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes).await.map_err(io)?;
            return self.create_typed(key, vec![bytes.into()], Some(content_type)).await;
        }
        if self.size(key).await?.is_some() {
            return Ok(Created::Exists);
        }
        let attributes = self.attributes_of(size, Some(content_type));
        let mut sending = Sending { key, file, size, attributes };
        let sent = match self.parts().cloned() {
            Some(parts) => self.send_parts(&parts, &mut sending).await,
            None => self.send_once(&mut sending).await,
        };
        // An answer may have been lost, and what was sent may not be what is there:
        // the store has the last word on both.
        match (self.size(key).await, sent) {
            (Ok(Some(found)), _) if found == size => Ok(Created::New),
            (_, Err(error)) | (Err(error), Ok(())) => Err(error),
            (Ok(_), Ok(())) => Err(RemoteError::of("create", key, Failure::Incomplete)),
        }
    }

    /// To a store that takes parts by their numbers: each is tried again as any
    /// other call is.
    async fn send_parts(
        &self,
        parts: &Parts,
        sending: &mut Sending<'_>,
    ) -> Result<(), RemoteError> {
        let key = sending.key;
        let location = parts.path(key);
        let fail = |source| RemoteError::new("create", key, source);
        let begin = || async {
            self.count();
            let attributes = sending.attributes.clone();
            let options = PutMultipartOptions { attributes, ..Default::default() };
            parts.store.create_multipart_opts(&location, options).await.map_err(fail)
        };
        let id: MultipartId = self.attempt(sending.doing(), &Carried::default(), begin).await?;
        let sent = self.send_parts_of(parts, sending, &location, &id).await;
        if sent.is_err() {
            // What cannot be taken back now is garbage that the store keeps.
            let _ = parts.store.abort_multipart(&location, &id).await;
        }
        sent
    }

    async fn send_parts_of(
        &self,
        parts: &Parts,
        sending: &mut Sending<'_>,
        location: &Path,
        id: &MultipartId,
    ) -> Result<(), RemoteError> {
        let key = sending.key;
        let fail = |source| RemoteError::new("create", key, source);
        let mut ids: Vec<PartId> = Vec::new();
        let mut at = 0;
        while at < sending.size {
            let bytes = sending.part(at).await?;
            at += bytes.len() as u64;
            let carried = Carried::default();
            carried.bytes(bytes.len() as u64);
            self.pace_up(bytes.len() as u64).await;
            let number = ids.len();
            let put = || async {
                self.count();
                let payload = PutPayload::from_bytes(bytes.clone());
                parts.store.put_part(location, id, number, payload).await.map_err(fail)
            };
            ids.push(self.attempt(sending.doing(), &carried, put).await?);
        }
        let complete = || async {
            self.count();
            let done = parts.store.complete_multipart(location, id, ids.clone()).await;
            done.map(drop).map_err(fail)
        };
        self.attempt(sending.doing(), &Carried::default(), complete).await
    }

    /// To a store that takes parts one after the other: what fails, fails.
    async fn send_once(&self, sending: &mut Sending<'_>) -> Result<(), RemoteError> {
        let key = sending.key;
        let fail = |source| RemoteError::new("create", key, source);
        let attributes = sending.attributes.clone();
        let options = PutMultipartOptions { attributes, ..Default::default() };
        let started = match self.count().put_multipart_opts(&path(key), options).await {
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                self.count().put_multipart_opts(&path(key), PutMultipartOptions::default()).await
            }
            started => started,
        };
        let mut upload = started.map_err(fail)?;
        let sent = self.send_once_to(&mut *upload, sending).await;
        if sent.is_err() {
            let _ = upload.abort().await;
        }
        sent
    }

    async fn send_once_to(
        &self,
        upload: &mut dyn MultipartUpload,
        sending: &mut Sending<'_>,
    ) -> Result<(), RemoteError> {
        let key = sending.key;
        let fail = |source| RemoteError::new("create", key, source);
        let mut at = 0;
        while at < sending.size {
            let bytes = sending.part(at).await?;
            at += bytes.len() as u64;
            self.pace_up(bytes.len() as u64).await;
            self.count();
            upload.put_part(PutPayload::from_bytes(bytes)).await.map_err(fail)?;
        }
        self.count();
        upload.complete().await.map(drop).map_err(fail)
    }
}
