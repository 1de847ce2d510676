//! `lifeboat backup`: one database after the other.

use std::path::Path;
use std::time::Instant;

use lifeboat::snapshot::{Notice, default_name};
use lifeboat::{BackupSettings, Destination, Missing};

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
    let missing = if backup.init { Missing::Create } else { Missing::CreateIfLocal };
    // A source that cannot be used is said before a repository is made for it.
    if let [one] = &backup.databases[..]
        && let Err(error) = look(one)
    {
        return reporter.error(&one.display().to_string(), &error, About::Backup);
    }
    let destination = match super::open(arguments, missing).await {
        Ok(destination) => destination,
        Err(error) => return reporter.error("", &error, About::Backup),
    };
    let mut exits = Vec::new();
    let mut done = Vec::new();
    for path in &backup.databases {
        let exit = one(path, backup, &destination, reporter, &mut done).await;
        exits.push(exit);
    }
    let exit = Exit::of_all(&exits);
    let failed = backup.databases.len() - done.len();
    // The last object of a single failure is its error.
    if backup.databases.len() > 1 || failed == 0 {
        reporter.all_backed_up(&done, failed, exit);
    }
    exit
}

fn look(path: &Path) -> Result<(), lifeboat::Error> {
    let options = lifeboat::snapshot::OpenOptions::default();
    lifeboat::snapshot::LiveDatabase::open(path, &options).map(drop).map_err(Into::into)
}

async fn one(
    path: &Path,
    backup: &BackupArguments,
    destination: &Destination,
    reporter: &Reporter,
    done: &mut Vec<serde_json::Value>,
) -> Exit {
    let name = backup.name.clone().unwrap_or_else(|| default_name(path));
    let mut settings = BackupSettings::default();
    settings.name = Some(name.clone());
    settings.description.clone_from(&backup.description);
    settings.tags = backup.tags.iter().cloned().collect();
    settings.full = backup.full;
    settings.explain = backup.explain;
    settings.take_over = backup.take_over;
    settings.expect = backup.expect;
    settings.progress = progress::show(reporter.progress(), &name);
    let started = Instant::now();
    let before = destination.repository().remote().requests();
    let result = destination.backup(path, &settings).await;
    drop(settings);
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            return reporter.error(&path.display().to_string(), &error, About::Backup);
        }
    };
    for notice in &report.notices {
        match notice {
            Notice::HotJournalRolledBack => reporter.say(&format!("{name}: {notice}")),
            notice => reporter.warn(&format!("{name}: {notice}")),
        }
    }
    if let Some(owner) = &report.adopted_from {
        reporter.warn(&format!("{name}: taken over from installation {owner}"));
    }
    let backed = Backed {
        report: &report,
        destination: destination.shown(),
        requests: destination.repository().remote().requests() - before,
        duration: started.elapsed(),
    };
    reporter.backed_up(&backed);
    done.push(reporter.tally(&backed));
    for number in &report.damaged_records {
        reporter.warn(&format!(
            "{name}: record {number} is damaged; this snapshot was built on the last good one"
        ));
    }
    if report.damaged_records.is_empty() { Exit::Ok } else { Exit::Damage }
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
