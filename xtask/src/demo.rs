//! `cargo xtask demo`: the program at work on a real database.
//!
//! Everything happens in one new folder, settings and caches included, so that
//! the demonstration neither reads nor leaves anything elsewhere.

mod database;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{build, process};
use database::Database;

/// Builds the binary and tells the story.
pub(crate) fn run() -> Result<()> {
    let binary = build::release_binary()?;
    let folder = new_folder()?;
    let stage = Stage { binary, folder };
    let result = stage.play();
    // Whether it went well or not, the folder is worth a look.
    say("The folder stays for you to look at. When you have seen enough:");
    println!("  $ rm -r {}", stage.folder.display());
    result
}

fn new_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("lifeboat-demo-{}", std::process::id()));
    fs::create_dir(&folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    Ok(folder)
}

/// A pause between two thoughts.
fn say(text: &str) {
    println!("\n# {text}");
}

/// The folder in which everything happens, and the program that it is about.
struct Stage {
    binary: PathBuf,
    folder: PathBuf,
}

impl Stage {
    fn play(&self) -> Result<()> {
        println!("  $ cd {}", self.folder.display());
        let database = Database::create(&self.folder)?;
        say(&format!("app.db is {}.", database.description()));

        say("Back it up. Without further words, backups go to ./backups.");
        self.lifeboat(&["backup", "app.db"])?;

        say("The application goes on writing.");
        database.change(&self.folder)?;

        say("Back it up again: only what changed is stored.");
        self.lifeboat(&["backup", "app.db"])?;
        self.lifeboat(&["snapshots"])?;

        say("Bring it back, beside the original.");
        self.lifeboat(&["restore", "app", "--target", "restored.db"])?;

        say("And is it the same?");
        self.compare(&database)
    }

    /// Prints a command as a person would type it, and runs it.
    fn lifeboat(&self, arguments: &[&str]) -> Result<()> {
        println!("\n  $ lifeboat {}", arguments.join(" "));
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LIFEBOAT_") {
                command.env_remove(&name);
            }
        }
        command.env("LIFEBOAT_CACHE_DIR", self.folder.join("cache"));
        command.env("LIFEBOAT_STATE_DIR", self.folder.join("state"));
        // Wherever it runs: the folder for temporary files often lies in memory.
        command.env("LIFEBOAT_LOCAL_DISK", "lasts");
        let start = Instant::now();
        process::run(&mut command)?;
        println!("  ({:.2} s)", start.elapsed().as_secs_f32());
        Ok(())
    }

    fn compare(&self, database: &Database) -> Result<()> {
        let verdict = database.integrity(&self.folder.join("restored.db"))?;
        println!("  SQLite's own integrity check says: {verdict}");
        ensure!(verdict == "ok", "the restored database is damaged");

        let original = database.dump(&self.folder.join("app.db"))?;
        let restored = database.dump(&self.folder.join("restored.db"))?;
        ensure!(original == restored, "the restored database is not the one that was backed up");
        let rows = original.lines().filter(|line| line.starts_with("INSERT")).count();
        println!("  dumped as SQL, both are the same: {rows} rows, {} bytes", original.len());

        if fs::read(self.folder.join("app.db"))? == fs::read(self.folder.join("restored.db"))? {
            println!("  and the files are equal, byte for byte");
        }
        let (before, after) = (size(&self.folder.join("app.db"))?, size_below(&self.backups())?);
        println!("  {before} bytes of database, {after} bytes for both backups");
        Ok(())
    }

    fn backups(&self) -> PathBuf {
        self.folder.join("backups")
    }
}

fn size(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path);
    Ok(metadata.with_context(|| format!("{} is not there", path.display()))?.len())
}

/// The bytes of all files in a folder.
fn size_below(folder: &Path) -> Result<u64> {
    let mut total = 0;
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("{} is not there", folder.display()))? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        total += if is_folder { size_below(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}
