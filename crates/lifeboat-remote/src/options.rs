//! How a store is reached: typed options, from text or from code.

mod known;
mod units;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use self::known::{OptionError, Provider};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How a store is reached. What is `None` comes from the environment, where the
/// provider has a variable for it, or else is the provider's default.
///
/// The same names work in three places: as fields here, as texts in
/// [`set`](Self::set), and in the query of a URL
/// (`s3://bucket/prefix?region=eu-central-1`), which wins. Secrets are refused in
/// URLs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// Take credentials and settings from `AWS_*`, `AZURE_*` and `GOOGLE_*`
    /// where they are not given here. On unless it is switched off.
    pub environment: bool,

    /// The URL of the service, where it is not the provider's own.
    pub endpoint: Option<String>,
    /// Allow an endpoint of plain http on another machine. On this machine
    /// (`localhost`, `127.…`, `[::1]`) it is always allowed.
    pub allow_http: bool,
    /// An http, https or socks proxy; else `HTTPS_PROXY` and its like count.
    pub proxy: Option<Secret>,
    /// Hosts that are reached without the proxy, separated by commas.
    pub proxy_excludes: Option<String>,
    /// A PEM file with certificates of one's own authority, trusted besides the
    /// system's.
    pub ca_certificates: Option<PathBuf>,
    /// Trust only `ca_certificates`, not the system's.
    pub only_ca_certificates: bool,

    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take, besides the time for its bytes.
    pub request_timeout: Duration,
    /// Bytes a second below which a transfer counts as stuck: every request has
    /// `request_timeout` and its size divided by this.
    pub min_rate: u64,
    /// The time within which an operation ends, retries included, besides the
    /// time for its bytes. See [`RetryPolicy`](crate::RetryPolicy).
    pub retry_budget: Duration,
    /// The time within which there must be a connection, retries included, if that
    /// is less than `retry_budget`.
    pub connect_budget: Option<Duration>,
    /// How long an operation may get no further, retries included. What is slow and
    /// moves is not stopped by it. For where another store can be taken.
    pub stall_timeout: Option<Duration>,
    /// How many requests may be under way at once.
    pub max_concurrency: usize,
    /// Bytes a second sent at most, over all requests.
    pub max_upload_rate: Option<u64>,
    /// Bytes a second received at most, over all requests.
    pub max_download_rate: Option<u64>,
    /// The class of objects of 128 KiB and more; smaller ones are read often and
    /// cost more in cold classes. Classes that must be thawed are refused.
    pub storage_class: Option<String>,

    /// S3: the region.
    pub region: Option<String>,
    /// S3: `https://host/bucket` rather than `https://bucket.host`. By default on
    /// where an endpoint is given, or the bucket has a dot in its name.
    pub path_style: Option<bool>,
    /// S3: the access key.
    pub access_key_id: Option<String>,
    /// S3: its secret.
    pub secret_access_key: Option<Secret>,
    /// S3: the token of temporary credentials.
    pub session_token: Option<Secret>,
    /// S3: no signature, for buckets that are open to all.
    pub anonymous: bool,
    /// S3: a profile of the AWS configuration files (needs the feature
    /// `aws-profiles`).
    pub profile: Option<String>,
    /// S3: a role to take on (needs the feature `aws-profiles`, unless there is a
    /// web identity token).
    pub role_arn: Option<String>,
    /// S3: what the role's owner asks for.
    pub external_id: Option<Secret>,
    /// S3: the name of the session of a role.
    pub role_session_name: Option<String>,
    /// S3: `AES256`, `aws:kms`, `aws:kms:dsse`, or `sse-c` with a key of one's
    /// own.
    pub server_side_encryption: Option<String>,
    /// S3: the key of the key management service.
    pub kms_key_id: Option<String>,
    /// S3: the key for `sse-c`; Azure: the key the customer provides. 32 bytes,
    /// Base64.
    pub customer_key: Option<Secret>,
    /// S3: one data key for the bucket.
    pub bucket_key: Option<bool>,
    /// S3: the caller pays.
    pub request_payer: bool,
    /// S3: delete one by one, where the store cannot delete many at once.
    pub single_deletes: bool,
    /// R2: `eu` or `fedramp`.
    pub jurisdiction: Option<String>,

    /// GCS: the path of a service account's key.
    pub service_account: Option<PathBuf>,
    /// GCS: the key itself, JSON.
    pub service_account_key: Option<Secret>,
    /// GCS and Azure: a token to send as it is.
    pub bearer_token: Option<Secret>,

    /// Azure: the storage account.
    pub account: Option<String>,
    /// Azure: its key.
    pub account_key: Option<Secret>,
    /// Azure: a shared access signature.
    pub sas_token: Option<Secret>,
    /// Azure: the application that signs in.
    pub client_id: Option<String>,
    /// Azure: its secret.
    pub client_secret: Option<Secret>,
    /// Azure: its tenant.
    pub tenant_id: Option<String>,
    /// Azure: the local emulator.
    pub emulator: bool,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            environment: true,
            endpoint: None,
            allow_http: false,
            proxy: None,
            proxy_excludes: None,
            ca_certificates: None,
            only_ca_certificates: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            min_rate: 50_000,
            connect_budget: None,
            stall_timeout: None,
            retry_budget: Duration::from_secs(180),
            max_concurrency: 16,
            max_upload_rate: None,
            max_download_rate: None,
            storage_class: None,
            region: None,
            path_style: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            anonymous: false,
            profile: None,
            role_arn: None,
            external_id: None,
            role_session_name: None,
            server_side_encryption: None,
            kms_key_id: None,
            customer_key: None,
            bucket_key: None,
            request_payer: false,
            single_deletes: false,
            jurisdiction: None,
            service_account: None,
            service_account_key: None,
            bearer_token: None,
            account: None,
            account_key: None,
            sas_token: None,
            client_id: None,
            client_secret: None,
            tenant_id: None,
            emulator: false,
        }
    }
}

impl RemoteOptions {
    /// From names and values, as they stand in a configuration file.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, OptionError> {
        let mut options = Self::default();
        for (name, value) in pairs {
            options.set(name.as_ref(), value.as_ref())?;
        }
        Ok(options)
    }

    /// Sets one option by its name. `-` and `_` are the same, and upper and
    /// lower case are.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        known::find(name)?.set(self, value)
    }

    /// Sets what the query of a URL says.
    pub(crate) fn set_from_query(&mut self, url: &url::Url) -> Result<(), OptionError> {
        for (name, value) in url.query_pairs() {
            let known = known::find(&name)?;
            if known.secret {
                return Err(OptionError::SecretInUrl { name: known.name });
            }
            known.set(self, &value)?;
        }
        Ok(())
    }

    /// Refuses what was given and means nothing for this provider.
    pub(crate) fn check_for(&self, provider: Provider) -> Result<(), OptionError> {
        let default = Self::default();
        known::check_for(self, &default, provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_name() {
        let pairs = [
            ("Region", "eu-central-1"),
            ("path-style", "yes"),
            ("max_upload_rate", "1.5MiB"),
            ("retry_budget", "2m"),
            ("secret_access_key", "hush"),
        ];
        let options = RemoteOptions::from_pairs(pairs).expect("all are known");
        assert_eq!(options.region.as_deref(), Some("eu-central-1"));
        assert_eq!(options.path_style, Some(true));
        assert_eq!(options.max_upload_rate, Some(1_572_864));
        assert_eq!(options.retry_budget, Duration::from_secs(120));
        assert!(!format!("{options:?}").contains("hush"));
    }

    #[test]
    fn unknown_names_come_with_the_nearest() {
        let check = |name: &str, nearest: Option<&str>| {
            let error = RemoteOptions::default().set(name, "x").expect_err("unknown");
            match error {
                OptionError::Unknown { nearest: found, .. } => assert_eq!(found, nearest, "{name}"),
                other => panic!("{other}"),
            }
        };
        check("regoin", Some("region"));
        check("endpoints", Some("endpoint"));
        check("secret_access_kye", Some("secret_access_key"));
        check("colour of the sky", None);
    }

    #[test]
    fn values_that_are_none_are_refused_without_showing_secrets() {
        let mut options = RemoteOptions::default();
        let error = options.set("max_concurrency", "0").expect_err("none at all");
        assert_eq!(error.to_string(), "understand the option max_concurrency: a number above 0");
        options.set("customer_key", "hush").expect("any text");
        let error = options.set("storage_class", "DEEP_ARCHIVE").expect_err("frozen");
        assert!(error.to_string().contains("thaw"), "{error}");
    }

    #[test]
    fn a_query_holds_no_secrets() {
        let mut options = RemoteOptions::default();
        let url = |text: &str| url::Url::parse(text).expect("a URL");
        let query = url("s3://b/p?region=r&secret_access_key=hush");
        let error = options.set_from_query(&query).expect_err("a secret");
        assert_eq!(error, OptionError::SecretInUrl { name: "secret_access_key" });
        options.set_from_query(&url("s3://b?endpoint=http%3A%2F%2Fh%3A9")).expect("is known");
        assert_eq!(options.endpoint.as_deref(), Some("http://h:9"));
    }

    #[test]
    fn options_of_another_provider_are_refused() {
        let options = RemoteOptions::from_pairs([("account", "x")]).expect("is known");
        options.check_for(Provider::Azure).expect("is Azure's");
        let error = options.check_for(Provider::S3).expect_err("means nothing there");
        assert!(matches!(error, OptionError::NotFor { name: "account", .. }));
    }
}
