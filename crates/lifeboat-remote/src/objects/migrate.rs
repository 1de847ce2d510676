//! From one provider to another, and back.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;

use super::content::{Chunks, Content};
use super::error::ObjectError;
use super::fallback::FallbackStore;
use super::placement::Placement;
use super::provider::ObjectProvider;

impl FallbackStore {
    /// Sees to it that an object lies with the provider `to`, and returns its new
    /// placement. The copy is read back and compared; the original stays, so that
    /// whoever still goes by the old placement finds it. [`prune`](Self::prune)
    /// removes it once the new placement is written down.
    ///
    /// Killed or cancelled, the original is as it was.
    pub async fn migrate(&self, placement: &Placement, to: &str) -> Result<Placement, ObjectError> {
        let key = &placement.key;
        let Some(target) = self.member(to) else {
            return Err(self.unknown_provider(to, key));
        };
        let (from, info) = self.locate("read", placement).await?;
        if from.provider.name() == to {
            return Ok(Placement::of(to, key, info));
        }
        let content = Content::object(Arc::clone(&from.provider), key, &info);
        let stored = target.provider.put(key, &content, false).await?;
        if !same(content.open().await?, &*target.provider, key).await? {
            return Err(ObjectError::Differs { provider: to.to_owned(), key: key.clone() });
        }
        Ok(Placement::of(to, key, stored))
    }

    /// Removes an object from all providers but the one that its placement names,
    /// once that one has been seen to hold it. Returns the names of the others.
    pub async fn prune(&self, placement: &Placement) -> Result<Vec<String>, ObjectError> {
        let key = &placement.key;
        self.refuse_unknown(placement)?;
        let keeper = match &placement.provider {
            Some(name) => self.member(name).expect("unknown ones were refused"),
            None => &self.members[0],
        };
        let there = keeper.provider.stat(key).await?;
        if there.is_none_or(|there| placement.size.is_some_and(|size| size != there.size)) {
            let asked = vec![keeper.name()];
            return Err(ObjectError::Missing { key: key.clone(), asked });
        }
        let mut gone = Vec::new();
        for member in &self.members {
            if member.name() != keeper.name() {
                member.provider.delete(key).await?;
                gone.push(member.name());
            }
        }
        Ok(gone)
    }

    fn unknown_provider(&self, name: &str, key: &str) -> ObjectError {
        ObjectError::UnknownProvider {
            provider: name.to_owned(),
            key: key.to_owned(),
            known: self.providers(),
        }
    }
}

/// Whether a provider holds exactly these bytes.
pub(super) async fn same(
    mut bytes: Chunks,
    provider: &dyn ObjectProvider,
    key: &str,
) -> Result<bool, ObjectError> {
    let Some(object) = provider.get(key).await? else { return Ok(false) };
    let mut there = object.into_chunks();
    let (mut one, mut other) = (Bytes::new(), Bytes::new());
    loop {
        let more = fill(&mut bytes, &mut one).await?;
        if more != fill(&mut there, &mut other).await? {
            return Ok(false);
        }
        if !more {
            return Ok(true);
        }
        let len = one.len().min(other.len());
        if one.split_to(len) != other.split_to(len) {
            return Ok(false);
        }
    }
}

/// Sees to it that there is a piece that is not empty; says if there is none.
async fn fill(chunks: &mut Chunks, piece: &mut Bytes) -> Result<bool, ObjectError> {
    while piece.is_empty() {
        match chunks.try_next().await? {
            Some(next) => *piece = next,
            None => return Ok(false),
        }
    }
    Ok(true)
}
