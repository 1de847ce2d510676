//! The places of the settings as destinations.

use lifeboat_config::Environment;
use lifeboat_repository::Secret;

use super::{Place, Setup};
use crate::destinations::{DestinationSettings, Destinations};

impl Setup {
    /// All places, mirrors included, in the order of [`places`](Self::places),
    /// with what opens their repositories.
    pub fn destinations(&self, secret: Option<&Secret>) -> Destinations {
        let member = |place: &Place| {
            let mut settings = DestinationSettings::new(place.role, &place.url);
            settings.name.clone_from(&place.name);
            settings.options = place.options.clone();
            settings.create = self.may_create(place, secret);
            settings.max_snapshots = place.max_snapshots;
            settings.keep = self.keeping_at(place).cloned();
            if lacks_credentials(place, &self.environment) {
                let remark = "no credentials are set, and the machine gives none: ";
                settings.remark = Some(remark.to_owned());
            }
            settings
        };
        let members = self.places().iter().chain(self.mirrors()).map(member).collect();
        Destinations::new(members, self.installation(), secret.cloned())
            .because(self.configuration.fallback_reason().map(str::to_owned))
            .with_links(&self.configuration.settings().links)
    }

    /// Whether a first backup makes the repository there. Without a key that is
    /// done only where doing without was said.
    fn may_create(&self, place: &Place, secret: Option<&Secret>) -> bool {
        let is_off = self.configuration.settings().encryption.enabled == Some(false);
        place.create && (secret.is_some() || is_off)
    }
}

/// Whether nothing says who we are to a store that speaks S3. The machine may
/// still: its metadata service is asked, and where there is none, that looks like
/// a network that is down.
fn lacks_credentials(place: &Place, environment: &Environment) -> bool {
    let speaks_s3 = place.url.starts_with("s3://") || place.url.starts_with("r2://");
    let options = &place.options;
    let given = options.access_key_id.is_some() || options.anonymous || options.profile.is_some();
    let variables = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_PROFILE",
    ];
    speaks_s3 && !given && variables.iter().all(|name| environment.get(name).is_none())
}
