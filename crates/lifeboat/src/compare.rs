//! What differs between two snapshots: pages, tables, rows, schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lifeboat_repository::{Selector, Snapshot};
use lifeboat_sqlite::{PrivateDatabase, SchemaEntry};

use crate::destination::Destination;
use crate::drill::{Rehearsed, rehearse};
use crate::error::Error;

/// What differs between two snapshots.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// The two.
    pub snapshots: [Snapshot; 2],
    /// How many pages each has.
    pub pages: [u64; 2],
    /// How many pages that both have differ. All of them, where their sizes do.
    pub pages_changed: u64,
    /// The tables that differ, or all if that was asked for.
    pub tables: Vec<TableChange>,
    /// Entries of the schema that only the second one has, or has otherwise.
    pub schema_added: Vec<SchemaEntry>,
    /// Entries that only the first one has, or has otherwise.
    pub schema_removed: Vec<SchemaEntry>,
}

/// A table, and how many rows it had and has. None where there is no such table,
/// or they cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableChange {
    /// Its name.
    pub name: String,
    /// In the first.
    pub before: Option<u64>,
    /// In the second.
    pub after: Option<u64>,
}

impl Destination {
    /// Compares two snapshots. Both are restored to the cache directory, which
    /// needs room for them.
    pub async fn compare(
        &self,
        name: &str,
        a: &Selector,
        b: &Selector,
    ) -> Result<Comparison, Error> {
        let database = self.database(name)?;
        let snapshots = [database.resolve(a, None).await?, database.resolve(b, None).await?];
        let [first, second] = snapshots;
        let files =
            [rehearse(&database, &first, None).await?, rehearse(&database, &second, None).await?];
        compare_files([first, second], files).await
    }

    /// Restores one snapshot to the cache directory, to be compared.
    pub(crate) async fn rehearse_one(
        &self,
        name: &str,
        selector: &Selector,
    ) -> Result<(Snapshot, Rehearsed), Error> {
        let database = self.database(name)?;
        let snapshot = database.resolve(selector, None).await?;
        let file = rehearse(&database, &snapshot, None).await?;
        Ok((snapshot, file))
    }
}

/// Compares two snapshots that were restored to scratch.
pub(crate) async fn compare_files(
    snapshots: [Snapshot; 2],
    files: [Rehearsed; 2],
) -> Result<Comparison, Error> {
    let paths = [0, 1].map(|n: usize| files[n].file.path().to_owned());
    let sizes = [0, 1].map(|n: usize| snapshots[n].body().page_size);
    let work = tokio::task::spawn_blocking(move || difference(&paths, sizes));
    let difference = match work.await {
        Ok(difference) => difference?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    drop(files);
    let Difference { pages_changed, tables, schema_added, schema_removed } = difference;
    let pages = [0, 1].map(|n: usize| u64::from(snapshots[n].body().page_count));
    Ok(Comparison { snapshots, pages, pages_changed, tables, schema_added, schema_removed })
}

struct Difference {
    pages_changed: u64,
    tables: Vec<TableChange>,
    schema_added: Vec<SchemaEntry>,
    schema_removed: Vec<SchemaEntry>,
}

fn difference(paths: &[PathBuf; 2], page_sizes: [u32; 2]) -> Result<Difference, Error> {
    let open = |path: &Path| PrivateDatabase::open(path);
    let [first, second] = [open(&paths[0])?, open(&paths[1])?];
    let entries = |database: &PrivateDatabase| -> Result<BTreeSet<SchemaEntry>, Error> {
        Ok(database.schema()?.into_iter().collect())
    };
    let (before, after) = (entries(&first)?, entries(&second)?);
    let mut tables: BTreeMap<String, TableChange> = BTreeMap::new();
    let new = |name: &str| TableChange { name: name.to_owned(), before: None, after: None };
    for table in first.tables()? {
        tables.entry(table.name.clone()).or_insert_with(|| new(&table.name)).before = table.rows;
    }
    for table in second.tables()? {
        tables.entry(table.name.clone()).or_insert_with(|| new(&table.name)).after = table.rows;
    }
    Ok(Difference {
        pages_changed: pages_changed(paths, page_sizes)?,
        tables: tables.into_values().filter(|table| table.before != table.after).collect(),
        schema_added: after.difference(&before).cloned().collect(),
        schema_removed: before.difference(&after).cloned().collect(),
    })
}

/// Compares two files page by page, as far as both go.
fn pages_changed(paths: &[PathBuf; 2], page_sizes: [u32; 2]) -> Result<u64, Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Path { path, source }
    };
    let open = |path: &PathBuf| File::open(path).map_err(io(path));
    let [mut first, mut second] = [open(&paths[0])?, open(&paths[1])?];
    let lengths = [&first, &second].map(|file| file.metadata().map_or(0, |meta| meta.len()));
    let size = u64::from(page_sizes[0].max(512));
    let common = lengths[0].min(lengths[1]) / size;
    if page_sizes[0] != page_sizes[1] {
        return Ok(common);
    }
    let [mut a, mut b] = [vec![0; size as usize], vec![0; size as usize]];
    let mut changed = 0;
    for _ in 0..common {
        first.read_exact(&mut a).map_err(io(&paths[0]))?;
        second.read_exact(&mut b).map_err(io(&paths[1]))?;
        changed += u64::from(a != b);
    }
    Ok(changed)
}
