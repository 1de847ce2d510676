//! Which tables and indexes changed.

use std::collections::HashMap;

use lifeboat_format::geometry::{BlockNo, Geometry, PageNo};
use lifeboat_sqlite::{ObjectKind, SchemaObject};

use crate::error::{CaptureFailure, Fault};
use crate::live::LiveDatabase;

/// A table or an index, and how many of its pages changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedObject {
    /// Its name; [`ChangedObject::OTHERS`] for what belongs to none.
    pub name: String,
    /// What it is.
    pub kind: ObjectKind,
    /// The table that it belongs to.
    pub table: String,
    /// How many of its pages lie in changed blocks.
    pub pages: u64,
}

impl ChangedObject {
    /// The name under which free pages are counted, and those that only
    /// administer others.
    pub const OTHERS: &str = "free pages and others";
}

impl LiveDatabase {
    /// Says to which tables and indexes the blocks of a capture belong: those
    /// with the most changed pages first, free pages and others last.
    ///
    /// `changed` are runs of blocks (first and length), ascending, of an image
    /// of the shape `geometry`. The tables are looked up in the present state,
    /// which may have moved on since the capture; the whole database is read.
    pub fn explain(
        &mut self,
        changed: &[(BlockNo, u32)],
        geometry: Geometry,
    ) -> Result<Vec<ChangedObject>, CaptureFailure> {
        let path = self.path().to_owned();
        self.count_pages(changed, geometry).map_err(|fault| fault.failure(&path))
    }

    fn count_pages(
        &mut self,
        changed: &[(BlockNo, u32)],
        geometry: Geometry,
    ) -> Result<Vec<ChangedObject>, Fault> {
        let (read, _) = self.begin()?;
        let mut counts: HashMap<String, u64> = HashMap::new();
        read.each_page(|owner| {
            if is_changed(changed, geometry, owner.page) {
                match counts.get_mut(&owner.name) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(owner.name.clone(), 1)),
                }
            }
            true
        })
        .map_err(Fault::Pages)?;
        let objects = read.schema_objects().map_err(Fault::Pages)?;
        Ok(rank(counts, &objects, pages_in(changed, geometry)))
    }
}

fn is_changed(runs: &[(BlockNo, u32)], geometry: Geometry, page: u32) -> bool {
    if page == 0 || page > geometry.page_count() {
        return false;
    }
    let block = geometry.block_of(PageNo(page)).0;
    let after = runs.partition_point(|(first, _)| first.0 <= block);
    after > 0 && block - runs[after - 1].0.0 < runs[after - 1].1
}

/// How many pages of the image lie in the runs.
fn pages_in(runs: &[(BlockNo, u32)], geometry: Geometry) -> u64 {
    let per = u64::from(geometry.pages_per_block());
    let end = u64::from(geometry.page_count());
    runs.iter()
        .map(|(first, count)| {
            let from = (u64::from(first.0) * per).min(end);
            let to = ((u64::from(first.0) + u64::from(*count)) * per).min(end);
            to - from
        })
        .sum()
}

fn rank(counts: HashMap<String, u64>, objects: &[SchemaObject], total: u64) -> Vec<ChangedObject> {
    let assigned: u64 = counts.values().sum();
    let mut ranked: Vec<_> = counts
        .into_iter()
        .map(|(name, pages)| {
            let object = objects.iter().find(|object| object.name == name);
            ChangedObject {
                kind: object.map_or(ObjectKind::Other, |object| object.kind),
                table: object.map_or_else(|| name.clone(), |object| object.table.clone()),
                name,
                pages,
            }
        })
        .collect();
    ranked.sort_by(|a, b| b.pages.cmp(&a.pages).then_with(|| a.name.cmp(&b.name)));
    let others = total.saturating_sub(assigned);
    if others > 0 {
        ranked.push(ChangedObject {
            name: ChangedObject::OTHERS.into(),
            kind: ObjectKind::Other,
            table: String::new(),
            pages: others,
        });
    }
    ranked
}
