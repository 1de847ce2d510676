//! Credentials as AWS's own tools find them, by the library that AWS maintains:
//! profiles, sign-on (SSO), web identities, roles. Kept, and fetched anew in time.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Found;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use super::credentials::{Base, Chain, Role};
use crate::classify::CredentialsFailed;
use crate::wire::{Connector, aws_client};

/// Fetched anew this long before they expire.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// Used until then, if no newer ones can be had.
const LATE: Duration = Duration::from_secs(10);
/// What never expires is looked up again after this, for files are changed.
const LOOK_AGAIN: Duration = Duration::from_secs(15 * 60);

/// Credentials of a chain, kept.
#[derive(Debug)]
pub(super) struct Provider {
    chain: Chain,
    connector: Connector,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    credential: Arc<AwsCredential>,
    fetched: SystemTime,
    expires: Option<SystemTime>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Kept {
    fn is_fresh(&self, now: SystemTime) -> bool {
        match self.expires {
            Some(at) => now + EARLY < at,
            None => now.duration_since(self.fetched).is_ok_and(|age| age < LOOK_AGAIN),
        }
    }

    fn is_usable(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|at| now + LATE < at)
    }
}

impl Provider {
    pub(super) fn new(chain: Chain, connector: &Connector) -> Self {
        Self { chain, connector: connector.clone(), kept: Mutex::default() }
    }

    async fn at(&self, now: SystemTime) -> Result<Arc<AwsCredential>, CredentialsFailed> {
        // Whoever comes second waits for what the first fetches.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh(now)) {
            return Ok(Arc::clone(&kept.credential));
        }
        let found = match self.fetch().await {
            Ok(found) => found,
            Err(error) => match kept.as_ref().filter(|kept| kept.is_usable(now)) {
                Some(kept) => {
                    tracing::warn!(%error, "credentials cannot be renewed; the old ones still hold");
                    return Ok(Arc::clone(&kept.credential));
                }
                None => return Err(error),
            },
        };
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(ToOwned::to_owned),
        });
        let expires = found.expiry();
        *kept = Some(Kept { credential: Arc::clone(&credential), fetched: now, expires });
        Ok(credential)
    }

    async fn fetch(&self) -> Result<Found, CredentialsFailed> {
        let provider = self.provider().await.map_err(CredentialsFailed::setting_up)?;
        provider.provide_credentials().await.map_err(CredentialsFailed::new)
    }

    /// Made anew each time, because it remembers files that it has read.
    async fn provider(&self) -> Result<SharedCredentialsProvider, Box<dyn StdError + Send + Sync>> {
        let client = aws_client(&self.connector)?;
        let conf = ProviderConfig::without_region()
            .with_http_client(client.clone())
            // Retries are ours.
            .with_retry_config(RetryConfig::disabled());
        let region = match &self.chain.region {
            Some(region) => Region::new(region.clone()),
            None => self.region_of_profile(&conf).await,
        };
        let conf = conf.with_region(Some(region.clone()));
        let base = match &self.chain.base {
            Base::Usual => {
                let chain =
                    DefaultCredentialsChain::builder().configure(conf).region(region.clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
            Base::Profile(name) => {
                let profile = ProfileFileCredentialsProvider::builder().configure(&conf);
                SharedCredentialsProvider::new(profile.profile_name(name).build())
            }
            Base::Keys(keys) => SharedCredentialsProvider::new(Found::new(
                keys.key_id.clone(),
                keys.secret_key.clone(),
                keys.token.clone(),
                None,
                "options",
            )),
            Base::WebIdentity { token_file, role } => {
                let configuration = StaticConfiguration {
                    web_identity_token_file: token_file.into(),
                    role_arn: role.arn.clone(),
                    session_name: role.session.clone(),
                };
                let web = WebIdentityTokenCredentialsProvider::builder().configure(&conf);
                SharedCredentialsProvider::new(web.static_configuration(configuration).build())
            }
        };
        let Some(Role { arn, session, external_id }) = &self.chain.role else { return Ok(base) };
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(RetryConfig::disabled())
            .region(region)
            .no_credentials()
            .load()
            .await;
        let mut role = AssumeRoleProvider::builder(arn).session_name(session).configure(&sdk);
        if let Some(external_id) = external_id {
            role = role.external_id(external_id.reveal());
        }
        Ok(SharedCredentialsProvider::new(role.build_from_provider(base).await))
    }

    /// The machine's metadata service is not asked for it: that takes seconds
    /// where there is none.
    async fn region_of_profile(&self, conf: &ProviderConfig) -> Region {
        let mut profile = ProfileFileRegionProvider::builder().configure(conf);
        if let Base::Profile(name) = &self.chain.base {
            profile = profile.profile_name(name);
        }
        profile.build().region().await.unwrap_or_else(|| Region::from_static("us-east-1"))
    }
}

#[async_trait::async_trait]
impl CredentialProvider for Provider {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.at(SystemTime::now())
            .await
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn kept(expires: Option<u64>) -> Kept {
        let credential =
            AwsCredential { key_id: "AK".into(), secret_key: "hush".into(), token: None };
        let expires = expires.map(at);
        Kept { credential: Arc::new(credential), fetched: at(0), expires }
    }

    #[test]
    fn they_are_renewed_in_time() {
        let hour = kept(Some(3_600));
        assert!(hour.is_fresh(at(3_299)) && !hour.is_fresh(at(3_300)));
        assert!(hour.is_usable(at(3_589)) && !hour.is_usable(at(3_590)));
        let never = kept(None);
        assert!(never.is_fresh(at(899)) && !never.is_fresh(at(900)));
        // A clock that was set back tells nothing about age.
        assert!(!never.is_fresh(at(0) - Duration::from_secs(1)));
        assert!(never.is_usable(at(1_000_000)));
        assert!(!format!("{hour:?}").contains("hush"));
    }
}
