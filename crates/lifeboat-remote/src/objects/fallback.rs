//! The primary, or when that fails, the fallbacks in their order.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::content::Content;
use super::error::{Cause, ObjectError};
use super::placement::Placement;
use super::provider::{Object, ObjectInfo, ObjectProvider, check_key};
use crate::breaker::Breaker;

/// Keeps objects with the first of several providers that works.
///
/// A provider that fails is not asked to store for half a minute, unless there is
/// no other. Reads and deletions always ask.
#[derive(Debug)]
pub struct FallbackStore {
    pub(super) members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) provider: Arc<dyn ObjectProvider>,
    breaker: Mutex<Breaker>,
}

/// What a deletion did. All of these no longer have the object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The names of the providers.
    pub providers: Vec<String>,
}

impl FallbackStore {
    /// The primary first, then the fallbacks; each has a name of its own.
    pub fn new(providers: Vec<Arc<dyn ObjectProvider>>) -> Result<Self, ObjectError> {
        let named = |at: usize| providers[at].name();
        let twice = (1..providers.len()).any(|at| (0..at).any(|other| named(other) == named(at)));
        if providers.is_empty() || twice || providers.iter().any(|one| one.name().is_empty()) {
            return Err(ObjectError::Providers);
        }
        let member = |provider| Member { provider, breaker: Mutex::default() };
        Ok(Self { members: providers.into_iter().map(member).collect() })
    }

    /// The names of the providers, the primary first.
    pub fn providers(&self) -> Vec<String> {
        self.members.iter().map(Member::name).collect()
    }

    /// Stores an object with the first provider that works. One that is there under
    /// the key with other bytes is [`ObjectError::Exists`].
    ///
    /// Where a provider failed half-way it may have the object as well, and a
    /// deletion finds it there. Cancelled, the object is nowhere, or somewhere and
    /// whole.
    pub async fn put(&self, key: &str, content: &Content) -> Result<Placement, ObjectError> {
        self.put_as(key, content, false).await
    }

    /// As [`put`](Self::put), over whatever lies under the key. What the other
    /// providers hold under it stays as it is: use the placement.
    pub async fn replace(&self, key: &str, content: &Content) -> Result<Placement, ObjectError> {
        self.put_as(key, content, true).await
    }

    async fn put_as(
        &self,
        key: &str,
        content: &Content,
        overwrite: bool,
    ) -> Result<Placement, ObjectError> {
        check_key(key)?;
        content.check()?;
        let mut causes = Vec::new();
        for member in self.in_order(Instant::now()) {
            match member.provider.put(key, content, overwrite).await {
                Ok(info) => {
                    member.breaker().worked();
                    if !causes.is_empty() {
                        tracing::warn!(key, provider = member.name(), "stored on a fallback");
                    }
                    return Ok(Placement::of(member.provider.name(), key, info));
                }
                Err(error) if !error.is_of_the_provider() => return Err(error),
                Err(error) => {
                    member.breaker().failed(Instant::now());
                    causes.push(member.cause(error));
                }
            }
        }
        Err(everywhere("store", key, causes))
    }

    /// Those that are worth asking, and then the others.
    fn in_order(&self, now: Instant) -> Vec<&Member> {
        let (mut order, out): (Vec<_>, Vec<_>) =
            self.members.iter().partition(|member| member.breaker().allows(now));
        order.extend(out);
        order
    }

    /// Reads an object: where the placement says, and elsewhere when it is not
    /// there or cannot be read.
    pub async fn get(&self, placement: &Placement) -> Result<Object, ObjectError> {
        let (key, mut asked, mut causes) = (&placement.key, Vec::new(), Vec::new());
        check_key(key)?;
        for member in self.beginning_with(placement.provider.as_deref()) {
            match member.provider.get(key).await {
                Ok(Some(object)) => return Ok(object),
                Ok(None) => asked.push(member.name()),
                Err(error) => causes.push(member.cause(error)),
            }
        }
        Err(self.not_found("read", placement, asked, causes))
    }

    /// As [`get`](Self::get), of the bytes from one offset to before another.
    pub async fn get_part(
        &self,
        placement: &Placement,
        part: Range<u64>,
    ) -> Result<Object, ObjectError> {
        let (key, mut asked, mut causes) = (&placement.key, Vec::new(), Vec::new());
        check_key(key)?;
        for member in self.beginning_with(placement.provider.as_deref()) {
            match member.provider.get_part(key, part.clone()).await {
                Ok(Some(object)) => return Ok(object),
                Ok(None) => asked.push(member.name()),
                Err(error) => causes.push(member.cause(error)),
            }
        }
        Err(self.not_found("read", placement, asked, causes))
    }

    /// Where an object lies now, and what is known of it.
    pub async fn stat(&self, placement: &Placement) -> Result<Placement, ObjectError> {
        let (member, info) = self.locate("look for", placement).await?;
        Ok(Placement::of(member.provider.name(), &placement.key, info))
    }

    /// The name of the provider that has an object now, and what it says of it.
    pub async fn about(&self, placement: &Placement) -> Result<(String, ObjectInfo), ObjectError> {
        let (member, info) = self.locate("look for", placement).await?;
        Ok((member.provider.name().to_owned(), info))
    }

    pub(super) async fn locate(
        &self,
        operation: &'static str,
        placement: &Placement,
    ) -> Result<(&Member, ObjectInfo), ObjectError> {
        let (key, mut asked, mut causes) = (&placement.key, Vec::new(), Vec::new());
        check_key(key)?;
        for member in self.beginning_with(placement.provider.as_deref()) {
            match member.provider.stat(key).await {
                Ok(Some(info)) => return Ok((member, info)),
                Ok(None) => asked.push(member.name()),
                Err(error) => causes.push(member.cause(error)),
            }
        }
        Err(self.not_found(operation, placement, asked, causes))
    }

    /// Deletes an object from every provider: one that failed half-way when it was
    /// stored may have it as well. An error says which ones did not answer; all
    /// others no longer have it.
    pub async fn delete(&self, placement: &Placement) -> Result<Deleted, ObjectError> {
        let key = &placement.key;
        check_key(key)?;
        self.refuse_unknown(placement)?;
        let (mut providers, mut causes) = (Vec::new(), Vec::new());
        for member in self.beginning_with(placement.provider.as_deref()) {
            match member.provider.delete(key).await {
                Ok(()) => providers.push(member.name()),
                Err(error) => causes.push(member.cause(error)),
            }
        }
        match causes.is_empty() {
            true => Ok(Deleted { providers }),
            false => Err(ObjectError::Undeleted { key: key.clone(), causes }),
        }
    }

    /// A URL under which anybody can read the object where its placement says it
    /// is: a public address, or a signed one, valid for a while. No policy of any
    /// bucket is touched, and nothing is asked whether the object is there.
    pub async fn url(&self, placement: &Placement, valid: Duration) -> Result<String, ObjectError> {
        check_key(&placement.key)?;
        self.refuse_unknown(placement)?;
        let first = self.beginning_with(placement.provider.as_deref())[0];
        first.provider.url(&placement.key, valid).await
    }

    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.provider.name() == name)
    }

    /// The named one first; without a name, or with one that nobody has, the
    /// primary.
    fn beginning_with(&self, name: Option<&str>) -> Vec<&Member> {
        let mut order: Vec<&Member> = self.members.iter().collect();
        order.sort_by_key(|member| Some(member.provider.name()) != name);
        order
    }

    fn unknown(&self, placement: &Placement) -> Option<ObjectError> {
        let name = placement.provider.as_deref()?;
        self.member(name).is_none().then(|| ObjectError::UnknownProvider {
            provider: name.to_owned(),
            key: placement.key.clone(),
            known: self.providers(),
        })
    }

    pub(super) fn refuse_unknown(&self, placement: &Placement) -> Result<(), ObjectError> {
        self.unknown(placement).map_or(Ok(()), Err)
    }

    /// Nobody who answered has it. It is only missing if everybody answered, and
    /// everybody is known.
    fn not_found(
        &self,
        operation: &'static str,
        placement: &Placement,
        asked: Vec<String>,
        mut causes: Vec<Cause>,
    ) -> ObjectError {
        let key = &placement.key;
        if let Some(unknown) = self.unknown(placement) {
            return unknown;
        }
        if causes.is_empty() {
            return ObjectError::Missing { key: key.clone(), asked };
        }
        causes.extend(asked.into_iter().map(|provider| Cause {
            error: ObjectError::Missing { key: key.clone(), asked: vec![provider.clone()] },
            provider,
        }));
        everywhere(operation, key, causes)
    }
}

impl Member {
    pub(super) fn name(&self) -> String {
        self.provider.name().to_owned()
    }

    fn cause(&self, error: ObjectError) -> Cause {
        let cause = Cause { provider: self.name(), error };
        tracing::info!("{cause}");
        cause
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn everywhere(operation: &'static str, key: &str, causes: Vec<Cause>) -> ObjectError {
    ObjectError::Everywhere { operation, key: key.to_owned(), causes }
}
