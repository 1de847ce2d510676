//! Google Cloud Storage.

use std::sync::Arc;

use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey as Key};
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, StaticCredentialProvider};

use super::environment::{allows_http, variables};
use super::plain::is_plain;
use crate::error::OpenError;
use crate::options::RemoteOptions;
use crate::place::Bucket;
use crate::remote::{Pages, Remote};
use crate::signing::Signing;
use crate::upload::Parts;
use crate::wire::{Connector, no_retries};

pub(super) fn open(bucket: &Bucket, options: &RemoteOptions) -> Result<Remote, OpenError> {
    let explicit = options.service_account.is_some()
        || options.service_account_key.is_some()
        || options.bearer_token.is_some()
        || options.anonymous;
    let mut builder = GoogleCloudStorageBuilder::new();
    let environment = variables("GOOGLE_", options.environment);
    let allowed = options.allow_http || allows_http(&environment);
    for (name, value) in environment {
        let credential = |key: &Key| {
            matches!(
                key,
                Key::ServiceAccount
                    | Key::ServiceAccountKey
                    | Key::ApplicationCredentials
                    | Key::BearerToken
            )
        };
        if let Ok(key) = name.parse::<Key>()
            && !(explicit && credential(&key))
        {
            builder = builder.with_config(key, value);
        }
    }
    let connector = Connector::new(options)?;
    builder = builder
        .with_bucket_name(&bucket.name)
        .with_http_connector(connector.clone())
        .with_retry(no_retries());
    let endpoint = options.endpoint.clone().or_else(|| builder.get_config_value(&Key::BaseUrl));
    if is_plain(endpoint.as_deref().unwrap_or_default(), allowed)? {
        builder = builder.with_config(Key::Client(ClientConfigKey::AllowHttp), "true");
    }
    if let Some(endpoint) = &endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    if let Some(path) = &options.service_account {
        builder = builder.with_service_account_path(path.to_string_lossy());
    }
    if let Some(key) = &options.service_account_key {
        builder = builder.with_service_account_key(key.reveal());
    }
    if let Some(token) = &options.bearer_token {
        let credential = GcpCredential { bearer: token.reveal().to_owned() };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    }
    if options.anonymous {
        builder = builder.with_skip_signature(true);
    }
    let store = builder.build().map_err(OpenError::store)?;
    let store = Arc::new(store);
    let parts = Parts::new(store.clone(), bucket.prefix.as_str());
    let pages = Pages::new(store.clone(), bucket.prefix.as_str());
    let signing = Signing::new(store.clone(), bucket.prefix.as_str());
    let store = PrefixStore::new(store, bucket.prefix.as_str());
    Ok(Remote::from_store(Arc::new(store), &bucket.shown)
        .with_identity(bucket.identity(endpoint.as_deref()))
        .with_parts(parts)
        .with_pages(pages)
        .with_signing(signing)
        .with_clock(connector.clock())
        .over_http(options))
}
