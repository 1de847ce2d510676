//! What commands do where there are no backups.
//!
//! Making some says why and is no failure, so that whatever runs afterwards
//! runs; there are none to list; what needs one is refused.

use serde_json::json;

use crate::arguments::{Command, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use lifeboat::setup::Disabled;

/// How a command ends that has no backups to work with, or nothing where it
/// needs none.
pub(crate) fn answer(command: &Command, disabled: &Disabled, reporter: &Reporter) -> Option<Exit> {
    let Disabled { reason, hint, .. } = disabled;
    let summary = match command {
        Command::Backup(_) => {
            json!({ "disabled": reason, "snapshot_id": null, "databases": 0, "failed": 0, "code": 0 })
        }
        Command::Snapshots(_) => {
            json!({ "disabled": reason, "databases": 0, "snapshots": 0, "code": 0 })
        }
        Command::Forget(_) => {
            json!({ "disabled": reason, "kept": 0, "forgotten": 0, "code": 0 })
        }
        Command::Prune(_) => {
            json!({
                "disabled": reason, "databases": 0, "dropped": 0, "deleted": 0, "bytes_freed": 0,
                "code": 0,
            })
        }
        Command::Stats { .. } | Command::Status => {
            json!({ "disabled": reason, "databases": 0, "code": 0 })
        }
        Command::Init(_) | Command::Import { .. } => json!({ "disabled": reason, "code": 0 }),
        Command::Restore(_)
        | Command::Export(_)
        | Command::Check(_)
        | Command::Drill(_)
        | Command::Repair(_)
        | Command::Undelete(_)
        | Command::Pin(_)
        | Command::Unpin(_)
        | Command::Diff(_)
        | Command::Copy(_)
        | Command::Sync { .. }
        | Command::Key(_) => {
            let refusal = Refusal {
                exit: Exit::Refused,
                message: format!("there are no backups here: {reason}"),
                hint: hint.clone(),
            };
            reporter.refuse(&refusal);
            return Some(refusal.exit);
        }
        // These have words of their own for it.
        Command::Run(_) | Command::Health(_) | Command::Links(_) => return None,
        Command::Decrypt { .. }
        | Command::Notify(_)
        | Command::Doctor { .. }
        | Command::Storage(_)
        | Command::Config(_)
        | Command::Object(_)
        | Command::Completions { .. }
        | Command::Man { .. } => return None,
    };
    reporter.warn(&format!("backups are disabled: {reason}; {hint}"));
    if let Command::Backup(backup) = command {
        for path in &backup.databases {
            tracing::debug!(database = %path.display(), "skipped: backups are disabled");
        }
    }
    reporter.told(summary, &[]);
    Some(Exit::Ok)
}
