//! `lifeboat backup`: one database after the other.

mod closing;
mod tell;

use std::time::Instant;

use lifeboat::setup::Target;
use lifeboat::{BackupSettings, Destinations, Error, Missing};

use crate::arguments::{Arguments, BackupArguments};
use crate::exit::Exit;
use crate::progress;
use crate::report::Reporter;
use crate::targets;
use closing::Closing;
use lifeboat::hint::About;
pub(crate) use tell::{Teller, forgotten, thinned};

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
    if reporter.is_for_a_person()
        && let Some(line) = run.closing.line().await
    {
        reporter.say(&line);
    }
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
    teller: Teller,
    closing: Closing,
    done: Vec<serde_json::Value>,
    skipped: usize,
}

impl<'a> Run<'a> {
    fn new(arguments: &'a Arguments, backup: &'a BackupArguments, reporter: &'a Reporter) -> Self {
        Self {
            arguments,
            backup,
            reporter,
            destinations: super::destinations(arguments),
            teller: Teller::new(arguments, *reporter, false),
            closing: Closing::default(),
            done: Vec::new(),
            skipped: 0,
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
        let (exit, tally) = self.teller.placed(&placed, started.elapsed());
        self.done.push(tally);
        self.closing.add(&placed, started.elapsed());
        let collect = self.arguments.setup().collecting(&target.name);
        for thinned in self.destinations.thin_after(&placed, &target.name, collect).await {
            tell::thinned(self.reporter, &target.name, &thinned);
        }
        let gone_wrong = !placed.copied.troubles.is_empty();
        let is_silent = self.arguments.setup().configuration().settings().fallback_exit == 0;
        match exit {
            // What became of the backup counts more than what else was not copied.
            Exit::Ok if placed.fallback_reason.is_some() && !is_silent => Ok(Exit::Fallback),
            Exit::Ok if gone_wrong => Ok(Exit::PartlyDone),
            exit => Ok(exit),
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
        settings.adopt = self.arguments.setup().adopts();
        settings.compression = self.arguments.setup().compression();
        settings.expect = backup.expect;
        settings.progress = progress::show(self.reporter.progress(), name);
        settings
    }
}
