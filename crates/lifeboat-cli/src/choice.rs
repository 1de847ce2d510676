//! The places of the settings as destinations, and the first of them that works.

use lifeboat::config::Environment;
use lifeboat::crypto::Secret;
use lifeboat::{Chosen, DestinationSettings, Destinations, Error, Missing};

use crate::setup::{Place, Setup};

/// All places, mirrors included, in the order of [`Setup::places`].
pub(crate) fn destinations(setup: &Setup, secret: Option<&Secret>) -> Destinations {
    let member = |place: &Place| {
        let mut settings = DestinationSettings::new(place.role, &place.url);
        settings.name.clone_from(&place.name);
        settings.options = place.options.clone();
        settings.create = may_create(place, setup, secret);
        if lacks_credentials(place, &setup.environment) {
            let remark = "no credentials are set, and the machine gives none: ";
            settings.remark = Some(remark.to_owned());
        }
        settings
    };
    let members = setup.places().iter().chain(setup.mirrors()).map(member).collect();
    Destinations::new(members, setup.installation(), secret.cloned())
        .because(setup.configuration.fallback_reason().map(str::to_owned))
}

/// Takes the first place that works, of those with these names or of all.
pub(crate) async fn choose(
    setup: &Setup,
    secret: Option<&Secret>,
    missing: Missing,
    names: &[String],
) -> Result<Chosen, Error> {
    destinations(setup, secret).choose(names, missing).await
}

/// Whether a first backup makes the repository there. Without a key that is
/// done only where doing without was said.
fn may_create(place: &Place, setup: &Setup, secret: Option<&Secret>) -> bool {
    let is_off = setup.configuration.settings().encryption.enabled == Some(false);
    place.create && (secret.is_some() || is_off)
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
