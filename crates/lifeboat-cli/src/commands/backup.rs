//! `lifeboat backup`: one database after the other.

use std::time::Instant;

use lifeboat::format::record::Trigger;
use lifeboat::remote::Fencing;
use lifeboat::setup::Target;
use lifeboat::snapshot::Notice;
use lifeboat::{BackupReport, BackupSettings, Destination, Destinations, Error, Missing, Placed};

use super::sync;
use crate::arguments::{Arguments, BackupArguments};
use crate::exit::Exit;
use crate::progress;
use crate::report::{Backed, Reporter};
use crate::secrets;
use crate::targets;
use lifeboat::hint::About;

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
    for notice in arguments.setup().configuration().notices() {
        reporter.note(notice);
    }
    let mut run = Run::new(arguments, backup, reporter);
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

/// Backs one database up with nobody there who asked for it, and says so unless
/// nothing had changed. The exit, where it was not done: of what failed, or
/// that of nothing to do.
pub(crate) async fn unattended(
    arguments: &Arguments,
    reporter: &Reporter,
    target: &Target,
    trigger: Trigger,
) -> Result<(BackupReport, Destination), Exit> {
    let backup = BackupArguments::default();
    let mut run = Run { trigger, unattended: true, ..Run::new(arguments, &backup, reporter) };
    let exit = run.one(target).await;
    match run.last {
        Some(last) => Ok(last),
        None => Err(exit),
    }
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
    trigger: Trigger,
    /// Nobody watches: what changed nothing is not worth a line.
    unattended: bool,
    /// The last that was done, and where.
    last: Option<(BackupReport, Destination)>,
}

impl<'a> Run<'a> {
    fn new(arguments: &'a Arguments, backup: &'a BackupArguments, reporter: &'a Reporter) -> Self {
        Self {
            arguments,
            backup,
            reporter,
            destinations: super::destinations(arguments),
            announced: Vec::new(),
            done: Vec::new(),
            skipped: 0,
            trigger: Trigger::Manual,
            unattended: false,
            last: None,
        }
    }
}

impl Run<'_> {
    async fn one(&mut self, target: &Target) -> Exit {
        let doing = target.path.display().to_string();
        if target.is_motherduck() {
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
            unfenced: destination.repository().fencing() == Fencing::Nothing,
            duration,
        });
        sync::tell(&placed.copied, self.reporter);
        let place = &self.arguments.setup().places()[placed.position];
        if let Some(count) = place.max_snapshots {
            self.keep_only(count, destination, &target.name).await;
        }
        let gone_wrong = !placed.copied.troubles.is_empty();
        let is_fallback = fallback_reason.is_some();
        self.last = Some((placed.report, placed.destination));
        let is_silent = self.arguments.setup().configuration().settings().fallback_exit == 0;
        match exit {
            Exit::Ok if gone_wrong => Ok(Exit::PartlyDone),
            Exit::Ok if is_fallback && !is_silent => Ok(Exit::Fallback),
            exit => Ok(exit),
        }
    }

    /// Says that a repository was made, once.
    fn announce(&mut self, destination: &Destination) {
        if destination.is_new() && !self.announced.iter().any(|one| one == destination.shown()) {
            self.announced.push(destination.shown().to_owned());
            let sealed = destination.repository().is_sealed();
            let how = if sealed { "encrypted" } else { "not encrypted" };
            self.reporter.say(&format!("{} is a new repository, {how}", destination.shown()));
            let secret = self.arguments.secret.as_ref().filter(|_| sealed);
            if let Some(why) = secret.and_then(secrets::weakness) {
                self.reporter.warn(&why);
            }
        }
    }

    /// Forgets all snapshots but so many of the newest. The backup is made: what
    /// fails here is said and is no failure of it.
    async fn keep_only(&self, count: u32, destination: &Destination, name: &str) {
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
            database.collect(self.arguments.setup().collecting(name)).await?;
            Ok::<usize, Error>(old.len())
        };
        match done.await {
            Ok(0) => {}
            Ok(forgotten) => self.reporter.say(&format!(
                "  {forgotten} older than the newest {count} forgotten; `lifeboat undelete` brings \
                 them back from the trash"
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
        settings.trigger = self.trigger;
        settings.description.clone_from(&backup.description);
        settings.tags = backup.tags.iter().cloned().collect();
        settings.full = backup.full;
        settings.archive = backup.archive;
        settings.explain = backup.explain;
        settings.take_over = backup.take_over;
        settings.adopt = self.arguments.setup().adopts();
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
        if !(self.unattended && report.unchanged) {
            reporter.backed_up(backed);
        }
        if backed.unfenced {
            reporter.warn(&format!(
                "{name}: {} is unfenced: back it up from one machine only, because of two writers \
                 one would undo what the other did",
                backed.destination
            ));
        }
        self.done.push(reporter.tally(backed));
        for number in &report.damaged_records {
            reporter.warn(&format!(
                "{name}: record {number} is damaged; this snapshot was built on the last good one"
            ));
        }
        for object in &report.damaged_objects {
            reporter.warn(&format!(
                "{name}: {object} is damaged or missing; this snapshot does without it, and older \
                 ones may not: `lifeboat repair {name}` says what can be mended"
            ));
        }
        let sound = report.damaged_records.is_empty() && report.damaged_objects.is_empty();
        if sound { Exit::Ok } else { Exit::Damage }
    }
}
