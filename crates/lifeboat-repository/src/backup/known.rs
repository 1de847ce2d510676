//! What is known of the blocks: from a cached table, or put together from the
//! indexes of packs where no cache knows it.

use futures::StreamExt;
use lifeboat_format::digest::{BlockHash, GroupHash};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo, PageSize};
use lifeboat_format::id::PackId;
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::pack::PackIndex;
use lifeboat_format::source::{KnownBlocks, Stopped};

use super::base::Base;
use crate::error::{LocalError, ReadError};
use crate::local::{Footer, RawTable, Row, TableReader};
use crate::progress::{Event, Listener};
use crate::repository::Database;

/// How many pack indexes are read at once.
const INDEX_READERS: usize = 8;

/// What is known, in the form in which a source asks.
pub(super) struct Known {
    table: Option<TableReader>,
    row: Row,
}

impl Known {
    pub(super) fn new(table: Option<TableReader>) -> Self {
        Self { table, row: Row::default() }
    }
}

impl KnownBlocks for Known {
    fn geometry(&self) -> Option<Geometry> {
        self.table.as_ref().map(TableReader::geometry)
    }

    fn group(&mut self, group: GroupNo, hashes: &mut Vec<BlockHash>) -> Result<GroupHash, Stopped> {
        hashes.clear();
        let Some(table) = &mut self.table else {
            return Ok(GroupHash::UNKNOWN);
        };
        table.row(group, &mut self.row);
        hashes.extend_from_slice(&self.row.hashes);
        Ok(self.row.group)
    }
}

/// A pack to read the index of.
#[derive(Clone, Copy)]
struct Wanted {
    entry: PackEntry,
    /// Stored by an interrupted run, as against named by a record.
    resumed: bool,
}

impl Database {
    /// Fills in `base.table` and `base.resumed`.
    ///
    /// A pack that is missing or damaged is left out of what the next snapshot
    /// builds on, so that its blocks are sent again.
    pub(super) async fn know(
        &self,
        base: &mut Base,
        resumed: Vec<PackEntry>,
        listener: &Listener,
    ) -> Result<(), ReadError> {
        if resumed.is_empty() && (base.table.is_some() || base.list.packs.is_empty()) {
            return Ok(());
        }
        let scratch = base.scratch.path().to_owned();
        let io = |source| LocalError::at("write a page table in", &scratch)(source);
        let body = base.parent.as_ref().and_then(|parent| parent.body.as_ref());
        let parent = body.and_then(lifeboat_format::record::SnapshotBody::geometry);
        let mut raw = RawTable::new(&scratch).map_err(io)?;
        let mut packs = Vec::new();
        let mut wanted = Vec::new();
        if let Some(table) = &mut base.table {
            raw.copy(table).map_err(io)?;
            packs.extend_from_slice(&base.list.packs);
        } else {
            wanted.extend(base.list.packs.iter().map(|&entry| Wanted { entry, resumed: false }));
        }
        wanted.extend(resumed.into_iter().map(|entry| Wanted { entry, resumed: true }));

        let mut block_size = parent.map(Geometry::block_size);
        let mut kept = Vec::new();
        // In order, because where two packs hold a block the later one counts.
        let mut indexes = std::pin::pin!(
            futures::stream::iter(wanted)
                .map(|wanted| async move { (wanted, self.pack_hashes(&wanted.entry).await) })
                .buffered(INDEX_READERS)
        );
        while let Some((Wanted { entry, resumed }, read)) = indexes.next().await {
            let (index, hashes) = match read {
                Ok(read) => read,
                Err(error) if error.is_damage() => {
                    tracing::warn!(pack = %entry.pack, %error, "pack cannot be built on");
                    if !resumed {
                        base.left_out.push(key::pack(&entry));
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            if *block_size.get_or_insert(index.block_size()) != index.block_size() {
                continue;
            }
            let end = parent.filter(|_| !resumed).map_or(u32::MAX, Geometry::block_count);
            record_pack(&mut raw, &index, &hashes, end, packs.len() as u32).map_err(io)?;
            packs.push(entry);
            if resumed {
                kept.push(entry);
            }
        }
        let Some(page_size) = block_size.and_then(PageSize::new) else {
            return Ok(());
        };
        let geometry = shape(parent, page_size, raw.blocks());
        let ids: Vec<PackId> = packs.iter().map(|entry| entry.pack).collect();
        let table = raw.finish(geometry, &Footer::new(geometry, ids)).map_err(io)?;
        base.table = table.reader();
        packs.truncate(packs.len() - kept.len());
        base.list.packs = packs;
        if !kept.is_empty() {
            let bytes = kept.iter().map(|entry| u64::from(entry.size)).sum();
            listener.tell(Event::Resumed { packs: kept.len() as u64, bytes });
        }
        base.resumed = kept;
        Ok(())
    }
}

/// The shape of a table: that of the parent, unless packs of an interrupted run
/// reach further.
fn shape(parent: Option<Geometry>, page_size: PageSize, blocks: u32) -> Geometry {
    match parent {
        Some(parent) if parent.block_count() >= blocks => parent,
        // The size of a page below that of a block makes no difference to the
        // hashes of blocks.
        _ => Geometry::new(page_size, blocks).expect("a pack has no block beyond the format's end"),
    }
}

fn record_pack(
    raw: &mut RawTable,
    index: &PackIndex,
    hashes: &[(BlockNo, BlockHash)],
    end: u32,
    pack: u32,
) -> std::io::Result<()> {
    debug_assert_eq!(index.block_count() as usize, hashes.len());
    for run in hashes.chunk_by(|a, b| a.0.0 + 1 == b.0.0) {
        let run: Vec<_> = run.iter().filter(|(block, _)| block.0 < end).copied().collect();
        if let Some((first, _)) = run.first() {
            let hashes: Vec<BlockHash> = run.iter().map(|(_, hash)| *hash).collect();
            raw.set_run(*first, &hashes, pack)?;
        }
    }
    Ok(())
}
