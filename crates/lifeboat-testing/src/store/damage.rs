//! What happens to stored objects behind everybody's back.

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
