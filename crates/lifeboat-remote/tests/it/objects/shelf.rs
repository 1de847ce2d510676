//! A provider that is no object store: a map, with ways to fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use lifeboat_remote::objects::{Content, Object, ObjectError, ObjectInfo, ObjectProvider};

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    held: Mutex<BTreeMap<String, (ObjectInfo, Bytes)>>,
    out: AtomicBool,
    loses_answers: AtomicBool,
    garbles: AtomicBool,
}

impl Shelf {
    pub(crate) fn is_out(&self, out: bool) {
        self.out.store(out, Ordering::Relaxed);
    }

    /// Stores, and fails all the same.
    pub(crate) fn loses_answers(&self, loses: bool) {
        self.loses_answers.store(loses, Ordering::Relaxed);
    }

    /// Stores something else than it is given.
    pub(crate) fn garbles(&self, garbles: bool) {
        self.garbles.store(garbles, Ordering::Relaxed);
    }

    pub(crate) fn holds(&self, key: &str) -> bool {
        self.held.lock().expect("no panic").contains_key(key)
    }

    pub(crate) fn hold(&self, key: &str, text: &'static str) {
        let info = ObjectInfo::of(text.len() as u64);
        self.held.lock().expect("no panic").insert(key.into(), (info, text.into()));
    }

    fn answers(&self, operation: &'static str, key: &str) -> Result<(), ObjectError> {
        match self.out.load(Ordering::Relaxed) {
            true => Err(ObjectError::provider(operation, key, "the shelf is out")),
            false => Ok(()),
        }
    }

    async fn store(
        &self,
        key: &str,
        content: &Content,
        overwrite: bool,
    ) -> Result<ObjectInfo, ObjectError> {
        self.answers("store", key)?;
        let pieces: Vec<Bytes> = content.open().await?.try_collect().await?;
        let mut bytes = pieces.concat();
        if bytes.len() as u64 != content.size() {
            return Err(ObjectError::Length { key: key.into(), expected: content.size() });
        }
        if self.garbles.load(Ordering::Relaxed) {
            bytes[0] ^= 1;
        }
        let mut info = ObjectInfo::of(content.size());
        info.content_type = content.content_type().map(Into::into);
        info.metadata = content.metadata().clone();
        let mut held = self.held.lock().expect("no panic");
        if held.get(key).is_some_and(|(_, there)| !overwrite && *there != bytes) {
            return Err(ObjectError::Exists { provider: "shelf".into(), key: key.into() });
        }
        held.insert(key.into(), (info.clone(), bytes.into()));
        match self.loses_answers.load(Ordering::Relaxed) {
            true => Err(ObjectError::provider("store", key, "no answer")),
            false => Ok(info),
        }
    }

    fn find(&self, key: &str) -> Option<(ObjectInfo, Bytes)> {
        self.held.lock().expect("no panic").get(key).cloned()
    }
}

impl ObjectProvider for Shelf {
    fn name(&self) -> &str {
        "shelf"
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        content: &'a Content,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<ObjectInfo, ObjectError>> {
        Box::pin(self.store(key, content, overwrite))
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Object>, ObjectError>> {
        Box::pin(async move {
            self.answers("read", key)?;
            Ok(self.find(key).map(|(info, bytes)| {
                let chunks = futures::stream::once(async move { Ok(bytes) }).boxed();
                Object::new("shelf", key, info, chunks)
            }))
        })
    }

    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, ObjectError>> {
        Box::pin(async move {
            self.answers("look for", key)?;
            Ok(self.find(key).map(|(info, _)| info))
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>> {
        Box::pin(async move {
            self.answers("delete", key)?;
            self.held.lock().expect("no panic").remove(key);
            Ok(())
        })
    }
}
