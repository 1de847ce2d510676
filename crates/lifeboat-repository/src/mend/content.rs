//! What a damaged pack held, and what of it other packs still have.

use std::collections::{BTreeMap, HashMap, HashSet};

use lifeboat_format::digest::{BlockHash, Digest};
use lifeboat_format::geometry::{BlockNo, Geometry, GroupNo};
use lifeboat_format::id::PackId;
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::pack::{MAX_PACK_LEN, PackIndex};
use lifeboat_format::source::PageSource;

use super::sink::HashSink;
use crate::check::{Data, Survey};
use crate::error::{BackupError, LocalError, ReadError};
use crate::images::{self, Composed, HashFiles};
use crate::local::{Row, TableReader};
use crate::repairs::Healed;
use crate::repository::Database;

/// The blocks that a damaged pack held, and those that were found elsewhere.
pub(super) struct Wanted {
    /// Ascending, with the hashes that they must have.
    pub(super) blocks: Vec<(BlockNo, BlockHash)>,
    pub(super) block_size: u32,
    /// All blocks that it held, and not only those that one snapshot needs.
    pub(super) knows_all: bool,
    pub(super) found: BTreeMap<BlockNo, Vec<u8>>,
}

type Found<S> = Result<(Option<S>, Option<Wanted>), BackupError<<S as PageSource>::Error>>;

impl Database {
    /// What a damaged pack held: from its own index, if that is whole; else from
    /// what the newest snapshot that needs it must have had there.
    pub(super) async fn wanted<S: PageSource + 'static>(
        &self,
        source: Option<S>,
        entry: &PackEntry,
        hit: &NumberSet,
        broken: &HashSet<PackId>,
        survey: &Survey,
        files: &HashFiles,
    ) -> Found<S> {
        match self.pack_hashes(entry).await {
            Ok((index, blocks)) => {
                let block_size = index.block_size();
                let found = BTreeMap::new();
                let wanted = Wanted { blocks, block_size, knows_all: true, found };
                return Ok((source, Some(wanted)));
            }
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error.into()),
        }
        let newest = hit
            .iter()
            .filter_map(|number| survey.records.get(&number))
            .filter(|record| record.body.is_some())
            .max_by_key(|record| record.body.as_ref().map(|body| body.generation));
        let Some(record) = newest else { return Ok((source, None)) };
        let body = record.body.as_ref().expect("only records with one were looked at");
        let Some(geometry) = body.geometry() else { return Ok((source, None)) };
        let cache = self.cache_folder().map_err(ReadError::from)?;
        let table = TableReader::open(&cache.join(format!("{}.table", record.envelope.nonce)));
        if let Some(mut table) = table
            && table.footer().image_digest == Some(body.image_digest)
        {
            let blocks = table.blocks_of(entry.pack);
            return Ok((source, Some(Wanted::of_one(blocks, geometry))));
        }
        // Else the live database must still be that image. Which blocks lay in
        // the damaged pack follows: those in no newer one, and not as an older
        // one has them.
        let list = self.pack_list(record).await?;
        let healed = survey.repairs.apply(list.packs, record.number());
        let others = healed.packs.iter().any(|e| e.pack != entry.pack && broken.contains(&e.pack));
        let (Some(source), false) = (source, others) else { return Ok((None, None)) };
        let key = self.repository.hash_key().clone();
        let (source, live) = HashSink::run(source, key, files.dir().to_owned()).await?;
        let Some((live, live_geometry)) = live else { return Ok((Some(source), None)) };
        if live_geometry != geometry {
            return Ok((Some(source), None));
        }
        let blocks =
            self.blocks_by_difference(entry, &healed, geometry, &live, body.image_digest, files);
        let blocks = blocks.await?;
        Ok((Some(source), blocks.map(|blocks| Wanted::of_one(blocks, geometry))))
    }

    /// The blocks that the damaged pack must have held, if the live image is the
    /// one that was backed up.
    async fn blocks_by_difference(
        &self,
        entry: &PackEntry,
        healed: &Healed,
        geometry: Geometry,
        live: &crate::local::RawTable,
        digest: Digest,
        files: &HashFiles,
    ) -> Result<Option<Vec<(BlockNo, BlockHash)>>, ReadError> {
        let io = |source| LocalError::at("read a table of hashes in", files.dir())(source);
        if images::digest(live, geometry).map_err(io)? != Composed::Image(digest) {
            return Ok(None);
        }
        let at = healed.packs.iter().position(|e| e.pack == entry.pack).unwrap_or_default();
        let part =
            |packs: &[PackEntry]| Healed { packs: packs.to_vec(), lost: healed.lost.clone() };
        let older = self.hash_table(&part(&healed.packs[..at]), files).await?;
        let newer = self.hash_table(&part(&healed.packs[at + 1..]), files).await?;
        let mut blocks = Vec::new();
        let [mut now, mut below, mut above] = [Row::default(), Row::default(), Row::default()];
        for group in (0..geometry.group_count()).map(GroupNo) {
            live.row(geometry, group, &mut now).map_err(io)?;
            older.row(geometry, group, &mut below).map_err(io)?;
            newer.row(geometry, group, &mut above).map_err(io)?;
            let (first, _) = geometry.blocks_of(group);
            for (offset, hash) in (0..).zip(&now.hashes) {
                let block = BlockNo(first.0 + offset);
                let is_older = below.hashes.get(offset as usize) == Some(hash);
                let is_newer = above.hashes.get(offset as usize).is_some_and(|h| !h.is_absent());
                if !is_older && !is_newer && geometry.absent_block() != Some(block) {
                    blocks.push((block, *hash));
                }
            }
        }
        Ok(Some(blocks))
    }

    /// Takes what is wanted out of the frames of the pack that are whole, and
    /// out of other packs that hold the same blocks.
    pub(super) async fn take_from_packs(
        &self,
        entry: &PackEntry,
        wanted: &mut Wanted,
        broken: &HashSet<PackId>,
        survey: &Survey,
        files: &HashFiles,
    ) -> Result<(), ReadError> {
        if wanted.knows_all {
            self.take_from(entry, wanted).await?;
        }
        let hashes: HashMap<BlockNo, BlockHash> = wanted.blocks.iter().copied().collect();
        for datum in survey.data.values() {
            let Data::Pack(other) = &datum.data else { continue };
            if wanted.found.len() == wanted.blocks.len() {
                break;
            }
            if broken.contains(&other.pack) {
                continue;
            }
            let held = self.hashes_of(other, files).await?;
            let helps = held.iter().any(|(block, hash)| {
                hashes.get(block) == Some(hash) && !wanted.found.contains_key(block)
            });
            if helps {
                self.take_from(other, wanted).await?;
            }
        }
        Ok(())
    }

    /// Takes what is wanted out of one pack, frame by frame; frames that are
    /// damaged give nothing.
    async fn take_from(&self, entry: &PackEntry, wanted: &mut Wanted) -> Result<(), ReadError> {
        let key = self.keys.at(&key::pack(entry));
        let Some(object) = self.remote().get(&key, MAX_PACK_LEN).await? else { return Ok(()) };
        let Ok(index) = PackIndex::decode(&object, entry, &self.home()) else { return Ok(()) };
        if index.block_size() != wanted.block_size {
            return Ok(());
        }
        let hashes: HashMap<BlockNo, BlockHash> = wanted.blocks.iter().copied().collect();
        let numbers: Vec<BlockNo> = index.blocks().collect();
        let mut blocks = Vec::new();
        for (number, frame) in index.frames().iter().enumerate() {
            let at = frame.offset as usize;
            let stored = object.get(at..at + frame.stored_len as usize);
            let Some(stored) = stored else { continue };
            if index.decode_frame(number, stored, &mut blocks).is_err() {
                continue;
            }
            let held = &numbers[frame.first as usize..(frame.first + frame.blocks) as usize];
            for (block, data) in held.iter().zip(blocks.chunks_exact(wanted.block_size as usize)) {
                let hash = BlockHash::of(self.repository.hash_key(), data);
                if hashes.get(block) == Some(&hash) {
                    wanted.found.entry(*block).or_insert_with(|| data.to_vec());
                }
            }
        }
        Ok(())
    }
}

impl Wanted {
    fn of_one(blocks: Vec<(BlockNo, BlockHash)>, geometry: Geometry) -> Self {
        let block_size = geometry.block_size();
        Self { blocks, block_size, knows_all: false, found: BTreeMap::new() }
    }
}
