//! Creating objects, once.

use bytes::Bytes;
use object_store::{Attribute, AttributeValue, Attributes, Error, PutMode, PutOptions, PutPayload};

use super::attempt::{Carried, Doing};
use super::{Remote, path};
use crate::error::{Failure, RemoteError};
use crate::fencing::Fencing;

/// Below this, objects are read often and cost more in cold classes, which bill
/// at least this size.
const COLD_FROM: u64 = 128 * 1024;

/// Whether a create made the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The object is there, with these bytes, put by this call or by one before
    /// it whose answer was lost.
    New,
    /// There was one already, with other bytes. It was not touched.
    Exists,
}

impl Remote {
    /// Creates an object, if there is none under this key.
    ///
    /// Where the store is known to ignore that condition
    /// ([`fencing`](Self::fencing)), it is looked for first and then put: enough for
    /// keys that were drawn at random, and for nothing else. What several writers
    /// may want at once is [claimed](crate::rounds::Claim).
    ///
    /// After a conflict, or where an answer may have been lost, the object is read
    /// back: if it has exactly these bytes, it is the caller's own. On an error it is
    /// not known whether the object was made; the same call may be made again.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<Created, RemoteError> {
        self.create_of_parts(key, vec![bytes]).await
    }

    /// [`create`](Self::create) for an object whose bytes lie in several pieces.
    pub async fn create_of_parts(
        &self,
        key: &str,
        parts: Vec<Bytes>,
    ) -> Result<Created, RemoteError> {
        self.create_typed(key, parts, None).await
    }

    /// As [`create_of_parts`](Self::create_of_parts), with a content type (such
    /// as `application/x-sqlite3`) where the store keeps one.
    pub(crate) async fn create_typed(
        &self,
        key: &str,
        parts: Vec<Bytes>,
        content_type: Option<&str>,
    ) -> Result<Created, RemoteError> {
        if self.fencing() == Fencing::Create {
            return self.create_by_condition(key, parts, content_type).await;
        }
        let size = parts.iter().map(|part| part.len() as u64).sum();
        if let Some(created) = self.what_is_there(key, &parts, size).await? {
            return Ok(created);
        }
        let attributes = self.attributes_of(size, content_type);
        self.put_parts(key, PutPayload::from_iter(parts), size, attributes).await?;
        Ok(Created::New)
    }

    /// As [`create_typed`](Self::create_typed), whatever is known of the store.
    pub(crate) async fn create_by_condition(
        &self,
        key: &str,
        parts: Vec<Bytes>,
        content_type: Option<&str>,
    ) -> Result<Created, RemoteError> {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        self.create_with(key, parts, self.attributes_of(size, content_type)).await
    }

    /// As [`create_of_parts`](Self::create_of_parts), with all that is kept beside
    /// the bytes.
    pub(super) async fn create_with(
        &self,
        key: &str,
        parts: Vec<Bytes>,
        attributes: Attributes,
    ) -> Result<Created, RemoteError> {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        let carried = Carried::default();
        carried.bytes(size);
        let doing = Doing { operation: "create", key };
        self.pace_up(size).await;
        let once = || self.create_once(key, &parts, size, attributes.clone());
        self.attempt(doing, &carried, once).await
    }

    /// Puts an object without a condition, over whatever lies there. For keys that
    /// belong to one writer, or whose objects are all alike; nothing else may use
    /// it. Doing it twice is harmless. Cancelled, the object is there whole or it is
    /// as it was.
    pub async fn put_own(&self, key: &str, bytes: Bytes) -> Result<(), RemoteError> {
        let attributes = self.attributes_of(bytes.len() as u64, None);
        self.put_with(key, bytes, attributes).await
    }

    /// As [`put_own`](Self::put_own), with all that is kept beside the bytes.
    pub(super) async fn put_with(
        &self,
        key: &str,
        bytes: Bytes,
        attributes: Attributes,
    ) -> Result<(), RemoteError> {
        let size = bytes.len() as u64;
        self.put_parts(key, PutPayload::from_bytes(bytes), size, attributes).await
    }

    async fn put_parts(
        &self,
        key: &str,
        payload: PutPayload,
        size: u64,
        attributes: Attributes,
    ) -> Result<(), RemoteError> {
        let carried = Carried::default();
        carried.bytes(size);
        self.pace_up(size).await;
        let once = || async {
            let mode = PutMode::Overwrite;
            let options = PutOptions { mode, attributes: attributes.clone(), ..Default::default() };
            let put = self.count().put_opts(&path(key), payload.clone(), options).await;
            put.map(drop).map_err(|source| RemoteError::new("write", key, source))
        };
        self.attempt(Doing { operation: "write", key }, &carried, once).await
    }

    /// What lies under a key, compared with what was to be put there; nothing if
    /// nothing does.
    pub(crate) async fn what_is_there(
        &self,
        key: &str,
        parts: &[Bytes],
        size: u64,
    ) -> Result<Option<Created>, RemoteError> {
        match self.get(key, size).await {
            Ok(None) => Ok(None),
            Ok(Some(there)) if is_concat(&there, parts) => Ok(Some(Created::New)),
            Ok(Some(_)) => Ok(Some(Created::Exists)),
            Err(error) if error.what == Failure::TooLarge => Ok(Some(Created::Exists)),
            Err(error) => Err(error),
        }
    }

    async fn create_once(
        &self,
        key: &str,
        parts: &[Bytes],
        size: u64,
        attributes: Attributes,
    ) -> Result<Created, RemoteError> {
        let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        let payload = PutPayload::from_iter(parts.iter().cloned());
        let source = match self.count().put_opts(&path(key), payload, options).await {
            Ok(_) => return Ok(Created::New),
            Err(source) => source,
        };
        let conflict = matches!(source, Error::AlreadyExists { .. } | Error::Precondition { .. });
        let failed = RemoteError::new("create", key, source);
        if !(conflict || self.may_have_arrived(failed.what)) {
            return Err(failed);
        }
        match self.get_once(key, size).await {
            Ok(Some(there)) if is_concat(&there, parts) => {
                tracing::debug!(key, "the object is there already, byte for byte");
                self.sync_found(key).await?;
                Ok(Created::New)
            }
            Ok(Some(_)) => Ok(Created::Exists),
            Err(error) if error.what == Failure::TooLarge => Ok(Created::Exists),
            Ok(None) => Err(failed),
            Err(error) if conflict => Err(error),
            Err(_) => Err(failed),
        }
    }

    /// Whether a put that failed so may have happened. A directory says what it
    /// did; and there, what is found after a failed sync proves nothing.
    fn may_have_arrived(&self, what: Failure) -> bool {
        let lost = matches!(what, Failure::Unavailable | Failure::TimedOut | Failure::Conflict);
        lost && self.directory.is_none()
    }

    /// What is kept beside the bytes of an object of this size.
    pub(crate) fn attributes_of(&self, size: u64, content_type: Option<&str>) -> Attributes {
        let mut attributes = Attributes::new();
        if !self.attributes {
            return attributes;
        }
        if let Some(content_type) = content_type {
            let value = AttributeValue::from(content_type.to_owned());
            attributes.insert(Attribute::ContentType, value);
        }
        if let Some(class) = self.storage_class.as_deref().filter(|_| size >= COLD_FROM) {
            let value = AttributeValue::from(class.to_owned());
            attributes.insert(Attribute::StorageClass, value);
        }
        attributes
    }
}

/// Whether the pieces are `whole`, one after the other.
fn is_concat(whole: &[u8], parts: &[Bytes]) -> bool {
    let mut rest = Some(whole);
    for part in parts {
        rest = rest.and_then(|rest| rest.strip_prefix(&part[..]));
    }
    rest.is_some_and(<[u8]>::is_empty)
}
