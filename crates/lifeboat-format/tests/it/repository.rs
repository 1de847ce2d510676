//! A small repository in a directory, written with nothing but the encoders of
//! this crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lifeboat_format::digest::{BlockHash, Digest, HashKey, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, PageSize};
use lifeboat_format::id::{
    DatabaseName, InstallationId, ListId, Nonce, PackId, RepositoryId, SnapshotId, Suffix,
};
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key::{self, DatabaseKeys};
use lifeboat_format::list::{self, ListRef, PackEntry, PackListRef, packs_digest};
use lifeboat_format::numbers::{NumberSet, RecordNo};
use lifeboat_format::pack::{PackOptions, PackWriter};
use lifeboat_format::record::{
    Content, Envelope, Latest, Record, RecordKind, RecordPlace, SnapshotBody, SqliteFacts, State,
    Statistics, Trashed, Trigger, body_text, encode,
};
use lifeboat_format::seal::Home;
use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// A snapshot that was taken, and what a restore must give.
pub(crate) struct Taken {
    pub(crate) database: String,
    pub(crate) id: String,
    pub(crate) number: u64,
    /// The digest of the image's bytes.
    pub(crate) image: Digest,
    pub(crate) pages: u32,
    pub(crate) size: u64,
}

/// A repository in a directory that ends with it.
pub(crate) struct Repository {
    dir: TempDir,
    id: RepositoryId,
    pub(crate) snapshots: Vec<Taken>,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let id = RepositoryId::from_bytes([0xa1; 16]);
        let repository = Self { dir, id, snapshots: Vec::new() };
        let info = RepositoryInfo::plain(id, &HashKey::from_bytes(KEY), NOON);
        repository.put(&key::format(1), &info.encode());
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn put(&self, key: &str, object: &[u8]) {
        let path = self.path().join(key);
        std::fs::create_dir_all(path.parent().expect("keys have folders")).expect("made");
        std::fs::write(path, object).expect("written");
    }

    /// The keys of all objects, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut folders: Vec<PathBuf> = vec![self.path().to_owned()];
        let mut keys = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(self.path()).expect("below");
                    keys.push(key.to_str().expect("keys are ASCII").to_owned());
                }
            }
        }
        keys.sort();
        keys
    }
}

/// What a writer gets wrong, every digest around it being right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    Previous,
    PacksDigest,
    ImageDigest,
    BlockHash,
    BlockBytes,
    BlockLeftOut,
}

/// One database, as its writer knows it.
pub(crate) struct Writer {
    name: DatabaseName,
    keys: DatabaseKeys,
    page_size: u32,
    state: State,
    newest: u64,
    previous: Option<Digest>,
    list: Option<ListRef>,
    listed: Vec<PackEntry>,
    packs: Vec<PackEntry>,
    /// The hash of each block of the image before, and the pack it lies in.
    known: BTreeMap<u32, (BlockHash, PackId)>,
    drawn: u32,
    pub(crate) lie: Option<Lie>,
}

impl Writer {
    pub(crate) fn new(name: &str, page_size: u32) -> Self {
        let name = DatabaseName::new(name).expect("valid");
        Self {
            keys: DatabaseKeys::new(&name),
            name,
            page_size,
            state: State::default(),
            newest: 0,
            previous: None,
            list: None,
            listed: Vec::new(),
            packs: Vec::new(),
            known: BTreeMap::new(),
            drawn: 0,
            lie: None,
        }
    }

    /// Takes a snapshot. `resend` are the positions of packs that are dropped,
    /// what lives in them being sent again.
    pub(crate) fn take(&mut self, to: &mut Repository, image: &[u8], resend: &[usize]) {
        let pages = image.len() as u32 / self.page_size;
        let page_size = PageSize::new(self.page_size).expect("valid");
        let geometry = Geometry::new(page_size, pages).expect("valid");
        let dropped: Vec<PackId> = resend.iter().map(|&at| self.packs[at].pack).collect();
        self.packs.retain(|entry| !dropped.contains(&entry.pack));
        self.known.retain(|_, (_, pack)| !dropped.contains(pack));

        let key = HashKey::from_bytes(KEY);
        let mut digester = ImageDigester::default();
        let mut changed = Vec::new();
        for n in 0..geometry.block_count() {
            if geometry.absent_block() == Some(BlockNo(n)) {
                digester.push(BlockHash::ABSENT);
                continue;
            }
            let hash = BlockHash::of(&key, &block(geometry, image, n));
            digester.push(hash);
            if self.known.get(&n).is_none_or(|(known, _)| *known != hash) {
                changed.push((n, hash));
            }
        }
        self.known.retain(|n, _| *n < geometry.block_count());
        self.send(to, geometry, image, &changed);
        let body = self.body(geometry, digester.finish());
        let number = RecordNo(self.newest + 1);
        self.state.generation += 1;
        self.state.alive.insert(number);
        self.state.latest = Some(Latest { number, generation: self.state.generation });
        let packs = self.reference(to);
        self.commit(to, RecordKind::Snapshot, Some(packs), Some(&body));
        to.snapshots.push(Taken {
            database: self.name.to_string(),
            id: body.snapshot_id.to_string(),
            number: number.0,
            image: Digest::of(image),
            pages,
            size: image.len() as u64,
        });
    }

    /// Sends blocks in packs of few, so that there are several.
    fn send(
        &mut self,
        to: &Repository,
        geometry: Geometry,
        image: &[u8],
        changed: &[(u32, BlockHash)],
    ) {
        for part in changed.chunks(150) {
            self.drawn += 1;
            let mut id = [0xee; 16];
            id[..4].copy_from_slice(&self.drawn.to_le_bytes());
            let id = PackId::from_bytes(id);
            let options = PackOptions::default();
            let home = Home { repository: to.id, database: &self.name, keys: None };
            let mut writer =
                PackWriter::new(id, geometry.block_size(), options, &home).expect("starts");
            for &(n, hash) in part {
                let mut data = block(geometry, image, n);
                let mut hash = hash;
                match self.lie {
                    Some(Lie::BlockLeftOut) if n == 1 => continue,
                    Some(Lie::BlockBytes) if n == 1 => data[7] ^= 1,
                    Some(Lie::BlockHash) if n == 1 => hash.0[7] ^= 1,
                    _ => {}
                }
                writer.push(BlockNo(n), hash, &data).expect("fits");
                self.known.insert(n, (hash, id));
            }
            let pack = writer.finish().expect("not empty");
            let entry = pack.entry(Suffix::from_bytes(self.drawn.to_be_bytes()));
            to.put(&self.keys.at(&key::pack(&entry)), &pack.concat());
            self.packs.push(entry);
        }
    }

    /// The first list becomes an object; the ones after it say what differs.
    fn reference(&mut self, to: &Repository) -> PackListRef {
        if self.list.is_none() {
            let id = ListId::from_bytes([0x11; 16]);
            let home = Home { repository: to.id, database: &self.name, keys: None };
            let object = list::encode(&self.packs, id, &home);
            to.put(&self.keys.at(&key::list(id)), &object);
            let digest = Digest::of(&object);
            self.list = Some(ListRef { id, digest });
            self.listed = self.packs.clone();
        }
        let without = |all: &[PackEntry], these: &[PackEntry]| -> Vec<PackEntry> {
            let lacks = |entry: &&PackEntry| !these.contains(entry);
            all.iter().filter(lacks).copied().collect()
        };
        let gone = without(&self.listed, &self.packs);
        PackListRef {
            list: self.list,
            dropped: gone.iter().map(|entry| entry.pack).collect(),
            added: without(&self.packs, &self.listed),
        }
    }

    fn or_lie(&self, lie: Lie, truth: Digest) -> Digest {
        if self.lie == Some(lie) { Digest::of(b"a lie") } else { truth }
    }

    fn body(&self, geometry: Geometry, image_digest: Digest) -> SnapshotBody {
        let taken_at = NOON + Duration::seconds(self.newest as i64);
        SnapshotBody {
            snapshot_id: SnapshotId::new(taken_at, [self.newest as u8; 4]),
            generation: self.state.generation + 1,
            taken_at,
            page_size: self.page_size,
            page_count: geometry.page_count(),
            image_digest: self.or_lie(Lie::ImageDigest, image_digest),
            content: Content::Pages {
                packs_digest: self.or_lie(Lie::PacksDigest, packs_digest(&self.packs)),
            },
            attachments: Vec::new(),
            origin: "/srv/app.db".into(),
            trigger: Trigger::Scheduled,
            description: Some("two\nlines".into()),
            tags: BTreeMap::new(),
            sqlite: SqliteFacts::default(),
            statistics: Statistics::default(),
            log: None,
        }
    }

    /// Moves the snapshot of a number to the trash.
    pub(crate) fn forget(&mut self, to: &mut Repository, number: u64) {
        let number = RecordNo(number);
        assert!(self.state.alive.remove(number));
        self.state.trash.push(Trashed { number, since: NOON });
        self.commit(to, RecordKind::Forget, None, None);
        to.snapshots.retain(|s| s.database != self.name.as_str() || s.number != number.0);
    }

    /// Writes a record that changes nothing.
    pub(crate) fn pin_nothing(&mut self, to: &Repository) {
        self.commit(to, RecordKind::Pin, None, None);
    }

    /// Leaves a damaged record under the next number, as if a store had lost
    /// its bytes at once.
    pub(crate) fn burn(&mut self, to: &Repository) {
        self.newest += 1;
        to.put(&self.keys.record(RecordNo(self.newest)), b"LIFEBOATR???");
        self.previous = None;
    }

    fn commit(
        &mut self,
        to: &Repository,
        kind: RecordKind,
        packs: Option<PackListRef>,
        body: Option<&SnapshotBody>,
    ) {
        self.newest += 1;
        let number = RecordNo(self.newest);
        let envelope = Envelope {
            number,
            kind,
            repository: to.id,
            database: self.name.clone(),
            nonce: Nonce::from_bytes([self.newest as u8; 16]),
            writer: InstallationId::new("test").expect("valid"),
            written_at: NOON,
            previous: self.previous.map(|digest| self.or_lie(Lie::Previous, digest)),
            state: self.state.clone(),
            subject: NumberSet::default(),
            condemned: Vec::new(),
            packs,
            attachments: None,
            body_digest: None,
        };
        let object = encode(envelope, body.map(body_text).as_deref(), None);
        let home = Home { repository: to.id, database: &self.name, keys: None };
        let place = RecordPlace { home, number };
        Record::decode(&object, place).expect("a record that this crate reads");
        to.put(&self.keys.record(number), &object);
        self.previous = Some(Digest::of(&object));
    }
}

/// One block of an image, masked.
fn block(geometry: Geometry, image: &[u8], n: u32) -> Vec<u8> {
    let size = geometry.block_size() as usize;
    let start = geometry.offset_of(BlockNo(n)) as usize;
    let mut block = image[start..(start + size).min(image.len())].to_vec();
    block.resize(size, 0);
    geometry.mask(BlockNo(n), &mut block);
    block
}
