//! Objects that are larger than memory should hold: from a file, in parts.

use std::io::SeekFrom;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, Error, MultipartId, MultipartUpload, PutMultipartOptions, PutPayload,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::error::{Failure, RemoteError};
use crate::objects::{Chunks, ObjectError};
use crate::remote::{Carried, Created, Doing, Remote, path};

/// What is put in one request; a larger object goes up in parts of this size.
pub(crate) const PART_LEN: u64 = 8 * 1024 * 1024;

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

/// Where the bytes come from.
enum Bodies {
    File(tokio::fs::File),
    /// A stream, and what came of it beyond the last part.
    Stream(Chunks, BytesMut),
}

/// What is sent, and what it is called there.
struct Sending<'a> {
    key: &'a str,
    from: Bodies,
    size: u64,
    attributes: Attributes,
}

impl Sending<'_> {
    /// The bytes of the next part, which begins there.
    async fn part(&mut self, at: u64) -> Result<Bytes, SendError> {
        let key = self.key;
        let io = |error| RemoteError::local("create", key, error);
        let len = PART_LEN.min(self.size - at) as usize;
        match &mut self.from {
            Bodies::File(file) => {
                file.seek(SeekFrom::Start(at)).await.map_err(io)?;
                let mut part = vec![0; len];
                file.read_exact(&mut part).await.map_err(io)?;
                Ok(part.into())
            }
            Bodies::Stream(chunks, left) => {
                while left.len() < len {
                    match chunks.try_next().await.map_err(SendError::Content)? {
                        Some(chunk) => left.extend_from_slice(&chunk),
                        None => return Err(self.wrong_length()),
                    }
                }
                let part = left.split_to(len).freeze();
                let is_last = at + len as u64 == self.size;
                // More than was said must not become an object that was cut off.
                if is_last && (!left.is_empty() || goes_on(chunks).await?) {
                    return Err(self.wrong_length());
                }
                Ok(part)
            }
        }
    }

    fn wrong_length(&self) -> SendError {
        let (key, expected) = (self.key.to_owned(), self.size);
        SendError::Content(ObjectError::Length { key, expected })
    }

    fn doing(&self) -> Doing<'_> {
        Doing { operation: "create", key: self.key }
    }
}

/// Why something was not sent.
enum SendError {
    Store(RemoteError),
    /// What is sent cannot be read.
    Content(ObjectError),
}

impl From<RemoteError> for SendError {
    fn from(error: RemoteError) -> Self {
        Self::Store(error)
    }
}

impl SendError {
    /// Of what was sent from a file of our own.
    fn own(self) -> RemoteError {
        match self {
            Self::Store(error) => error,
            Self::Content(error) => RemoteError::local("read", "", std::io::Error::other(error)),
        }
    }
}

/// Whether there is more where there should be nothing.
async fn goes_on(chunks: &mut Chunks) -> Result<bool, SendError> {
    while let Some(chunk) = chunks.try_next().await.map_err(SendError::Content)? {
        if !chunk.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
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
        let from = Bodies::File(file);
        let sent = self.send(Sending { key, from, size, attributes }).await.map_err(SendError::own);
        // An answer may have been lost, and what was sent may not be what is there:
        // the store has the last word on both.
        match (self.size(key).await, sent) {
            (Ok(Some(found)), _) if found == size => Ok(Created::New),
            (_, Err(error)) | (Err(error), Ok(())) => Err(error),
            (Ok(_), Ok(())) => Err(RemoteError::of("create", key, Failure::Incomplete)),
        }
    }

    /// Sends a large object that comes as a stream of so many bytes, over whatever
    /// lies under the key. On an error nothing is there that was not before, or,
    /// where an answer was lost, the whole object.
    pub(crate) async fn send_stream(
        &self,
        key: &str,
        size: u64,
        chunks: Chunks,
        attributes: Attributes,
    ) -> Result<(), ObjectError> {
        let from = Bodies::Stream(chunks, BytesMut::new());
        match self.send(Sending { key, from, size, attributes }).await {
            Ok(()) => Ok(()),
            Err(SendError::Content(error)) => Err(error),
            Err(SendError::Store(error)) => Err(error.into()),
        }
    }

    async fn send(&self, mut sending: Sending<'_>) -> Result<(), SendError> {
        match self.parts().cloned() {
            Some(parts) => self.send_parts(&parts, &mut sending).await,
            None => self.send_once(&mut sending).await,
        }
    }

    /// To a store that takes parts by their numbers: each is tried again as any
    /// other call is.
    async fn send_parts(&self, parts: &Parts, sending: &mut Sending<'_>) -> Result<(), SendError> {
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
    ) -> Result<(), SendError> {
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
        Ok(self.attempt(sending.doing(), &Carried::default(), complete).await?)
    }

    /// To a store that takes parts one after the other: what fails, fails.
    async fn send_once(&self, sending: &mut Sending<'_>) -> Result<(), SendError> {
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
    ) -> Result<(), SendError> {
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
        Ok(upload.complete().await.map(drop).map_err(fail)?)
    }
}
