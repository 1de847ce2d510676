//! Azure Blob Storage.

use std::sync::Arc;

use object_store::ClientConfigKey;
use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};
use object_store::prefix::PrefixStore;

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
    let explicit = options.account_key.is_some()
        || options.sas_token.is_some()
        || options.bearer_token.is_some()
        || options.client_secret.is_some()
        || options.anonymous;
    let mut builder = MicrosoftAzureBuilder::new();
    let environment = variables("AZURE_", options.environment);
    let allowed = options.allow_http || allows_http(&environment);
    for (name, value) in environment {
        let credential = |key: &Key| {
            matches!(
                key,
                Key::AccessKey
                    | Key::SasKey
                    | Key::Token
                    | Key::ClientId
                    | Key::ClientSecret
                    | Key::AuthorityId
                    | Key::FederatedTokenFile
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
        .with_container_name(&bucket.name)
        .with_http_connector(connector.clone())
        .with_retry(no_retries());
    let reveal = |secret: &Option<crate::options::Secret>| {
        secret.as_ref().map(|secret| secret.reveal().to_owned())
    };
    let yes = |on: bool| on.then(|| "true".to_owned());
    let settings = [
        (Key::AccountName, options.account.clone()),
        (Key::AccessKey, reveal(&options.account_key)),
        (Key::SasKey, reveal(&options.sas_token)),
        (Key::Token, reveal(&options.bearer_token)),
        (Key::ClientId, options.client_id.clone()),
        (Key::ClientSecret, reveal(&options.client_secret)),
        (Key::AuthorityId, options.tenant_id.clone()),
        (Key::EncryptionKey, reveal(&options.customer_key)),
        (Key::Endpoint, options.endpoint.clone()),
        (Key::UseEmulator, yes(options.emulator)),
        (Key::SkipSignature, yes(options.anonymous)),
    ];
    for (key, value) in settings {
        if let Some(value) = value {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = builder.get_config_value(&Key::Endpoint);
    if is_plain(endpoint.as_deref().unwrap_or_default(), allowed)? {
        builder = builder.with_config(Key::Client(ClientConfigKey::AllowHttp), "true");
    }
    let account = builder.get_config_value(&Key::AccountName);
    let endpoint = endpoint.or(account);
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
