//! What the user has run around each backup.

use lifeboat_agent::{Backed, Cause};

use super::Inner;
use super::plan::{ServicePlan, Watched};
use crate::error::Error;

/// The hooks of one backup. Without the feature `commands` there are none.
pub(super) struct Around<'a> {
    #[cfg(feature = "commands")]
    inner: &'a Inner,
    #[cfg(feature = "commands")]
    watched: &'a Watched,
    #[cfg(feature = "commands")]
    hooks: &'a lifeboat_agent::Hooks,
    #[cfg(feature = "commands")]
    occasion: lifeboat_agent::Occasion,
    #[cfg(not(feature = "commands"))]
    nothing: std::marker::PhantomData<&'a ()>,
}

#[cfg(feature = "commands")]
impl<'a> Around<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        plan: &'a ServicePlan,
        watched: &'a Watched,
        cause: Cause,
    ) -> Self {
        let path = watched.path.display().to_string();
        let occasion = lifeboat_agent::Occasion::new(&watched.name, path, cause);
        Self { inner, watched, hooks: &plan.hooks, occasion }
    }

    /// If it fails there is to be no backup.
    pub(super) async fn before(&self) -> Result<(), Error> {
        Ok(self.hooks.before(&self.occasion).await?)
    }

    /// The backup is made: that this fails is a warning.
    pub(super) async fn after(&self, backed: &Backed) {
        self.warn(self.hooks.after(&self.occasion, backed).await);
    }

    pub(super) async fn failed(&self, error: &Error) {
        let text = format!("failed to {}", crate::error::causes_of(error));
        let failures = {
            let known = self.inner.known();
            known.get(&self.watched.name).map_or(1, super::Status::backup_failures)
        };
        self.warn(self.hooks.failed(&self.occasion, &text, failures).await);
    }

    fn warn(&self, done: Result<(), lifeboat_agent::HookError>) {
        if let Err(error) = done {
            let text = format!("failed to {error}");
            self.inner.tell(self.watched, &super::Happening::Warning(&text));
        }
    }
}

#[cfg(not(feature = "commands"))]
impl<'a> Around<'a> {
    pub(super) fn new(_: &'a Inner, _: &'a ServicePlan, _: &'a Watched, _: Cause) -> Self {
        Self { nothing: std::marker::PhantomData }
    }

    pub(super) async fn before(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) async fn after(&self, _: &Backed) {
        let _ = self.nothing;
    }

    pub(super) async fn failed(&self, _: &Error) {}
}
