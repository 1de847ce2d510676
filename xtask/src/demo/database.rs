//! The database of the demonstration, written by SQLite itself through whatever
//! tool the machine has: xtask must build in seconds, and so does not compile SQLite.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The database of coordinate systems that Debian's `proj-data` brings: small,
/// but nobody made it up for a demonstration.
const PROJ: &str = "/usr/share/proj/proj.db";

/// Made where there is no real one: ten thousand orders of a small shop.
const SHOP: &str = "\
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, \
cents INTEGER NOT NULL); \
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
INSERT INTO orders SELECT i, 'customer ' || (i * 7919 % 997), 'item ' || (i * 104729 % 499), \
i * 7907 % 10000 FROM n; \
CREATE INDEX orders_by_customer ON orders (customer);";

/// Somebody works with the application.
const CHANGE: &str = "CREATE TABLE visits (id INTEGER PRIMARY KEY, who TEXT); \
INSERT INTO visits (who) VALUES ('Ada'), ('Grace'), ('Barbara');";

/// What the standard library of Python needs to do as the command-line shell does.
const PYTHON: &str = "\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
if sys.argv[2] == '.dump':
    for line in connection.iterdump():
        print(line)
elif sys.argv[2].startswith('PRAGMA'):
    for row in connection.execute(sys.argv[2]):
        print(*row, sep='|')
else:
    connection.executescript(sys.argv[2])
connection.close()
";

/// The database, and the tool that speaks to it.
pub(super) struct Database {
    tool: Tool,
    description: &'static str,
}

#[derive(Clone, Copy)]
enum Tool {
    Shell,
    Python,
}

impl Database {
    /// Makes `app.db` in the folder, in WAL mode as live applications have it.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let tool = Tool::find()?;
        let path = folder.join("app.db");
        let description = if Path::new(PROJ).is_file() {
            println!("  $ cp {PROJ} app.db");
            fs::copy(PROJ, &path).context("the real database cannot be copied")?;
            "a real database: the world's coordinate systems, from Debian's proj-data"
        } else {
            tool.show("app.db", "CREATE TABLE orders …; INSERT INTO orders …");
            tool.say(&path, SHOP)?;
            "ten thousand orders of a small shop"
        };
        tool.say(&path, "PRAGMA journal_mode = wal")?;
        Ok(Self { tool, description })
    }

    /// What it holds, as the end of a sentence.
    pub(super) fn description(&self) -> &str {
        self.description
    }

    /// Adds a table with a few rows.
    pub(super) fn change(&self, folder: &Path) -> Result<()> {
        self.tool.show("app.db", CHANGE);
        self.tool.say(&folder.join("app.db"), CHANGE).map(drop)
    }

    /// The whole content as SQL.
    pub(super) fn dump(&self, path: &Path) -> Result<String> {
        self.tool.say(path, ".dump")
    }

    /// The answer of SQLite's integrity check, `ok` if all is well.
    pub(super) fn integrity(&self, path: &Path) -> Result<String> {
        let answer = self.tool.say(path, "PRAGMA integrity_check")?;
        Ok(answer.trim().to_owned())
    }
}

impl Tool {
    fn find() -> Result<Self> {
        if process::answers("sqlite3", &["--version"]) {
            return Ok(Self::Shell);
        }
        if process::answers("python3", &["-c", "import sqlite3"]) {
            return Ok(Self::Python);
        }
        bail!(
            "the demonstration needs something that speaks SQLite: install the `sqlite3` \
             command (Debian: `apt-get install sqlite3`) or Python 3"
        )
    }

    /// Prints the command in the form that people know, whichever tool runs it.
    fn show(self, name: &str, sql: &str) {
        println!("\n  $ sqlite3 {name} \"{sql}\"");
    }

    fn say(self, path: &Path, sql: &str) -> Result<String> {
        let mut command = match self {
            Self::Shell => Command::new("sqlite3"),
            Self::Python => {
                let mut python = Command::new("python3");
                python.args(["-c", PYTHON]);
                python
            }
        };
        process::output(command.arg(path).arg(sql))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_that_is_here_writes_and_reads_the_same_database() {
        for (tool, program) in [(Tool::Shell, "sqlite3"), (Tool::Python, "python3")] {
            if !process::answers(program, &["--version"]) {
                eprintln!("skipped: {program} is not here");
                continue;
            }
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("app.db");
            let database = Database { tool, description: "" };
            tool.say(&path, SHOP).expect("the database is made");
            database.change(folder.path()).expect("it is changed");
            assert_eq!(database.integrity(&path).expect("it is checked"), "ok");
            let dump = database.dump(&path).expect("it is dumped");
            assert_eq!(dump.lines().filter(|line| line.starts_with("INSERT")).count(), 10_003);
        }
    }
}
