//! Objects that are not ours: with content type and metadata, as large as they
//! are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::{Attribute, AttributeValue, Attributes, Error, GetOptions, GetRange};

use super::attempt::{Carried, Doing};
use super::create::Created;
use super::read::absent;
use super::{Remote, path};
use crate::error::RemoteError;
use crate::objects::{Chunks, ObjectError, ObjectInfo};
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
