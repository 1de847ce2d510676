//! Listing, page by page where the store has pages.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta};

use super::attempt::{Carried, Doing};
use super::{Remote, path};
use crate::error::RemoteError;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When the store says it was put, in seconds since 1970, by its clock.
    pub modified: i64,
    /// What the store calls these bytes, without quotation marks.
    pub etag: Option<String>,
}

impl From<ObjectMeta> for Listed {
    fn from(meta: ObjectMeta) -> Self {
        let modified = meta.last_modified.timestamp();
        let etag =
            meta.e_tag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
        Self { key: meta.location.to_string(), size: meta.size, modified, etag }
    }
}

/// The pages of a store's listings, each of which can be asked for again on its
/// own. With a fixed budget for all of them, a listing would fail from some number
/// of objects on, for ever.
#[derive(Clone)]
pub(crate) struct Pages {
    store: Arc<dyn PaginatedListStore>,
    prefix: Path,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Pages {
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn new(store: Arc<dyn PaginatedListStore>, prefix: &str) -> Self {
        Self { store, prefix: Path::from(prefix) }
    }

    fn full(&self, key: &str) -> Path {
        self.prefix.parts().chain(path(key).parts()).collect()
    }

    /// What is below our own prefix.
    fn own(&self, path: &Path) -> Option<Path> {
        path.prefix_match(&self.prefix).map(Iterator::collect)
    }
}

/// What is listed.
#[derive(Clone, Copy)]
struct Scope<'a> {
    folder: &'a str,
    after: Option<&'a str>,
    /// Only what is directly in the folder.
    flat: bool,
}

impl Remote {
    /// Lists all objects whose keys begin with a folder.
    ///
    /// A listing may be stale; nothing is ever concluded to be absent from one.
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        let Some(pages) = &self.pages else {
            let carried = Carried::default();
            return self
                .attempt(doing(folder), &carried, || self.list_once(folder, &carried))
                .await;
        };
        let mut listed = Vec::new();
        let all = |object| {
            listed.push(object);
            ControlFlow::Continue(())
        };
        self.list_pages(pages, folder, all).await?;
        Ok(listed)
    }

    /// As [`list`](Self::list), handed on one by one and never kept: for any
    /// number of objects. `each` may break it off, which is no error.
    ///
    /// The order is the store's, and some stores have none. Where a listing that
    /// has no pages is tried again, objects come again.
    pub async fn list_each(
        &self,
        folder: &str,
        mut each: impl FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), RemoteError> {
        if let Some(pages) = &self.pages {
            return self.list_pages(pages, folder, each).await;
        }
        let each = std::sync::Mutex::new(&mut each);
        let carried = Carried::default();
        let once = || async {
            let mut listing = self.count().list(Some(&path(folder)));
            let mut passed = 0;
            while let Some(meta) =
                listing.try_next().await.map_err(|error| RemoteError::new("list", folder, error))?
            {
                let mut each = each.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if each(meta.into()).is_break() {
                    break;
                }
                passed += 1;
                carried.reached(passed);
            }
            Ok(())
        };
        self.attempt(doing(folder), &carried, once).await
    }

    async fn list_pages(
        &self,
        pages: &Pages,
        folder: &str,
        mut each: impl FnMut(Listed) -> ControlFlow<()>,
    ) -> Result<(), RemoteError> {
        let scope = Scope { folder, after: None, flat: false };
        let mut token = None;
        loop {
            let page = self.page(pages, scope, token).await?;
            for meta in page.result.objects {
                if each(meta.into()).is_break() {
                    return Ok(());
                }
            }
            token = page.page_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// The key as the store itself has it, with the prefix that is ours.
    #[cfg(feature = "aws")]
    pub(crate) fn full_key(&self, key: &str) -> String {
        self.pages.as_ref().map_or_else(|| key.to_owned(), |pages| pages.full(key).to_string())
    }

    async fn list_once(&self, folder: &str, carried: &Carried) -> Result<Vec<Listed>, RemoteError> {
        let mut listing = self.count().list(Some(&path(folder)));
        let mut listed = Vec::new();
        while let Some(meta) =
            listing.try_next().await.map_err(|error| RemoteError::new("list", folder, error))?
        {
            listed.push(meta.into());
            carried.reached(listed.len());
        }
        Ok(listed)
    }

    /// The key of some object in a folder that sorts after `after` and is
    /// wanted, if a listing shows one.
    pub async fn any_after(
        &self,
        folder: &str,
        after: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, RemoteError> {
        // Some stores begin with the object itself.
        let wanted = |key: &str| key > after && wanted(key);
        let Some(pages) = &self.pages else {
            let carried = Carried::default();
            let once = || self.any_after_once(folder, after, &wanted, &carried);
            return self.attempt(doing(folder), &carried, once).await;
        };
        let scope = Scope { folder, after: Some(after), flat: false };
        let mut token = None;
        loop {
            let page = self.page(pages, scope, token).await?;
            let mut keys = page.result.objects.iter().map(|meta| meta.location.as_ref());
            if let Some(key) = keys.find(|key| wanted(key)) {
                return Ok(Some(key.to_owned()));
            }
            token = page.page_token;
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    async fn any_after_once(
        &self,
        folder: &str,
        after: &str,
        wanted: impl Fn(&str) -> bool,
        carried: &Carried,
    ) -> Result<Option<String>, RemoteError> {
        let mut listing = self.count().list_with_offset(Some(&path(folder)), &path(after));
        let mut passed = 0;
        while let Some(meta) =
            listing.try_next().await.map_err(|error| RemoteError::new("list", folder, error))?
        {
            if wanted(meta.location.as_ref()) {
                return Ok(Some(meta.location.to_string()));
            }
            passed += 1;
            carried.reached(passed);
        }
        Ok(None)
    }

    /// The names of the folders directly below a folder, sorted.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>, RemoteError> {
        let mut names = Vec::new();
        let mut add = |found: &[Path]| {
            let last = |path: &Path| Some(path.parts().next_back()?.as_ref().to_owned());
            names.extend(found.iter().filter_map(last));
        };
        if let Some(pages) = &self.pages {
            let scope = Scope { folder, after: None, flat: true };
            let mut token = None;
            loop {
                let page = self.page(pages, scope, token).await?;
                add(&page.result.common_prefixes);
                token = page.page_token;
                if token.is_none() {
                    break;
                }
            }
        } else {
            let once = || async {
                let listed = self.count().list_with_delimiter(Some(&path(folder))).await;
                listed.map_err(|error| RemoteError::new("list", folder, error))
            };
            add(&self.attempt(doing(folder), &Carried::default(), once).await?.common_prefixes);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// One page, with a budget of its own.
    async fn page(
        &self,
        pages: &Pages,
        scope: Scope<'_>,
        token: Option<String>,
    ) -> Result<PaginatedListResult, RemoteError> {
        let folder = pages.full(scope.folder);
        let folder = (!folder.as_ref().is_empty()).then(|| format!("{folder}/"));
        let once = || async {
            self.count();
            let options = PaginatedListOptions {
                offset: scope.after.map(|after| pages.full(after).to_string()),
                delimiter: scope.flat.then_some(Cow::Borrowed("/")),
                page_token: token.clone(),
                ..Default::default()
            };
            let page = pages.store.list_paginated(folder.as_deref(), options).await;
            page.map_err(|error| RemoteError::new("list", scope.folder, error))
        };
        let page = self.attempt(doing(scope.folder), &Carried::default(), once).await?;
        let ListResult { common_prefixes, objects, extensions } = page.result;
        let own =
            |meta: ObjectMeta| Some(ObjectMeta { location: pages.own(&meta.location)?, ..meta });
        let result = ListResult {
            common_prefixes: common_prefixes.iter().filter_map(|path| pages.own(path)).collect(),
            objects: objects.into_iter().filter_map(own).collect(),
            extensions,
        };
        Ok(PaginatedListResult { result, page_token: page.page_token })
    }
}

fn doing(folder: &str) -> Doing<'_> {
    Doing { operation: "list", key: folder }
}
