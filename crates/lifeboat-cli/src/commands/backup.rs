//! `lifeboat backup`: one database after the other.

use std::time::Instant;

use lifeboat::config::TakeOver;
use lifeboat::repository::CollectOptions;
use lifeboat::snapshot::Notice;
use lifeboat::{BackupSettings, Destinations, Error, Missing, Placed};

use super::sync;
use crate::arguments::{Arguments, BackupArguments};
use crate::exit::Exit;
use crate::hint::About;
use crate::progress;
use crate::report::{Backed, Reporter};
use crate::targets::{self, Target};

pub(crate) async fn run(
    arguments: &Arguments,
    backup: &BackupArguments,
    reporter: &Reporter,
) -> Exit {
    let targets = match targets::of(backup, arguments.setup()) {
        Ok(targets) => targets,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    for notice in arguments.setup().configuration.notices() {
        reporter.note(notice);
    }
    let mut run = Run {
        arguments,
        backup,
        reporter,
        destinations: super::destinations(arguments),
        announced: Vec::new(),
        done: Vec::new(),
        skipped: 0,
    };
    let mut exits = Vec::new();
    for target in &targets {
        exits.push(run.one(target).await);
    }
    let exit = Exit::of_all(&exits);
    let failed = targets.len() - run.done.len() - run.skipped;
    // The last object of a single failure is its error.
    if targets.len() > 1 || failed == 0 {
        reporter.all_backed_up(&run.done, failed, exit);
    }
    exit
}

struct Run<'a> {
    arguments: &'a Arguments,
    backup: &'a BackupArguments,
    reporter: &'a Reporter,
    /// Opened, and perhaps made, for the first source that can be used.
    destinations: Destinations,
    /// The new repositories that were told of.
    announced: Vec<String>,
    done: Vec<serde_json::Value>,
    skipped: usize,
}

impl Run<'_> {
    async fn one(&mut self, target: &Target) -> Exit {
        let doing = target.path.display().to_string();
        if is_motherduck(&doing) {
            self.skipped += 1;
            self.reporter.warn(&format!(
                "{doing} is a database in MotherDuck, not a file on this machine; backups of it \
                 are disabled, because only MotherDuck can make them"
            ));
            return Exit::Ok;
        }
        match self.back_up(target).await {
            Ok(exit) => exit,
            Err(error) => self.reporter.error(&doing, &error, About::Backup),
        }
    }

    async fn back_up(&mut self, target: &Target) -> Result<Exit, Error> {
        let started = Instant::now();
        let settings = self.settings(&target.name);
        let missing = if self.backup.init { Missing::Create } else { Missing::CreateIfLocal };
        let placed =
            self.destinations.backup(&target.path, &settings, &target.places, missing).await?;
        // The bars are gone before anything is printed.
        drop(settings);
        let Placed { report, destination, fallback_reason, .. } = &placed;
        self.announce(destination);
        let duration = started.elapsed();
        let exit = self.report(&Backed {
            report,
            destination: destination.shown(),
            fallback_reason: fallback_reason.as_deref(),
            requests: placed.requests,
            duration,
        });
        sync::tell(&placed.copied, self.reporter);
        let place = &self.arguments.setup().places()[placed.position];
        if let Some(count) = place.max_snapshots {
            self.keep_only(count, destination, &target.name).await;
        }
        let is_silent = self.arguments.setup().configuration.settings().fallback_exit == 0;
        match exit {
            Exit::Ok if !placed.copied.troubles.is_empty() => Ok(Exit::PartlyDone),
            Exit::Ok if fallback_reason.is_some() && !is_silent => Ok(Exit::Fallback),
            exit => Ok(exit),
        }
    }

    /// Says that a repository was made, once.
    fn announce(&mut self, destination: &lifeboat::Destination) {
        if destination.is_new() && !self.announced.iter().any(|one| one == destination.shown()) {
            self.announced.push(destination.shown().to_owned());
            let sealed = destination.repository().is_sealed();
            let how = if sealed { "encrypted" } else { "not encrypted" };
            self.reporter.say(&format!("{} is a new repository, {how}", destination.shown()));
        }
    }

    /// Forgets all snapshots but so many of the newest. The backup is made: what
    /// fails here is said and is no failure of it.
    async fn keep_only(&self, count: u32, destination: &lifeboat::Destination, name: &str) {
        let keep = usize::try_from(count).unwrap_or(usize::MAX);
        let done = async {
            let database = destination.database(name)?;
            let listing = database.snapshots(None).await?;
            // Of what cannot be read nobody knows whether it is needed.
            if !listing.broken.is_empty() || !listing.burnt.is_empty() {
                return Ok(0);
            }
            let old = listing.snapshots.iter().rev().skip(keep);
            let old: Vec<_> = old.filter(|one| !one.is_pinned()).map(|one| one.number()).collect();
            if !old.is_empty() {
                database.forget(&old).await?;
            }
            database.collect(CollectOptions::default()).await?;
            Ok::<usize, Error>(old.len())
        };
        match done.await {
            Ok(0) => {}
            Ok(forgotten) => self.reporter.say(&format!(
                "  {forgotten} older than the newest {count} forgotten; for 7 days they can be \
                 brought back"
            )),
            Err(error) => self.reporter.warn(&format!(
                "{name}: the snapshot is stored, but older ones are still there: failed to {}",
                crate::report::causes(&error)
            )),
        }
    }

    fn settings(&self, name: &str) -> BackupSettings {
        let backup = self.backup;
        let mut settings = BackupSettings::default();
        settings.name = Some(name.to_owned());
        settings.description.clone_from(&backup.description);
        settings.tags = backup.tags.iter().cloned().collect();
        settings.full = backup.full;
        settings.archive = backup.archive;
        settings.explain = backup.explain;
        settings.take_over = backup.take_over;
        let take_over = self.arguments.setup().configuration.settings().take_over;
        settings.adopt = take_over == TakeOver::Always;
        settings.expect = backup.expect;
        settings.progress = progress::show(self.reporter.progress(), name);
        settings
    }

    fn report(&mut self, backed: &Backed<'_>) -> Exit {
        let (report, reporter) = (backed.report, self.reporter);
        let name = &report.name;
        for notice in &report.notices {
            match notice {
                Notice::HotJournalRolledBack => reporter.say(&format!("{name}: {notice}")),
                notice => reporter.warn(&format!("{name}: {notice}")),
            }
        }
        if let Some(owner) = &report.adopted_from {
            reporter.warn(&format!("{name}: taken over from installation {owner}"));
        }
        reporter.backed_up(backed);
        self.done.push(reporter.tally(backed));
        for number in &report.damaged_records {
            reporter.warn(&format!(
                "{name}: record {number} is damaged; this snapshot was built on the last good one"
            ));
        }
        if report.damaged_records.is_empty() { Exit::Ok } else { Exit::Damage }
    }
}

/// Whether this names a database in MotherDuck.
fn is_motherduck(path: &str) -> bool {
    path.starts_with("md:") || path.starts_with("motherduck:")
}
