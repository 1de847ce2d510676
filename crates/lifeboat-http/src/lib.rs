//! The admin interface: an HTTP API and a web page over whoever makes the backups.
//!
//! ```no_run
//! # fn example(admin: std::sync::Arc<dyn lifeboat_http::Admin>) -> Result<axum::Router, lifeboat_http::WeakToken> {
//! use lifeboat_http::{Interface, Role, Security};
//!
//! let token = std::env::var("BACKUP_PAGE_TOKEN").unwrap_or_default();
//! let security = Security::by_application().token(Role::Restore, &token)?;
//! let backups = Interface::new(admin, security).router();
//! let application: axum::Router = axum::Router::new().nest("/backups", backups);
//! # Ok(application)
//! # }
//! ```
//!
//! Whoever makes the backups is an [`Admin`]: the façade `lifeboat` is one. This
//! crate knows no repository, no database and no clock but the system's; it says
//! who may ask, what is asked, and how the answer looks.
//!
//! An application that knows its users puts a [`Caller`] into the extensions of
//! the request, in a layer around the router, and needs no tokens.
//!
//! # Limitations
//!
//! - HTTP/1.1 without TLS: a proxy or the application brings it.
//! - Sessions, jobs and limits live in memory; jobs end with the process.
//!
//! # Code map
//!
//! - [`Interface`]: the router, and what it needs.
//! - [`Admin`], [`Objects`], [`Watch`]: whoever does the work.
//! - [`model`]: what is said, as types that are also the OpenAPI document.
//! - [`Security`], [`Role`], [`Caller`], [`Peer`]: who may ask.
//! - [`Problem`]: what is refused or fails.
//! - [`serve`]: a listener for programs that have none.
//!
//! The public interface uses the router of `axum`, streams of `futures` and
//! `bytes`, and channels of `tokio`.

mod admin;
mod api;
mod audit;
mod jobs;
pub mod model;
mod objects;
mod page;
mod problem;
mod random;
mod security;
mod serve;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Semaphore;

pub use admin::{Admin, Fetched, ObjectFacts, Objects, Step, Watch};
pub use api::openapi;
pub use audit::Audit;
pub use problem::{ErrorBody, Problem, without_paths};
pub use security::{Caller, Peer, Role, Security, TrustedProxy, Unprotected, WeakToken};
pub use serve::serve;

use jobs::Jobs;
use security::{Limits, Sessions};

/// How many requests are worked on at once.
const REQUESTS: usize = 64;

/// The interface: what is asked for, who may ask, and who does it.
#[derive(Debug)]
pub struct Interface {
    shared: Shared,
}

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) admin: Arc<dyn Admin>,
    pub(crate) security: Arc<Security>,
    pub(crate) jobs: Jobs,
    pub(crate) audit: Audit,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) requests: Arc<Semaphore>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("security", &self.security).finish_non_exhaustive()
    }
}

impl Interface {
    /// Over an admin, for those that are let in. What they do is remembered in
    /// memory.
    pub fn new(admin: Arc<dyn Admin>, security: Security) -> Self {
        let shared = Shared {
            admin,
            security: Arc::new(security),
            jobs: Jobs::default(),
            audit: Audit::in_memory(),
            sessions: Arc::default(),
            limits: Arc::default(),
            requests: Arc::new(Semaphore::new(REQUESTS)),
        };
        Self { shared }
    }

    /// With a log of its own.
    #[must_use]
    pub fn audit(mut self, audit: Audit) -> Self {
        self.shared.audit = audit;
        self
    }

    /// The router: the page at `/`, the API below `/api`, and `/healthz`, `/readyz`,
    /// `/metrics`, `/objects`. It can be nested under any path.
    pub fn router(self) -> Router {
        let shared = self.shared;
        let (api, _) = api::router().split_for_parts();
        Router::new()
            .merge(api)
            .merge(page::router())
            .merge(objects::router())
            .fallback(api::nothing_there)
            .method_not_allowed_fallback(api::no_such_method)
            .layer(from_fn_with_state(shared.clone(), security::guard))
            .layer(from_fn(security::headers))
            .with_state(shared)
    }
}
