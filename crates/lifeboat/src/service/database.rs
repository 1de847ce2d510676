//! One database of a service, for all that can be asked of it.

use std::path::Path;
use std::sync::Arc;

use lifeboat_repository::Selector;
use time::OffsetDateTime;

use super::{FirstStart, Judged, Service, Status, Watched};
use crate::destinations::{Merged, Placed, Whole};
use crate::error::Error;
use crate::in_place::{InPlaceReport, InPlaceSettings};
use crate::restore::{RestoreReport, RestoreSettings};
use crate::take::{BackupReport, BackupSettings};

/// One database of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WatchedDatabase {
    service: Service,
    name: Arc<str>,
}

impl WatchedDatabase {
    pub(super) fn new(service: Service, name: &str) -> Self {
        Self { service, name: name.into() }
    }

    /// Its name in the repository.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service that watches it.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// How it is watched, as the plan says now.
    pub fn watched(&self) -> Result<Arc<Watched>, Error> {
        self.service.inner.watched(&self.name)
    }

    /// [`Service::trigger`].
    pub async fn trigger(&self) -> Result<BackupReport, Error> {
        self.service.trigger(&self.name).await
    }

    /// [`Service::trigger_with`].
    pub async fn trigger_with(&self, settings: BackupSettings) -> Result<Placed, Error> {
        self.service.trigger_with(&self.name, settings).await
    }

    /// [`Service::snapshots`].
    pub async fn snapshots(&self) -> Result<Merged, Error> {
        self.service.snapshots(&self.name).await
    }

    /// [`Service::restore`].
    pub async fn restore(
        &self,
        selector: &Selector,
        target: impl AsRef<Path>,
        settings: &RestoreSettings,
    ) -> Result<Whole<RestoreReport>, Error> {
        self.service.restore(&self.name, selector, target, settings).await
    }

    /// [`Service::restore_in_place`].
    pub async fn restore_in_place(
        &self,
        selector: &Selector,
        settings: &InPlaceSettings,
    ) -> Result<InPlaceReport, Error> {
        self.service.restore_in_place(&self.name, selector, settings).await
    }

    /// [`Service::restore_if_missing`].
    pub async fn restore_if_missing(&self) -> Result<FirstStart, Error> {
        self.service.restore_if_missing(&self.name).await
    }

    /// [`Service::health`].
    pub async fn health(&self) -> Result<Judged, Error> {
        self.service.health(&self.name).await
    }

    /// [`Service::status`].
    pub fn status(&self) -> Status {
        self.service.status(&self.name)
    }

    /// [`Service::next_run`].
    pub async fn next_run(&self) -> Option<OffsetDateTime> {
        self.service.next_run(&self.name).await
    }
}
