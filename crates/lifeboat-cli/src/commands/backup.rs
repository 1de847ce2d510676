//! `lifeboat backup`: one database after the other.

use std::path::Path;
use std::time::Instant;

use lifeboat::snapshot::{Notice, default_name};
use lifeboat::{BackupSettings, Destination, Directories, Error, Missing};

use crate::arguments::{Arguments, BackupArguments, Refusal};
use crate::exit::Exit;
use crate::hint::About;
use crate::progress;
use crate::report::{Backed, Reporter};

pub(crate) async fn run(
    arguments: &Arguments,
    backup: &BackupArguments,
    reporter: &Reporter,
) -> Exit {
    if let Err(refusal) = two_of_one_name(backup) {
        reporter.refuse(&refusal);
        return refusal.exit;
    }
    let mut run = Run { arguments, backup, reporter, destination: None, done: Vec::new() };
    let mut exits = Vec::new();
    for path in &backup.databases {
        exits.push(run.one(path).await);
    }
    let exit = Exit::of_all(&exits);
    let failed = backup.databases.len() - run.done.len();
    // The last object of a single failure is its error.
    if backup.databases.len() > 1 || failed == 0 {
        reporter.all_backed_up(&run.done, failed, exit);
    }
    exit
}

struct Run<'a> {
    arguments: &'a Arguments,
    backup: &'a BackupArguments,
    reporter: &'a Reporter,
    /// Opened, and perhaps made, for the first source that can be used.
    destination: Option<Destination>,
    done: Vec<serde_json::Value>,
}

impl Run<'_> {
    async fn one(&mut self, path: &Path) -> Exit {
        let doing = path.display().to_string();
        match self.back_up(path).await {
            Ok(exit) => exit,
            Err(error) => self.reporter.error(&doing, &error, About::Backup),
        }
    }

    async fn destination(&mut self) -> Result<Destination, Error> {
        if let Some(destination) = &self.destination {
            return Ok(destination.clone());
        }
        let missing = if self.backup.init { Missing::Create } else { Missing::CreateIfLocal };
        let destination = super::open(self.arguments, missing).await?;
        if destination.is_new() {
            let sealed = destination.repository().is_sealed();
            let how = if sealed { "encrypted" } else { "not encrypted" };
            self.reporter.say(&format!("{} is a new repository, {how}", destination.shown()));
        }
        Ok(self.destination.insert(destination).clone())
    }

    async fn back_up(&mut self, path: &Path) -> Result<Exit, Error> {
        let started = Instant::now();
        let name = self.backup.name.clone().unwrap_or_else(|| default_name(path));
        let settings = self.settings(&name);
        let cache = Directories::from_env().cache;
        let source = lifeboat::open_source(path, &cache, &settings).await?;
        let destination = self.destination().await?;
        let before = destination.repository().remote().requests();
        let report = destination.backup_source(source, path, &settings).await?;
        // The bars are gone before anything is printed.
        drop(settings);
        let requests = destination.repository().remote().requests() - before;
        let duration = started.elapsed();
        let destination = destination.shown();
        Ok(self.report(&Backed { report: &report, destination, requests, duration }))
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

/// Two databases of one name would take turns in one history.
fn two_of_one_name(backup: &BackupArguments) -> Result<(), Refusal> {
    let name = |path: &Path| backup.name.clone().unwrap_or_else(|| default_name(path));
    for (at, path) in backup.databases.iter().enumerate() {
        if let Some(other) = backup.databases[..at].iter().find(|other| name(other) == name(path)) {
            return Err(Refusal {
                exit: Exit::Usage,
                message: format!(
                    "{} and {} would both be named {:?}",
                    other.display(),
                    path.display(),
                    name(path)
                ),
                hint: "back them up one at a time, with --as".into(),
            });
        }
    }
    Ok(())
}
