//! Whether a database can be read, and how.

use std::path::Path;

use lifeboat_snapshot::CaptureFailure;

use super::{Finding, Level, bytes, causes, version};
use crate::take::{BackupSettings, open_source};

/// Looks at a database as a backup would, and reads none of it.
pub async fn database(path: &Path, cache_dir: &Path) -> Vec<Finding> {
    let about = format!("database {}", path.display());
    let source = open_source(path, cache_dir, &BackupSettings::default()).await;
    let looked = match source {
        Ok(mut source) => {
            let look = tokio::task::spawn_blocking(move || {
                let look = source.look();
                (look, source.notices().to_vec())
            });
            match look.await {
                Ok((Ok(look), notices)) => Ok((look, notices)),
                Ok((Err(failure), _)) => Err((causes(&failure), fix(&failure, path))),
                Err(error) => Err((error.to_string(), quick_check(path))),
            }
        }
        Err(error) if path.exists() => Err((causes(&error), quick_check(path))),
        Err(error) => Err((causes(&error), format!("ls -l {}", quoted(path)))),
    };
    let (look, notices) = match looked {
        Ok(found) => found,
        Err((why, fix)) => {
            let text = format!("failed to {why}");
            return vec![Finding::bad(Level::Problem, about, text, fix)];
        }
    };
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut findings = vec![Finding::ok(
        about.clone(),
        format!("can be read; {} in pages of {} bytes", bytes(size), look.page_size),
    )];
    findings.push(if look.is_wal {
        Finding::ok(format!("{about}: journal"), "WAL: writers do not wait for backups")
    } else {
        let text = "a rollback journal: writers wait for short times while a backup reads";
        let fix = format!("sqlite3 {} 'PRAGMA journal_mode=WAL'", quoted(path));
        Finding::bad(Level::Warning, format!("{about}: journal"), text, fix)
    });
    let libraries = match look.written_by {
        0 => format!("SQLite {} here; who wrote it is not known", version(look.library)),
        writer => {
            format!("SQLite {} here, last written by {}", version(look.library), version(writer))
        }
    };
    findings.push(Finding::ok(format!("{about}: library"), libraries));
    for notice in notices {
        let fix = "have the application use SQLite 3.51.3 or newer, and run as a user who may \
                   write to the database's directory";
        findings.push(Finding::bad(Level::Warning, about.clone(), notice.to_string(), fix));
    }
    findings
}

/// What mends it, or shows more of it.
fn fix(failure: &CaptureFailure, path: &Path) -> String {
    let path = quoted(path);
    match failure {
        CaptureFailure::Busy { .. } => format!("fuser -v {path}    # shows who holds it"),
        CaptureFailure::NotADatabase { .. } => format!("file {path}    # what it is instead"),
        CaptureFailure::SidecarsUnavailable { .. } | CaptureFailure::HotJournal { .. } => {
            format!("sudo -u \"$(stat -c %U {path})\" lifeboat doctor {path}    # as its owner")
        }
        _ => format!("sqlite3 {path} 'PRAGMA quick_check'"),
    }
}

fn quick_check(path: &Path) -> String {
    format!("sqlite3 {} 'PRAGMA quick_check'", quoted(path))
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
