//! What only others know of the settings: stores their options and URLs, the
//! calendar its zones.

use lifeboat::config::{self, Configuration, Place};
use lifeboat::remote::{Remote, RemoteOptions};

use crate::arguments::Refusal;
use crate::exit::Exit;

/// Everything that no command needs at once, and that would otherwise be found
/// wrong on the day it is needed.
pub(super) fn all(configuration: &Configuration) -> Result<(), Refusal> {
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
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            return Err(Refusal {
                exit: Exit::Usage,
                message: format!(
                    "{}: {zone:?} is no time zone that this system knows",
                    configuration.place(&path)
                ),
                hint: "a zone is such as Europe/Berlin or UTC; the package tzdata brings them"
                    .into(),
            });
        }
    }
    Ok(())
}

/// The options of a section.
pub(super) fn options(
    configuration: &Configuration,
    section: &str,
    given: &config::Options,
) -> Result<RemoteOptions, Refusal> {
    let mut options = RemoteOptions::default();
    for (name, value) in &given.0 {
        options.set(name, value).map_err(|error| Refusal {
            exit: Exit::Usage,
            message: format!(
                "{}: failed to {error}",
                configuration.place(&format!("{section}.options.{name}"))
            ),
            hint: "docs/storage.md lists the options of stores".into(),
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
) -> Result<(), Refusal> {
    Remote::understand(url, options.clone()).map_err(|error| Refusal {
        exit: Exit::Usage,
        message: format!("{}: failed to {error}", configuration.place(path)),
        hint: "docs/storage.md has the URLs and options of stores".into(),
    })
}
