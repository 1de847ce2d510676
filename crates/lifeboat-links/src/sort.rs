//! Sorting more than fits into memory, by way of temporary files.
//!
//! Entries are collected up to a budget, sorted, and written out as a run; at the
//! end all runs are merged. The files have no name from the moment they are made,
//! so that nobody else reads them and a crash leaves none.

mod run;

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;
use std::path::{Path, PathBuf};

use self::run::{RunReader, RunWriter};

/// So many runs are merged at once: each has a file and a buffer.
const FAN: usize = 64;

/// What an entry takes besides its bytes.
const SLOT: usize = size_of::<Slot>();

/// A key, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

/// Where an entry lies in the arena: key, then payload.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    at: u32,
    key: u32,
    all: u32,
}

/// Collects entries in any order.
pub(crate) struct Sorter {
    folder: PathBuf,
    budget: usize,
    arena: Vec<u8>,
    slots: Vec<Slot>,
    runs: Vec<RunReader>,
}

impl Sorter {
    /// With temporary files in a folder, which must be there, and at most so many
    /// bytes of memory for entries.
    pub(crate) fn new(folder: &Path, budget: usize) -> Self {
        // Offsets are 32 bits.
        let budget = budget.clamp(4096, 1 << 30);
        Self {
            folder: folder.to_owned(),
            budget,
            arena: Vec::new(),
            slots: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, key: &[u8], payload: &[u8]) -> io::Result<()> {
        let all = key.len() + payload.len();
        let taken = self.arena.len() + self.slots.len() * SLOT;
        if taken + all + SLOT > self.budget && !self.slots.is_empty() {
            self.spill()?;
        }
        let size = |length: usize| {
            u32::try_from(length).map_err(|_| io::Error::other("an entry of more than 4 GiB"))
        };
        let slot = Slot { at: size(self.arena.len())?, key: size(key.len())?, all: size(all)? };
        size(self.arena.len() + all)?;
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(payload);
        self.slots.push(slot);
        Ok(())
    }

    /// Everything, in order.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.sort();
            return Ok(Sorted::Memory { arena: self.arena, slots: self.slots, next: 0 });
        }
        if !self.slots.is_empty() {
            self.spill()?;
        }
        Ok(Sorted::Files(Merge::of(self.runs)?))
    }

    fn sort(&mut self) {
        let Self { arena, slots, .. } = self;
        slots.sort_unstable_by(|one, other| parts(arena, *one).cmp(&parts(arena, *other)));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut run = RunWriter::create(&self.folder)?;
        for slot in &self.slots {
            let (key, payload) = parts(&self.arena, *slot);
            run.push(key, payload)?;
        }
        self.arena.clear();
        self.slots.clear();
        self.runs.push(run.finish()?);
        if self.runs.len() == FAN {
            let mut merged = Merge::of(std::mem::take(&mut self.runs))?;
            let (mut run, mut entry) = (RunWriter::create(&self.folder)?, Entry::default());
            while merged.advance(&mut entry)? {
                run.push(&entry.key, &entry.payload)?;
            }
            self.runs.push(run.finish()?);
        }
        Ok(())
    }
}

fn parts(arena: &[u8], slot: Slot) -> (&[u8], &[u8]) {
    let at = slot.at as usize;
    arena[at..at + slot.all as usize].split_at(slot.key as usize)
}

/// Entries in order: by key, and those of one key by what belongs to it.
pub(crate) enum Sorted {
    Memory { arena: Vec<u8>, slots: Vec<Slot>, next: usize },
    Files(Merge),
}

impl Sorted {
    /// Goes to the next entry; false at the end.
    pub(crate) fn advance(&mut self, entry: &mut Entry) -> io::Result<bool> {
        match self {
            Self::Memory { arena, slots, next } => {
                let Some(slot) = slots.get(*next) else { return Ok(false) };
                *next += 1;
                let (key, payload) = parts(arena, *slot);
                entry.key.clear();
                entry.key.extend_from_slice(key);
                entry.payload.clear();
                entry.payload.extend_from_slice(payload);
                Ok(true)
            }
            Self::Files(merge) => merge.advance(entry),
        }
    }
}

/// Several runs as one.
pub(crate) struct Merge {
    heads: BinaryHeap<Head>,
}

struct Head {
    entry: Entry,
    run: RunReader,
}

// The heap gives the greatest first, and the least is wanted.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.entry.cmp(&self.entry)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
}

impl Eq for Head {}

impl Merge {
    fn of(runs: Vec<RunReader>) -> io::Result<Self> {
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for mut run in runs {
            let mut entry = Entry::default();
            if run.advance(&mut entry)? {
                heads.push(Head { entry, run });
            }
        }
        Ok(Self { heads })
    }

    fn advance(&mut self, entry: &mut Entry) -> io::Result<bool> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(false) };
        entry.key.clone_from(&head.entry.key);
        std::mem::swap(&mut entry.payload, &mut head.entry.payload);
        // Keys are stored as what differs from the one before: it must stay.
        let Head { entry: next, run } = &mut *head;
        if !run.advance(next)? {
            PeekMut::pop(head);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(entries: &[(Vec<u8>, Vec<u8>)], budget: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sorter = Sorter::new(folder.path(), budget);
        for (key, payload) in entries {
            sorter.push(key, payload).expect("is taken");
        }
        let mut sorted = sorter.finish().expect("is sorted");
        let names = std::fs::read_dir(folder.path()).expect("reads").count();
        assert_eq!(names, 0, "the files have names");
        let (mut all, mut entry) = (Vec::new(), Entry::default());
        while sorted.advance(&mut entry).expect("reads") {
            all.push((entry.key.clone(), entry.payload.clone()));
        }
        all
    }

    #[test]
    fn everything_comes_back_in_order() {
        let mut state = 7u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..50 {
            let mut entries = Vec::new();
            for _ in 0..draw(300) {
                // Few letters, so that many keys are equal, or begin alike.
                let key = (0..draw(40)).map(|_| draw(3) as u8).collect::<Vec<u8>>();
                let payload = (0..draw(300)).map(|_| draw(256) as u8).collect::<Vec<u8>>();
                entries.push((key, payload));
            }
            // The least budget there is makes many runs, a great one none.
            let (small, large) = (sorted(&entries, 0), sorted(&entries, 1 << 20));
            entries.sort();
            assert_eq!(small, entries, "round {round}");
            assert_eq!(large, entries, "round {round}");
        }
    }

    #[test]
    fn more_runs_than_are_merged_at_once() {
        let entry = |n: u64| {
            let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (format!("photos/{scattered:016x}").into_bytes(), vec![7; 500])
        };
        let mut entries: Vec<_> = (0..2000).map(entry).collect();
        let found = sorted(&entries, 4096);
        entries.sort();
        assert_eq!(found, entries);
    }
}
