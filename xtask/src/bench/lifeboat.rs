//! Ours: each case of the table.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::command::{self, Measured, bytes_below};
use super::databases::Database;
use super::report::{Report, Row};

/// Nobody's key but this benchmark's.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The binary with a repository and folders of its own.
pub(super) struct Tool {
    binary: PathBuf,
    folder: PathBuf,
    repository: String,
    sealed: bool,
    compression: &'static str,
}

impl Tool {
    /// A new one, in a folder that need not be there yet.
    pub(super) fn new(binary: &Path, folder: PathBuf, sealed: bool) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let repository = folder.join("backups").display().to_string();
        let compression = "balanced";
        Ok(Self { binary: binary.to_owned(), folder, repository, sealed, compression })
    }

    /// The command with these words, not yet started.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder);
        // Nothing of whoever runs the benchmark has a say.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["LIFEBOAT_", "BACKUP_", "AWS_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.env("LIFEBOAT_REPOSITORY", &self.repository);
        command.env("LIFEBOAT_CACHE_DIR", self.folder.join("cache"));
        command.env("LIFEBOAT_STATE_DIR", self.folder.join("state"));
        command.env("LIFEBOAT_COMPRESSION", self.compression);
        if self.sealed {
            command.env("LIFEBOAT_KEY", KEY);
        }
        command.args(["--json", "--progress", "none"]).args(words);
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Result<Measured> {
        command::run(&mut self.command(words))
    }
}

/// Backs up, changes, backs up again, and restores.
pub(super) fn measure(
    binary: &Path,
    folder: &Path,
    database: &Database,
    report: &mut Report,
) -> Result<()> {
    let original = folder.join("original.db");
    std::fs::copy(&database.path, &original)?;
    for sealed in [false, true] {
        let who = if sealed { "lifeboat, sealed" } else { "lifeboat" };
        let tool = Tool::new(binary, folder.join(who.replace(", ", "-")), sealed)?;
        std::fs::copy(&original, &database.path)?;
        let mut database = Database::again(database);
        cases(&tool, who, &mut database, report)?;
        std::fs::remove_dir_all(&tool.folder)?;
    }
    std::fs::copy(&original, &database.path)?;
    std::fs::remove_file(&original)?;
    for (compression, who) in [("fast", "lifeboat, fast"), ("small", "lifeboat, small")] {
        let mut tool = Tool::new(binary, folder.join(compression), true)?;
        tool.compression = compression;
        let measured = tool.run(&["backup", &database.path.display().to_string()])?;
        let summary = measured.summary()?;
        let row = super::row(report, database.size, who, "first backup", &measured);
        backed_up(row, &summary)?;
        std::fs::remove_dir_all(&tool.folder)?;
    }
    Ok(())
}

fn cases(tool: &Tool, who: &str, database: &mut Database, report: &mut Report) -> Result<()> {
    let path = database.path.display().to_string();
    let size = database.size;
    let mut back_up = |what: &str| -> Result<()> {
        let measured = tool.run(&["backup", &path])?;
        let summary = measured.summary()?;
        backed_up(super::row(report, size, who, what, &measured), &summary)
    };
    back_up("first backup")?;
    back_up("nothing changed")?;
    for (share, what) in [
        (0.0001, "0.01 % of pages changed"),
        (0.001, "0.1 % of pages changed"),
        (0.01, "1 % of pages changed"),
        (0.1, "10 % of pages changed"),
    ] {
        database.change(share)?;
        back_up(what)?;
    }
    database.append(0.01)?;
    back_up("1 % appended")?;
    database.vacuum()?;
    back_up("after VACUUM")?;
    database.checkpoint()?;

    let measured = tool.run(&["restore", "app", "--target", "out.db"])?;
    let summary = measured.summary()?;
    fetched(super::row(report, size, who, "restore", &measured), &summary);
    database.change(0.01)?;
    database.checkpoint()?;
    std::fs::copy(&database.path, tool.folder.join("out.db"))?;
    let measured = tool.run(&["restore", "app", "--target", "out.db", "--force"])?;
    let summary = measured.summary()?;
    let what = "restore over a file that differs by 1 %";
    fetched(super::row(report, size, who, what, &measured), &summary);
    let measured = tool.run(&["check", "--read-data"])?;
    super::row(report, size, who, "check, all data read", &measured);
    let stored = bytes_below(&tool.folder.join("backups"))?;
    super::say(&format!("  {who}: {} MiB stored in the end", stored >> 20));
    Ok(())
}

fn backed_up(row: &mut Row, summary: &Value) -> Result<()> {
    let number = |field: &str| {
        summary[field].as_u64().with_context(|| format!("a backup says nothing of `{field}`"))
    };
    row.sent = Some(number("bytes_sent")?);
    row.objects = Some(number("objects_written")?);
    row.requests = Some(number("requests")?);
    Ok(())
}

fn fetched(row: &mut Row, summary: &Value) {
    row.fetched = summary["bytes_fetched"].as_u64();
    row.requests = summary["requests"].as_u64();
}

/// Lists and prunes so many snapshots of a database that is hardly there.
pub(super) fn many(binary: &Path, folder: &Path, count: u32, report: &mut Report) -> Result<()> {
    super::say(&format!("{count} snapshots"));
    let tool = Tool::new(binary, folder.join(format!("many-{count}")), false)?;
    let database = Database::tiny(&tool.folder.join("app.db"))?;
    for _ in 0..count {
        database.change(1.0)?;
        tool.run(&["backup", "app.db"])?;
    }
    let listed = tool.run(&["snapshots"])?;
    super::row(report, 0, "lifeboat", &format!("list {count} snapshots"), &listed);
    let half = (count / 2).max(1).to_string();
    let forgotten = tool.run(&["forget", "app", "--keep-last", &half])?;
    super::row(report, 0, "lifeboat", &format!("forget half of {count} snapshots"), &forgotten);
    let pruned = tool.run(&["prune"])?;
    super::row(report, 0, "lifeboat", &format!("prune beside {count} records"), &pruned);
    std::fs::remove_dir_all(&tool.folder)?;
    Ok(())
}
