//! What only others know of the settings: stores their options and URLs, the
//! calendar its zones.

use jiff::tz::TimeZone;
use lifeboat_config::{self as config, Configuration, Place};
use lifeboat_remote::{Remote, RemoteOptions};

use super::SetupError;

/// Everything that no command needs at once, and that would otherwise be found
/// wrong on the day it is needed.
pub(super) fn all(configuration: &Configuration) -> Result<(), SetupError> {
    let settings = configuration.settings();
    let typed = matches!(configuration.place("repository"), Place::Argument(_));
    if let Some(url) = settings.repository.as_ref().filter(|_| !typed) {
        self::url(configuration, "repository", url, &RemoteOptions::default())?;
    }
    for (at, links) in settings.links.iter().enumerate() {
        let options = options(configuration, &format!("links.{at}"), &links.options)?;
        url(configuration, &format!("links.{at}.url"), &links.url, &options)?;
    }
    let own = settings.databases.iter().enumerate();
    let own = own.filter_map(|(at, database)| {
        Some((format!("database.{at}.schedule.timezone"), database.schedule.as_ref()?))
    });
    let schedules = [("schedule.timezone".to_owned(), &settings.schedule)].into_iter().chain(own);
    for (path, schedule) in schedules {
        if let Some(zone) = &schedule.timezone
            && TimeZone::get(zone).is_err()
        {
            return Err(SetupError::usage(
                format!(
                    "{}: {zone:?} is no time zone that this system knows",
                    configuration.place(&path)
                ),
                "a zone is such as Europe/Berlin or UTC; the package tzdata brings them",
            ));
        }
    }
    Ok(())
}

/// The options of a section.
pub(super) fn options(
    configuration: &Configuration,
    section: &str,
    given: &config::Options,
) -> Result<RemoteOptions, SetupError> {
    let mut options = RemoteOptions::default();
    for (name, value) in &given.0 {
        options.set(name, value).map_err(|error| {
            let place = configuration.place(&format!("{section}.options.{name}"));
            SetupError::usage(
                format!("{place}: failed to {error}"),
                "docs/storage.md lists the options of stores",
            )
        })?;
    }
    Ok(options)
}

/// Whether a URL makes sense with its options.
pub(super) fn url(
    configuration: &Configuration,
    path: &str,
    url: &str,
    options: &RemoteOptions,
) -> Result<(), SetupError> {
    Remote::understand(url, options.clone()).map_err(|error| {
        SetupError::usage(
            format!("{}: failed to {error}", configuration.place(path)),
            "docs/storage.md has the URLs and options of stores",
        )
    })
}
