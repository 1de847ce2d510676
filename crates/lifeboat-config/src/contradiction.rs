//! Settings that are each right and together cannot be meant.

mod agent;

use std::collections::BTreeMap;

use crate::layers::Merged;
use crate::nearest::nearest;
use crate::problem::{Place, Problem, What};
use crate::settings::{Destination, Retention, Role, Schedule, Settings};

/// All of them.
pub(crate) fn find(merged: &Merged) -> Vec<Problem> {
    let mut finder = Finder { merged, problems: Vec::new() };
    let settings = &merged.settings;
    finder.destinations(settings);
    finder.databases(settings);
    finder.secrets(settings);
    finder.schedule(&settings.schedule, "schedule");
    finder.retention(settings.retention.as_ref(), "retention");
    if !matches!(settings.fallback_exit, 0 | 14) {
        finder.contradiction("fallback_exit", "fallback_exit is 0 or 14");
    }
    finder.agent(settings);
    finder.problems
}

struct Finder<'a> {
    merged: &'a Merged,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn contradiction(&mut self, path: &str, why: impl Into<String>) {
        self.problem(path, What::Contradiction(why.into()));
    }

    fn problem(&mut self, path: &str, what: What) {
        let place = self.merged.place(path).clone();
        self.problems.push(Problem { place, what });
    }

    fn destinations(&mut self, settings: &Settings) {
        let all = &settings.destinations;
        if settings.repository.is_some() && !all.is_empty() {
            self.contradiction(
                "repository",
                "repository and [[destination]] both say where backups go; remove one",
            );
        }
        let mut names = BTreeMap::new();
        for (at, destination) in all.iter().enumerate() {
            if let Some(other) = names.insert(&destination.name, at) {
                let place = self.merged.place(&format!("destination.{other}")).clone();
                self.contradiction(
                    &format!("destination.{at}.name"),
                    format!("a destination of this name is at {place} already"),
                );
            }
            if all.len() > 1 && !self.merged.says(&format!("destination.{at}.role")) {
                self.problem(
                    &format!("destination.{at}"),
                    What::Missing {
                        key: "destination.role".into(),
                        why: "of several destinations it is said which is primary, fallback or \
                              mirror"
                            .into(),
                    },
                );
            }
            let same = |other: &&Destination| place_of(&other.url) == place_of(&destination.url);
            if let Some(other) = all[..at].iter().find(same) {
                self.contradiction(
                    &format!("destination.{at}.url"),
                    format!(
                        "destination.url is the place of the destination {:?} as well: what \
                         happens to one happens to both",
                        other.name
                    ),
                );
            }
            let own = format!("destination.{at}.retention");
            self.retention(destination.retention.as_ref(), &own);
            if destination.retention.is_some() && destination.max_snapshots.is_some() {
                self.contradiction(
                    &format!("destination.{at}.max_snapshots"),
                    "destination.max_snapshots and destination.retention both say what is kept \
                     there; remove one",
                );
            }
            if destination.max_snapshots == Some(0) {
                self.contradiction(
                    &format!("destination.{at}.max_snapshots"),
                    "destination.max_snapshots is 1 or above: 0 would keep nothing",
                );
            }
        }
        let primaries = all.iter().filter(|one| one.role == Role::Primary).count();
        if !all.is_empty() && primaries != 1 {
            self.contradiction(
                "destination.0",
                format!("one destination is primary, and there are {primaries}"),
            );
        }
    }

    fn databases(&mut self, settings: &Settings) {
        let known: Vec<&str> = settings.destinations.iter().map(|one| one.name.as_str()).collect();
        // Whoever types another place, or sets a variable to it, means that one.
        let elsewhere = settings.repository.is_some()
            && !matches!(self.merged.place("repository"), Place::File { .. });
        let mut names = BTreeMap::new();
        for (at, database) in settings.databases.iter().enumerate() {
            let path = format!("database.{at}");
            for name in database.destinations.iter().filter(|_| !elsewhere) {
                if !known.contains(&name.as_str()) {
                    let nearest = nearest(name, known.iter().copied()).map(str::to_owned);
                    let what = What::Unknown { key: format!("destination {name:?}"), nearest };
                    let place = self.merged.place(&format!("{path}.destinations")).clone();
                    self.problems.push(Problem { place, what });
                }
            }
            let fixed = database.name.as_ref().filter(|name| !name.contains('{'));
            if let Some(name) = fixed {
                if crate::database::is_pattern(&database.path) {
                    self.contradiction(
                        &format!("{path}.name"),
                        "a pattern may find several databases, which need several names: use a \
                         template such as \"{parent}\" or \"{stem}\"",
                    );
                }
                if let Some(other) = names.insert(name.clone(), at) {
                    let place = self.merged.place(&format!("database.{other}")).clone();
                    self.contradiction(
                        &format!("{path}.name"),
                        format!("a database of this name is at {place} already"),
                    );
                }
            }
            if let Some(schedule) = &database.schedule {
                self.schedule(schedule, &format!("{path}.schedule"));
            }
            self.retention(database.retention.as_ref(), &format!("{path}.retention"));
        }
    }

    fn secrets(&mut self, settings: &Settings) {
        let encryption = &settings.encryption;
        let set = [
            ("key", encryption.key.is_some()),
            ("key_file", encryption.key_file.is_some()),
            ("key_command", encryption.key_command.is_some()),
            ("passphrase", encryption.passphrase.is_some()),
            ("passphrase_file", encryption.passphrase_file.is_some()),
            ("passphrase_command", encryption.passphrase_command.is_some()),
        ];
        let set: Vec<String> = set
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| format!("encryption.{name}"))
            .collect();
        if let [first, second, ..] = &set[..] {
            let (a, b) = (self.merged.place(first), self.merged.place(second));
            let why =
                format!("{a} and {b} are both set; unset one: it is not clear which is meant");
            self.problem(second, What::Contradiction(why));
        }
        if let ([first, ..], Some(false)) = (&set[..], encryption.enabled) {
            let key = self.merged.place(first);
            let why = format!(
                "encryption.enabled is false, and {key} gives a key; remove one: it is not clear \
                 which is meant"
            );
            self.problem("encryption.enabled", What::Key(why));
        }
    }

    fn schedule(&mut self, schedule: &Schedule, path: &str) {
        if schedule.every.is_some() && schedule.cron.is_some() {
            self.contradiction(
                &format!("{path}.cron"),
                format!("{path}.every and {path}.cron exclude each other"),
            );
        }
        if schedule.every.is_some_and(|every| every.is_zero()) {
            self.contradiction(&format!("{path}.every"), format!("{path}.every is above 0"));
        }
        if let (Some(every), Some(jitter)) = (schedule.every, schedule.jitter)
            && jitter >= every
        {
            self.contradiction(
                &format!("{path}.jitter"),
                format!("{path}.jitter is below {path}.every: backups would be left out"),
            );
        }
    }

    /// A policy that keeps nothing has destroyed backups: it is never meant.
    fn retention(&mut self, retention: Option<&Retention>, path: &str) {
        let Some(retention) = retention else { return };
        let counts = [
            retention.keep_last,
            retention.keep_hourly,
            retention.keep_daily,
            retention.keep_weekly,
            retention.keep_monthly,
            retention.keep_yearly,
        ];
        let keeps = counts.iter().flatten().any(|count| *count > 0)
            || retention.times().iter().filter_map(|(_, time)| *time).any(|time| !is_zero(time))
            || !retention.keep_tag.is_empty()
            || retention.keep_preset
            || retention.max_bytes.is_some_and(|most| most > 0);
        if !keeps {
            self.contradiction(
                path,
                format!(
                    "[{path}] keeps nothing; give it a rule, or leave the section out to keep \
                         everything"
                ),
            );
        }
    }
}

/// What of a path or URL says where it is.
fn place_of(url: &str) -> &str {
    let plain = url.strip_prefix("file://").unwrap_or(url);
    let (place, _) = plain.split_once('?').filter(|_| url.contains("://")).unwrap_or((plain, ""));
    place.strip_prefix("./").unwrap_or(place).trim_end_matches('/')
}

/// Whether a length of time is none, however it is written.
fn is_zero(time: &str) -> bool {
    !time.contains(|c: char| ('1'..='9').contains(&c))
}
