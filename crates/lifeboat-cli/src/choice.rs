//! Which of several places: the first that works.
//!
//! A place works where its repository can be read: that takes credentials, a
//! bucket and a connection, and a few requests. The choice is made before
//! anything is sent, within seconds, and told with its reason.

use std::time::Duration;

use lifeboat::config::Environment;
use lifeboat::crypto::Secret;
use lifeboat::remote::RemoteOptions;
use lifeboat::{Destination, Error, ErrorKind, Missing};

use crate::report::causes;
use crate::setup::{Place, Setup};

/// The time that a place has to show that it works, where another could be
/// taken.
const PATIENCE: Duration = Duration::from_secs(4);

/// The time that each request of it has, tries included.
const IMPATIENCE: Duration = Duration::from_millis(2500);

/// The place that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) destination: Destination,
    pub(crate) place: Place,
    /// Why it was not the first.
    pub(crate) fallback_reason: Option<String>,
}

/// Takes the first place that works. Where none does, the error is that of the
/// last, after a warning that has the reasons of the others.
pub(crate) async fn choose(
    setup: &Setup,
    secret: Option<&Secret>,
    missing: Missing,
    names: &[String],
) -> Result<Chosen, Error> {
    let wanted = |place: &&Place| names.is_empty() || names.contains(&place.name);
    let places: Vec<&Place> = setup.places().iter().filter(wanted).collect();
    let mut reasons: Vec<String> =
        setup.configuration.fallback_reason().map(str::to_owned).into_iter().collect();
    for (at, place) in places.iter().enumerate() {
        // One that was there and is gone is not begun anew without being asked for.
        let missing = match missing {
            Missing::CreateIfLocal if may_create(place, setup, secret) => Missing::CreateFirst,
            missing => missing,
        };
        let others = at + 1 < places.len();
        match open(setup, place, secret, missing, others).await {
            Ok(destination) => {
                let fallback_reason = (!reasons.is_empty()).then(|| reasons.join("; "));
                if let Some(reason) = &fallback_reason {
                    tracing::warn!("using {}: {reason}", place.url);
                }
                let place = (*place).clone();
                return Ok(Chosen { destination, place, fallback_reason });
            }
            Err(Trouble::Is(error)) if !others || !means_elsewhere(&error) => {
                if !reasons.is_empty() {
                    tracing::warn!("{}", reasons.join("; "));
                }
                return Err(error);
            }
            Err(trouble) => {
                let missing = if lacks_credentials(place, &setup.environment) {
                    "no credentials are set, and the machine gives none: "
                } else {
                    ""
                };
                let reason = trouble.reason();
                reasons.push(format!("{} does not work: {missing}{reason}", place.url));
            }
        }
    }
    // Only where no place has one of these names.
    Err(Error::NoRepository { place: names.join(", ") })
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

/// Why a place was not opened.
enum Trouble {
    Is(Error),
    Silent,
}

impl Trouble {
    fn reason(&self) -> String {
        match self {
            Self::Is(Error::NoRepository { .. }) => {
                "there is no repository; `lifeboat init` makes one".into()
            }
            Self::Is(error) => format!("failed to {}", causes(error)),
            Self::Silent => format!("no answer within {} seconds", PATIENCE.as_secs()),
        }
    }
}

async fn open(
    setup: &Setup,
    place: &Place,
    secret: Option<&Secret>,
    missing: Missing,
    others: bool,
) -> Result<Destination, Trouble> {
    let opening = |options: RemoteOptions, missing: Missing| {
        Destination::open_as(&place.url, options, setup.installation(), missing, secret)
    };
    if others && !place.is_local() {
        // Asked impatiently, so that the reason is the store's own and not that
        // trying again took too long; used with the patience that is configured.
        let mut impatient = place.options.clone();
        impatient.connect_timeout = impatient.connect_timeout.min(IMPATIENCE);
        impatient.request_timeout = impatient.request_timeout.min(IMPATIENCE);
        impatient.retry_budget = impatient.retry_budget.min(IMPATIENCE);
        match tokio::time::timeout(PATIENCE, opening(impatient, Missing::Refuse)).await {
            Ok(Ok(_)) => {}
            Ok(Err(Error::NoRepository { .. })) if missing != Missing::Refuse => {}
            Ok(Err(error)) => return Err(Trouble::Is(error)),
            Err(_) => return Err(Trouble::Silent),
        }
    }
    opening(place.options.clone(), missing).await.map_err(Trouble::Is)
}

/// Whether an error of one place is a reason to try another. A wrong key or
/// damage is none: it would go unnoticed.
fn means_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Storage | ErrorKind::NoRepository)
}
