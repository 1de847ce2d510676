//! Listings that lie: stale, or empty for a while.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::ScriptedStore;
use super::client::Client;

/// What a client is shown instead of what there is.
#[derive(Clone, Debug)]
pub(super) enum Listing {
    Stale(Vec<ObjectMeta>),
    Empty,
}

impl ScriptedStore {
    /// Listings of this client show which objects there are at this moment,
    /// until [`Self::fresh_listing`]. Their times are still the newest known.
    pub async fn stale_listing(&self, client: &str) {
        let all = self.inner.list(None).try_collect().await.expect("the store below lists");
        self.state().listings.insert(client.to_owned(), Listing::Stale(all));
    }

    /// Listings of this client show nothing at all, and no error either, until
    /// [`Self::fresh_listing`].
    pub fn empty_listing(&self, client: &str) {
        self.state().listings.insert(client.to_owned(), Listing::Empty);
    }

    /// Listings of this client tell the truth again.
    pub fn fresh_listing(&self, client: &str) {
        self.state().listings.remove(client);
    }
}

impl Client {
    /// What this client is shown below a prefix.
    pub(super) async fn shown(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let lie = self.world.state().listings.get(&self.name).cloned();
        let shown = match lie {
            None => self.world.inner.list(prefix).try_collect().await?,
            Some(Listing::Empty) => Vec::new(),
            Some(Listing::Stale(mut all)) => {
                all.retain(|meta| below(&meta.location, prefix).is_some());
                all
            }
        };
        let clock = &self.world.state().clock;
        Ok(shown.into_iter().map(|meta| clock.dated(meta)).collect())
    }
}

/// The rest of a key below a prefix, if there is any.
fn below(key: &Path, prefix: Option<&Path>) -> Option<Path> {
    let rest: Path = match prefix {
        Some(prefix) => key.prefix_match(prefix)?.collect(),
        None => key.clone(),
    };
    (!rest.as_ref().is_empty()).then_some(rest)
}

/// The objects directly below a prefix, and the folders there.
pub(super) fn folded(shown: Vec<ObjectMeta>, prefix: Option<&Path>) -> ListResult {
    let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
    for meta in shown {
        let Some(rest) = below(&meta.location, prefix) else { continue };
        let mut parts = rest.parts();
        match (parts.next(), parts.next()) {
            (Some(folder), Some(_)) => {
                let prefix = prefix.cloned().unwrap_or_default();
                folders.insert(prefix.join(folder));
            }
            _ => objects.push(meta),
        }
    }
    let common_prefixes = folders.into_iter().collect();
    ListResult { objects, common_prefixes, extensions: Default::default() }
}
