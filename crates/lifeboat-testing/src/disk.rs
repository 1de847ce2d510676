//! What a program did to a folder, and what a loss of power would have left of it.
//!
//! The program runs under `strace`; what it wrote, renamed and synced is read from
//! there ([`Recording::of`]). What was there before counts as safe on the disk. After
//! any of its calls the power may go ([`Recording::after`]): then what was synced is
//! there, and of the rest as much as a [`Loss`] says. A name is safe when its folder
//! was synced, content when the file was; nothing else promises anything, whatever
//! some file systems do beyond it.

mod replay;
mod trace;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

pub use self::replay::Loss;
use self::replay::Replay;
use self::trace::Event;

/// Paths below the folder, with the bytes of files; none for folders.
pub type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// What a program did to a folder.
#[derive(Debug)]
pub struct Recording {
    before: Tree,
    events: Vec<Event>,
    /// How it ended.
    pub output: Output,
}

impl Recording {
    /// Runs a program under `strace`, of whose files those in the folder are meant.
    /// `enter` says how and where it is to run: it is handed the command of the
    /// tracer, to which the program's own arguments were added.
    ///
    /// # Panics
    ///
    /// Where `strace` is not installed.
    pub fn of(
        folder: &Path,
        program: &Path,
        arguments: &[&str],
        enter: impl FnOnce(&mut Command),
    ) -> Self {
        let before = read(folder);
        // Beside the folder, so that it is no part of what is recorded.
        let log = folder.with_extension("strace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-xx", "-s", "4194304", "-e", trace::CALLS, "-o"]).arg(&log);
        strace.arg(program).args(arguments);
        enter(&mut strace);
        let output = strace.output().expect("strace is installed");
        let text = std::fs::read_to_string(&log).expect("strace wrote its log");
        std::fs::remove_file(&log).expect("is there");
        let events = trace::events(&text, folder);
        Self { before, events, output }
    }

    /// How many calls there are after which the power may go.
    pub fn calls(&self) -> usize {
        self.events.len()
    }

    /// What the `n`-th call was, counted from 1, in words.
    pub fn call(&self, n: usize) -> String {
        self.events[n - 1].to_string()
    }

    /// What lies in the folder when the power goes after so many calls.
    pub fn after(&self, calls: usize, loss: Loss) -> Tree {
        let mut replay = Replay::of(&self.before);
        self.events[..calls].iter().for_each(|event| replay.apply(event));
        replay.cut(loss)
    }

    /// What lies there if nothing is lost: as it is now.
    pub fn whole(&self) -> Tree {
        let mut replay = Replay::of(&self.before);
        self.events.iter().for_each(|event| replay.apply(event));
        replay.view()
    }
}

/// Everything in a folder.
pub fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("lists").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(folder).expect("is below it");
            let name = name.to_str().expect("tests name files in UTF-8").to_owned();
            if path.is_dir() {
                tree.insert(name, None);
                folders.push(path);
            } else {
                tree.insert(name, Some(std::fs::read(&path).expect("reads")));
            }
        }
    }
    tree
}

/// Makes a folder what a tree says, and nothing else.
pub fn write(tree: &Tree, folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).expect("makes");
    for (name, bytes) in tree {
        let path = folder.join(name);
        match bytes {
            None => std::fs::create_dir_all(&path).expect("makes"),
            Some(bytes) => {
                std::fs::create_dir_all(path.parent().expect("has one")).expect("makes");
                std::fs::write(&path, bytes).expect("writes");
            }
        }
    }
}
