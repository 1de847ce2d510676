//! Settings that are understood and have no effect in this version. Nobody should
//! find that out on the day they are needed.

use lifeboat::config::{Configuration, Place};

/// A section without effect.
pub(crate) struct Unused {
    /// Its name, as it is written.
    pub(crate) section: String,
    pub(crate) place: Place,
    /// What does the same meanwhile.
    pub(crate) instead: String,
}

impl Unused {
    /// As a sentence.
    pub(crate) fn words(&self) -> String {
        format!(
            "{} ({}) is understood, and has no effect in this version",
            self.section, self.place
        )
    }
}

/// Those that are set.
pub(crate) fn find(configuration: &Configuration) -> Vec<Unused> {
    let settings = configuration.settings();
    let cron = match &settings.schedule.cron {
        Some(cron) => format!("{cron} lifeboat backup    # a line for crontab -e"),
        None => "0 * * * * lifeboat backup    # a line for crontab -e".into(),
    };
    let tell = "lifeboat backup || mail -s 'the backup failed' you@example.org < /dev/null";
    let mut all = Vec::new();
    // A section that was derived has no place of its own, but what is in it has.
    let mut add = |paths: &[&str], section: String, instead: &str| {
        let mut places = paths.iter().map(|path| configuration.place(path));
        if let Some(place) = places.find(|place| !place.is_default()) {
            all.push(Unused { section, place: place.clone(), instead: instead.to_owned() });
        }
    };
    let schedule = ["schedule", "schedule.every", "schedule.cron"];
    add(&schedule, "[schedule]".into(), &cron);
    for at in 0..settings.databases.len() {
        add(&[&format!("database.{at}.schedule")], "[database.schedule]".into(), &cron);
    }
    add(&["notify"], "[notify]".into(), tell);
    add(&["http"], "[http]".into(), "lifeboat status");
    for at in 0..settings.links.len() {
        let instead = "list the bucket, and compare with the columns by hand";
        add(&[&format!("links.{at}")], "[[links]]".into(), instead);
    }
    all
}
