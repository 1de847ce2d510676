//! Objects that are not ours: with content type and metadata, as large as they
//! are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::{
    Attribute, AttributeValue, Attributes, CopyOptions, Error, GetOptions, GetRange,
};

use super::attempt::{Carried, Doing};
use super::create::Created;
use super::list::Listed;
use super::read::absent;
use super::{Remote, path};
use crate::error::{Failure, RemoteError};
use crate::objects::{Chunks, ObjectError, ObjectInfo, ObjectProvider, RemoteProvider};
use crate::upload::PART_LEN;

/// How an object is sent.
#[derive(Clone, Copy)]
pub(crate) struct SentAs<'a> {
    pub(crate) content_type: Option<&'a str>,
    pub(crate) metadata: &'a BTreeMap<String, String>,
    pub(crate) overwrite: bool,
}

impl Remote {
    pub(crate) fn keeps_attributes(&self) -> bool {
        self.attributes
    }

    /// What is known of an object, if there is one.
    pub(crate) async fn about_object(&self, key: &str) -> Result<Option<ObjectInfo>, RemoteError> {
        let once = || async {
            let options = GetOptions { head: true, ..GetOptions::default() };
            let fail = |source| RemoteError::new("look for", key, source);
            match self.count().get_opts(&path(key), options).await {
                Ok(got) => Ok(Some(info(&got.meta, &got.attributes))),
                Err(source) => absent(source).map(|()| None).map_err(fail),
            }
        };
        self.attempt(Doing { operation: "look for", key }, &Carried::default(), once).await
    }

    /// What a listing would say of an object, if there is one.
    pub async fn stat(&self, key: &str) -> Result<Option<Listed>, RemoteError> {
        let once = || async {
            let options = GetOptions { head: true, ..GetOptions::default() };
            match self.count().get_opts(&path(key), options).await {
                Ok(got) => Ok(Some(got.meta.into())),
                Err(source) => absent(source)
                    .map(|()| None)
                    .map_err(|source| RemoteError::new("look for", key, source)),
            }
        };
        self.attempt(Doing { operation: "look for", key }, &Carried::default(), once).await
    }

    /// Copies an object to another key, over whatever lies there; false if there
    /// is none. The store does it by itself where it can, with all that is kept
    /// beside the bytes; what is too large for that is read and sent.
    ///
    /// Whoever deletes the original afterwards looks at the copy first. Cancelled,
    /// the copy is there whole, or not at all.
    pub async fn copy(&self, from: &str, to: &str) -> Result<bool, ObjectError> {
        let once = || async {
            match self.count().copy_opts(&path(from), &path(to), CopyOptions::default()).await {
                Ok(()) => Ok(true),
                Err(source) => absent(source)
                    .map(|()| false)
                    .map_err(|source| RemoteError::new("copy", from, source)),
            }
        };
        let doing = Doing { operation: "copy", key: from };
        let refused = match self.attempt(doing, &Carried::default(), once).await {
            Ok(copied) => return Ok(copied),
            Err(error) => error,
        };
        // S3 copies no more than 5 GiB at once, and some stores nothing at all.
        if !matches!(refused.what, Failure::Refused | Failure::TooLarge | Failure::Unsupported) {
            return Err(refused.into());
        }
        let Some(object) = RemoteProvider::new("store", self.clone()).get(from).await? else {
            return Ok(false);
        };
        let info = object.info.clone();
        let sent_as = SentAs {
            content_type: info.content_type.as_deref(),
            metadata: &info.metadata,
            overwrite: true,
        };
        let _ = self.send_object(to, info.size, object.into_chunks(), sent_as).await?;
        Ok(true)
    }

    /// Puts an earlier version of an object under its key, where nothing lies.
    pub(crate) async fn put_version_back(
        &self,
        key: &str,
        version: &str,
        size: u64,
    ) -> Result<bool, ObjectError> {
        let fail = |source| RemoteError::new("read", key, source);
        let doing = Doing { operation: "read", key };
        let about = || async {
            let version = Some(version.to_owned());
            let options = GetOptions { head: true, version, ..GetOptions::default() };
            match self.count().get_opts(&path(key), options).await {
                Ok(got) => Ok(Some(info(&got.meta, &got.attributes))),
                Err(source) => absent(source).map(|()| None).map_err(fail),
            }
        };
        let Some(info) = self.attempt(doing, &Carried::default(), about).await? else {
            return Ok(false);
        };
        let (remote, own, id) = (self.clone(), key.to_owned(), version.to_owned());
        let chunks = futures::stream::try_unfold(0, move |at| {
            let (remote, key, id) = (remote.clone(), own.clone(), id.clone());
            async move {
                if at >= size {
                    return Ok(None);
                }
                let end = size.min(at + PART_LEN);
                let once = || async {
                    let options = GetOptions {
                        range: Some(GetRange::Bounded(at..end)),
                        version: Some(id.clone()),
                        ..GetOptions::default()
                    };
                    let fail = |source| RemoteError::new("read", &key, source);
                    let got = remote.count().get_opts(&path(&key), options).await.map_err(fail)?;
                    got.bytes().await.map_err(fail)
                };
                let carried = Carried::default();
                carried.bytes(end - at);
                let doing = Doing { operation: "read", key: &key };
                let bytes = remote.attempt(doing, &carried, once).await?;
                Ok::<_, ObjectError>(Some((bytes, end)))
            }
        });
        let sent_as = SentAs {
            content_type: info.content_type.as_deref(),
            metadata: &info.metadata,
            overwrite: false,
        };
        let sent = self.send_object(key, size, Box::pin(chunks), sent_as).await?;
        Ok(sent == Created::New)
    }

    /// A part of an object, as long as it is the same one. Nothing where it is
    /// gone or replaced.
    pub(crate) async fn get_step(
        &self,
        key: &str,
        range: Range<u64>,
        etag: Option<&str>,
    ) -> Result<Option<Bytes>, RemoteError> {
        let carried = Carried::default();
        carried.bytes(range.end - range.start);
        let once = || async {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: etag.map(ToOwned::to_owned),
                ..GetOptions::default()
            };
            let fail = |source| RemoteError::new("read", key, source);
            match self.count().get_opts(&path(key), options).await {
                Ok(got) => got.bytes().await.map(Some).map_err(fail),
                Err(Error::Precondition { .. }) => Ok(None),
                Err(source) => absent(source).map(|()| None).map_err(fail),
            }
        };
        let got = self.attempt(Doing { operation: "read", key }, &carried, once).await?;
        self.pace_down(got.as_ref().map_or(0, |bytes| bytes.len() as u64)).await;
        Ok(got)
    }

    /// Puts an object of `size` bytes that come one after the other.
    ///
    /// More than 8 MiB go up in parts, and stores take those without the condition
    /// that nothing lies under the key: it is looked for before. Cancelled, the
    /// object is not there, or it is what it was.
    pub(crate) async fn send_object(
        &self,
        key: &str,
        size: u64,
        mut chunks: Chunks,
        sent_as: SentAs<'_>,
    ) -> Result<Created, ObjectError> {
        let mut attributes = self.attributes_of(size, sent_as.content_type);
        for (name, value) in sent_as.metadata.iter().filter(|_| self.attributes) {
            let name = Attribute::Metadata(Cow::Owned(name.clone()));
            attributes.insert(name, AttributeValue::from(value.clone()));
        }
        if size > PART_LEN {
            if !sent_as.overwrite && self.size(key).await?.is_some() {
                return Ok(Created::Exists);
            }
            self.send_stream(key, size, chunks, attributes).await?;
            return Ok(Created::New);
        }
        let mut all = BytesMut::with_capacity(size as usize);
        while let Some(chunk) = chunks.try_next().await? {
            all.extend_from_slice(&chunk);
            if all.len() as u64 > size {
                break;
            }
        }
        if all.len() as u64 != size {
            return Err(ObjectError::Length { key: key.to_owned(), expected: size });
        }
        let bytes = all.freeze();
        if sent_as.overwrite {
            self.put_with(key, bytes, attributes).await?;
            return Ok(Created::New);
        }
        Ok(self.create_with(key, vec![bytes], attributes).await?)
    }

    /// A URL that lets anybody read an object for a while, where the store signs
    /// such.
    pub(crate) async fn signed_url(
        &self,
        key: &str,
        valid: Duration,
    ) -> Result<Option<String>, RemoteError> {
        let Some(signing) = &self.signing else { return Ok(None) };
        let signed = signing.url(key, valid).await;
        signed.map(Some).map_err(|source| RemoteError::new("sign a URL for", key, source))
    }
}

fn info(meta: &object_store::ObjectMeta, attributes: &Attributes) -> ObjectInfo {
    let mut info = ObjectInfo::of(meta.size);
    info.etag.clone_from(&meta.e_tag);
    info.modified = Some(meta.last_modified.timestamp());
    for (name, value) in attributes {
        match name {
            Attribute::ContentType => info.content_type = Some(value.to_string()),
            Attribute::Metadata(name) => {
                info.metadata.insert(name.to_string(), value.to_string());
            }
            _ => {}
        }
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_beside_the_bytes() {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::ContentType, "image/jpeg".into());
        attributes.insert(Attribute::Metadata("by".into()), "ada".into());
        let meta = object_store::ObjectMeta {
            location: "a".into(),
            last_modified: Default::default(),
            size: 3,
            e_tag: Some("\"x\"".into()),
            version: None,
        };
        let info = info(&meta, &attributes);
        assert_eq!(info.content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(info.metadata["by"], "ada");
        assert_eq!((info.size, info.etag.as_deref()), (3, Some("\"x\"")));
    }
}
