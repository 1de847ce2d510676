//! The others, where they are installed: each run as its users run it.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::command::{bytes_below, shell};
use super::databases::Database;
use super::report::Report;
use crate::process::answers;

/// A tool, as lines of shell in the folder of `app.db`.
struct Peer {
    who: &'static str,
    /// What must answer for it to be there, and to what.
    needs: &'static [(&'static str, &'static str)],
    /// Once, before the first backup; not measured.
    prepare: &'static str,
    /// A backup.
    back_up: &'static str,
    /// A restore to `out.db`, or below `out`; none where that is a copy.
    restore: Option<&'static str>,
    /// Where backups are.
    stored: &'static str,
}

const PEERS: &[Peer] = &[
    Peer {
        who: "cp",
        needs: &[],
        prepare: "",
        back_up: "cp app.db app.copy",
        restore: None,
        stored: "app.copy",
    },
    Peer {
        who: "sqlite3 .backup",
        needs: &[("sqlite3", "--version")],
        prepare: "",
        back_up: "sqlite3 app.db '.backup app.copy'",
        restore: None,
        stored: "app.copy",
    },
    Peer {
        who: "sqlite3 .backup, zstd -3, openssl",
        needs: &[("sqlite3", "--version"), ("zstd", "--version"), ("openssl", "version")],
        prepare: "",
        back_up: "sqlite3 app.db '.backup app.copy' && zstd -3 -T0 -q -c app.copy | \
                  openssl enc -aes-256-ctr -pbkdf2 -pass pass:benchmark -out app.sealed",
        restore: Some(
            "openssl enc -d -aes-256-ctr -pbkdf2 -pass pass:benchmark -in app.sealed | \
             zstd -d -q -f -o out.db",
        ),
        stored: "app.sealed",
    },
    Peer {
        who: "restic",
        needs: &[("restic", "version")],
        prepare: "RESTIC_PASSWORD=benchmark restic -q -r store --cache-dir cache init",
        back_up: "RESTIC_PASSWORD=benchmark restic -q -r store --cache-dir cache backup app.db",
        restore: Some(
            "RESTIC_PASSWORD=benchmark restic -q -r store --cache-dir cache restore latest \
             --target out",
        ),
        stored: "store",
    },
    Peer {
        who: "rustic",
        needs: &[("rustic", "--version")],
        prepare: "RUSTIC_PASSWORD=benchmark rustic -r store --cache-dir cache init",
        back_up: "RUSTIC_PASSWORD=benchmark rustic -r store --cache-dir cache --no-progress \
                  backup app.db",
        restore: Some(
            "RUSTIC_PASSWORD=benchmark rustic -r store --cache-dir cache --no-progress \
             restore latest out",
        ),
        stored: "store",
    },
    Peer {
        who: "borg, zstd 3",
        needs: &[("borg", "--version")],
        prepare: "BORG_BASE_DIR=. BORG_PASSPHRASE=benchmark borg init -e repokey store",
        back_up: "BORG_BASE_DIR=. BORG_PASSPHRASE=benchmark \
                  borg create -C zstd,3 \"store::$(date +%s%N)\" app.db",
        restore: Some(
            "mkdir -p out && cd out && BORG_BASE_DIR=.. BORG_PASSPHRASE=benchmark \
             borg extract \"../store::$(BORG_BASE_DIR=.. BORG_PASSPHRASE=benchmark \
             borg list --short --last 1 ../store)\"",
        ),
        stored: "store",
    },
];

/// Runs those that are there through the cases that all have.
pub(super) fn measure(folder: &Path, database: &Database, report: &mut Report) -> Result<()> {
    let original = folder.join("original.db");
    fs::copy(&database.path, &original)?;
    for peer in PEERS {
        if !peer.needs.iter().all(|(program, word)| answers(program, &[word])) {
            super::say(&format!("  {} is not installed: left out", peer.who));
            continue;
        }
        fs::copy(&original, &database.path)?;
        compare(peer, folder, database, report)?;
    }
    fs::remove_file(&original)?;
    Ok(())
}

fn compare(peer: &Peer, folder: &Path, database: &Database, report: &mut Report) -> Result<()> {
    let size = database.size;
    if !peer.prepare.is_empty() {
        shell(folder, peer.prepare)?;
    }
    let stored = folder.join(peer.stored);
    let incremental = stored.is_dir();
    let mut before = if incremental { bytes_below(&stored)? } else { 0 };
    for what in ["first backup", "nothing changed", "1 % of pages changed"] {
        if what.starts_with('1') {
            database.change(0.01)?;
            database.checkpoint()?;
        }
        let measured = shell(folder, peer.back_up)?;
        let after = bytes_below(&stored)?;
        let row = super::row(report, size, peer.who, what, &measured);
        // Who writes a copy each time stores all of it each time.
        row.sent = Some(if incremental { after - before } else { after });
        before = after;
    }
    if let Some(restore) = peer.restore {
        let measured = shell(folder, restore)?;
        super::row(report, size, peer.who, "restore", &measured);
    }
    for left in ["store", "cache", "out", "out.db", "app.copy", "app.sealed", ".config", ".cache"] {
        let path = folder.join(left);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
