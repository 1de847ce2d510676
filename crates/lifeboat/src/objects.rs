//! Any object on a primary store or a fallback, as settings and environment say.
//!
//! The store itself is [`lifeboat_remote::objects`], which is re-exported here.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_config::{Environment, MediaBucket, Objects};
pub use lifeboat_remote::objects::*;
use lifeboat_remote::{Remote, RemoteOptions, is_local_path};

use crate::error::Error;

/// The time that a primary has, besides that for the bytes, where there is a
/// fallback: somebody waits for an upload.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECTING: Duration = Duration::from_secs(3);

/// Opens the store that settings and environment describe. `objects` counts
/// more than the bucket of media that the environment names.
pub fn open(objects: &Objects, environment: &Environment) -> Result<FallbackStore, Error> {
    let has_fallback = objects.fallback.is_some();
    let (url, mut options) = primary(objects, environment)?;
    // These mean nothing for a directory.
    if has_fallback && !is_local_path(&url) {
        options.connect_timeout = options.connect_timeout.min(CONNECTING);
        options.request_timeout = options.request_timeout.min(PATIENCE);
        options.retry_budget = options.retry_budget.min(PATIENCE);
        options.stall_timeout.get_or_insert(PATIENCE);
    }
    let mut primary = provider(objects.primary_name.as_deref(), &url, options)?;
    if let Some(base) = &objects.public_base {
        primary = primary.with_public_base(base);
    }
    let mut providers: Vec<Arc<dyn ObjectProvider>> = vec![Arc::new(primary)];
    if let Some(url) = &objects.fallback {
        let fallback = provider(objects.fallback_name.as_deref(), url, RemoteOptions::default())?;
        providers.push(Arc::new(fallback));
    }
    Ok(FallbackStore::new(providers)?)
}

fn primary(objects: &Objects, environment: &Environment) -> Result<(String, RemoteOptions), Error> {
    let mut options = RemoteOptions::default();
    if let Some(url) = &objects.primary {
        return Ok((url.clone(), options));
    }
    let media = MediaBucket::of(environment).ok_or(Error::NoObjects)?;
    options.endpoint = media.endpoint;
    options.path_style = media.path_style.then_some(true);
    Ok((format!("s3://{}", media.bucket), options))
}

fn provider(
    name: Option<&str>,
    url: &str,
    options: RemoteOptions,
) -> Result<RemoteProvider, Error> {
    let remote = Remote::open_or_create_with(url, options).map_err(|source| {
        Error::Destination { place: lifeboat_remote::without_secrets(url), source }
    })?;
    let kind = match url.split_once("://") {
        _ if is_local_path(url) => "local",
        Some((scheme, _)) => scheme,
        None => "local",
    };
    Ok(RemoteProvider::new(name.unwrap_or(kind), remote))
}
