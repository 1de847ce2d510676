//! `lifeboat import`: the backups of another tool become snapshots.

use lifeboat::{Error, ForeignBackups, Imported, Missing};
use serde_json::json;

use crate::arguments::{Arguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{several, size, utc};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    prefix: &str,
    name: Option<&str>,
    dry_run: bool,
    reporter: &Reporter,
) -> Exit {
    match import(arguments, prefix, name, dry_run, reporter).await {
        Ok(exit) => exit,
        Err(error) => reporter.error("", &error, About::Backup),
    }
}

async fn import(
    arguments: &Arguments,
    prefix: &str,
    name: Option<&str>,
    dry_run: bool,
    reporter: &Reporter,
) -> Result<Exit, Error> {
    let backups = ForeignBackups::find(prefix).await?;
    if backups.found.is_empty() {
        let refusal = Refusal {
            exit: Exit::Refused,
            message: format!("nothing is called {prefix}<name>_<YYYYMMDD>_<HHMMSS>.db"),
            hint: "a prefix is a path or URL; a folder ends in a slash".into(),
        };
        reporter.refuse(&refusal);
        return Ok(refusal.exit);
    }
    let names: std::collections::BTreeSet<&str> =
        backups.found.iter().map(|backup| backup.name.as_str()).collect();
    if name.is_some() && names.len() > 1 {
        let refusal = Refusal {
            exit: Exit::Usage,
            message: format!("--as names one database, and there are {}", names.len()),
            hint: "lengthen the prefix until it fits one of them".into(),
        };
        reporter.refuse(&refusal);
        return Ok(refusal.exit);
    }
    if dry_run {
        for backup in &backups.found {
            let what = json!({
                "database": backup.name, "taken_at": utc(backup.taken_at), "size": backup.size,
                "key": backup.key,
            });
            let line = format!("{}  {}  {}", backup.key, utc(backup.taken_at), size(backup.size));
            reporter.found("foreign_backup", what, &line);
        }
        let count = backups.found.len();
        let line = format!("{} would be imported", several(count as u64, "file"));
        reporter.told(json!({ "found": count, "imported": 0 }), &[line]);
        return Ok(Exit::Ok);
    }
    let destination = super::open(arguments, Missing::CreateIfLocal).await?;
    let (mut imported, mut too_old, mut failed) = (0u64, 0u64, 0u64);
    let done = |backup: &lifeboat::ForeignBackup, outcome: Result<&Imported, &Error>| {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                failed += 1;
                reporter.error(&backup.key, error, About::Backup);
                return;
            }
        };
        let (word, id) = match outcome {
            Imported::Done(id) => ("imported as", id.as_str()),
            Imported::Unchanged(id) => ("the same as", id.as_str()),
            Imported::AlreadyThere(id) => ("imported before as", id.as_str()),
            Imported::TooOld => ("left out: older than the newest snapshot", ""),
            _ => ("", ""),
        };
        imported += u64::from(matches!(outcome, Imported::Done(_)));
        too_old += u64::from(matches!(outcome, Imported::TooOld));
        let object = json!({ "key": backup.key, "outcome": word, "snapshot_id": id });
        reporter.found("imported", object, &format!("{}: {word} {id}", backup.key));
    };
    destination.import(&backups, name, done).await?;
    let found = backups.found.len();
    let line = format!("{} of {found} imported; the files were left alone", imported);
    let sums = json!({
        "found": found, "imported": imported, "too_old": too_old, "failed": failed,
    });
    reporter.told(sums, &[line]);
    Ok(if too_old + failed > 0 { Exit::PartlyDone } else { Exit::Ok })
}
