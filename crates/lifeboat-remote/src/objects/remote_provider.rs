//! A store as a keeper of objects.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::error::ObjectError;
use super::migrate::same;
use super::provider::{Object, ObjectInfo, ObjectProvider};
use crate::error::{Failure, RemoteError};
use crate::remote::{Created, Remote, SentAs};

/// How much is read with one request.
const STEP: u64 = 4 * 1024 * 1024;

/// What describes an object that has more than its bytes is no larger.
const MAX_BESIDE: u64 = 64 * 1024;

/// A store as a keeper of objects.
///
/// Where a store has no place for content type and metadata (a directory), they
/// lie in a small object of their own below `.lifeboat/objects/`.
#[derive(Clone, Debug)]
pub struct RemoteProvider {
    name: String,
    remote: Remote,
    public_base: Option<String>,
}

/// What lies beside an object in a store that keeps bytes only.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    /// Of the object that it describes: it is no other's.
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl RemoteProvider {
    /// Keeps objects in a store, and is called `name` in placements.
    pub fn new(name: impl Into<String>, remote: Remote) -> Self {
        Self { name: name.into(), remote, public_base: None }
    }

    /// The URL under which the store's keys can be read by anybody. Whether they
    /// can is for the store's owner to see to.
    #[must_use]
    pub fn with_public_base(mut self, base: impl Into<String>) -> Self {
        self.public_base = Some(base.into());
        self
    }

    /// The store.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    async fn put_object(
        &self,
        key: &str,
        content: &Content,
        overwrite: bool,
    ) -> Result<ObjectInfo, ObjectError> {
        let as_what = SentAs {
            content_type: content.content_type(),
            metadata: content.metadata(),
            overwrite,
        };
        let chunks = content.open().await?;
        let sent = self.remote.send_object(key, content.size(), chunks, as_what).await?;
        if sent == Created::Exists && !same(content.open().await?, self, key).await? {
            return Err(ObjectError::Exists { provider: self.name.clone(), key: key.to_owned() });
        }
        if !self.remote.keeps_attributes() {
            // After the object: of two who create it, the loser describes nothing.
            self.put_beside(key, content).await?;
        }
        // The store has the last word on what is there.
        match self.stat_object(key).await? {
            Some(info) if info.size == content.size() => Ok(info),
            _ => Err(RemoteError::of("create", key, Failure::Incomplete).into()),
        }
    }

    async fn put_beside(&self, key: &str, content: &Content) -> Result<(), ObjectError> {
        let beside = beside(key);
        if content.content_type().is_none() && content.metadata().is_empty() {
            return Ok(self.remote.delete(&[beside]).await?);
        }
        let about = Beside {
            size: content.size(),
            content_type: content.content_type().map(ToOwned::to_owned),
            metadata: content.metadata().clone(),
        };
        let text = serde_json::to_vec(&about).expect("texts are always written");
        Ok(self.remote.put_own(&beside, text.into()).await?)
    }

    async fn stat_object(&self, key: &str) -> Result<Option<ObjectInfo>, ObjectError> {
        let Some(mut info) = self.remote.about_object(key).await? else { return Ok(None) };
        if !self.remote.keeps_attributes()
            && let Some(text) = self.remote.get(&beside(key), MAX_BESIDE).await?
            && let Ok(about) = serde_json::from_slice::<Beside>(&text)
            && about.size == info.size
        {
            info.content_type = about.content_type;
            info.metadata = about.metadata;
        }
        Ok(Some(info))
    }

    async fn get_object(&self, key: &str, part: Range<u64>) -> Result<Option<Object>, ObjectError> {
        let Some(info) = self.stat_object(key).await? else { return Ok(None) };
        let (end, etag) = (info.size.min(part.end), info.etag.clone());
        let (provider, key_of) = (self.clone(), key.to_owned());
        let chunks = futures::stream::try_unfold(part.start, move |at| {
            let (provider, key, etag) = (provider.clone(), key_of.clone(), etag.clone());
            async move {
                if at >= end {
                    return Ok(None);
                }
                let range = at..end.min(at + STEP);
                let wanted = range.end - range.start;
                match provider.remote.get_step(&key, range, etag.as_deref()).await? {
                    Some(bytes) if bytes.len() as u64 == wanted => Ok(Some((bytes, at + wanted))),
                    _ => Err(ObjectError::Changed { provider: provider.name, key }),
                }
            }
        });
        Ok(Some(Object::new(&self.name, key, info, chunks.boxed())))
    }

    async fn delete_object(&self, key: &str) -> Result<(), ObjectError> {
        let mut keys = vec![key.to_owned()];
        if !self.remote.keeps_attributes() {
            keys.push(beside(key));
        }
        Ok(self.remote.delete(&keys).await?)
    }

    async fn url_of(&self, key: &str, valid: Duration) -> Result<String, ObjectError> {
        if let Some(base) = &self.public_base {
            return Ok(format!("{}/{}", base.trim_end_matches('/'), in_url(key)));
        }
        let signed = self.remote.signed_url(key, valid).await?;
        signed
            .ok_or_else(|| ObjectError::NoUrl { provider: self.name.clone(), key: key.to_owned() })
    }
}

impl ObjectProvider for RemoteProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        content: &'a Content,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<ObjectInfo, ObjectError>> {
        Box::pin(self.put_object(key, content, overwrite))
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Object>, ObjectError>> {
        Box::pin(self.get_object(key, 0..u64::MAX))
    }

    fn get_part<'a>(
        &'a self,
        key: &'a str,
        part: Range<u64>,
    ) -> BoxFuture<'a, Result<Option<Object>, ObjectError>> {
        Box::pin(self.get_object(key, part))
    }

    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, ObjectError>> {
        Box::pin(self.stat_object(key))
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>> {
        Box::pin(self.delete_object(key))
    }

    fn url<'a>(
        &'a self,
        key: &'a str,
        valid: Duration,
    ) -> BoxFuture<'a, Result<String, ObjectError>> {
        Box::pin(self.url_of(key, valid))
    }
}

/// Where the description of an object lies.
fn beside(key: &str) -> String {
    format!(".lifeboat/objects/{key}.json")
}

/// A key as the path of a URL.
fn in_url(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_urls() {
        assert_eq!(in_url("photos/a b+ü.jpg"), "photos/a%20b%2B%C3%BC.jpg");
    }
}
