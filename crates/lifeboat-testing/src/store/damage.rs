//! What lies in the store, and what happens to it behind everybody's back.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::ScriptedStore;

impl ScriptedStore {
    /// The keys that contain a text, in order.
    pub async fn keys(&self, part: &str) -> Vec<String> {
        let all = self.inner.list(None).map_ok(|meta| meta.location.to_string());
        let mut keys: Vec<_> = all.try_collect().await.expect("the store below lists");
        keys.retain(|key| key.contains(part));
        keys.sort();
        keys
    }

    /// The bytes of the one object whose key ends in a text.
    pub async fn read(&self, end: &str) -> Vec<u8> {
        let mut keys = self.keys(end).await;
        keys.retain(|key| key.ends_with(end));
        let [key] = &keys[..] else { panic!("{end}: {keys:?}") };
        self.object(key).await
    }

    /// The bytes of the object under a key.
    pub async fn object(&self, key: &str) -> Vec<u8> {
        let stored = self.inner.get(&Path::from(key)).await.expect("it is there");
        stored.bytes().await.expect("the store below reads").to_vec()
    }

    /// All objects, each with its version: another one after every put, whoever
    /// put it and with whatever bytes. An object of the same version has the same
    /// bytes.
    pub async fn versions(&self) -> BTreeMap<String, String> {
        let all = self.inner.list(None).map_ok(|meta| {
            let version = meta.e_tag.expect("the store below tells versions apart");
            (meta.location.to_string(), version)
        });
        all.try_collect().await.expect("the store below lists")
    }

    /// Changes the bytes of an object. Its time stays.
    pub async fn corrupt(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = Path::from(key);
        let stored = self.inner.get(&path).await.expect("the object is there");
        let mut bytes = stored.bytes().await.expect("the store below reads").to_vec();
        change(&mut bytes);
        self.inner.put(&path, bytes.into()).await.expect("the store below writes");
    }

    /// Cuts an object to a length.
    pub async fn truncate(&self, key: &str, len: usize) {
        self.corrupt(key, |bytes| bytes.truncate(len)).await;
    }

    /// Takes an object away.
    pub async fn remove(&self, key: &str) {
        self.inner.delete(&Path::from(key)).await.expect("the object is there");
    }
}
