//! No decoder panics, and none believes a field because the digest is right:
//! whoever can write to the store can compute digests.

use std::sync::LazyLock;

use lifeboat_format::digest::{BlockHash, Digest, HashKey};
use lifeboat_format::geometry::BlockNo;
use lifeboat_format::id::{DatabaseName, ListId, PackId, RepositoryId, SnapshotId, Suffix};
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::list::{self, ListRef, PackEntry};
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::object::{ObjectKind, decode_control, encode_control};
use lifeboat_format::pack::{PackIndex, PackOptions, PackWriter, WrittenPack};
use lifeboat_format::seal::Home;

use crate::repository::NOON;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Changes, cuts out, doubles or appends a few bytes.
    fn mutate(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(9)).min(bytes.len());
            match self.below(4) {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.insert(at, self.next() as u8),
                2 => bytes.extend_from_within(at..end),
                _ => {
                    let edges = [0, 1, 0x7f, 0x80, 0xff, b'9', b'-', b'"', self.next() as u8];
                    let edge = edges[self.below(edges.len())];
                    bytes[at..end].fill(edge);
                }
            }
        }
        bytes
    }
}

static NAME: LazyLock<DatabaseName> = LazyLock::new(|| DatabaseName::new("app").expect("valid"));

fn home() -> Home<'static> {
    Home { repository: RepositoryId::from_bytes([4; 16]), database: &NAME, keys: None }
}

const ROUNDS: u32 = 20_000;

fn pack() -> WrittenPack {
    let options = PackOptions::default();
    let id = PackId::from_bytes([1; 16]);
    let mut writer = PackWriter::new(id, 4096, options, &home()).expect("starts");
    let key = HashKey::from_bytes([3; 32]);
    for n in [0, 1, 2, 70, 71, 900] {
        let data = vec![n as u8; 4096];
        let hash = BlockHash::of(&key, &data);
        writer.push(BlockNo(n), hash, &data).expect("fits");
    }
    writer.finish().expect("not empty")
}

#[test]
fn pack_indexes_whose_digest_is_right_and_whose_fields_lie() {
    let pack = pack();
    let whole = pack.concat();
    let start = whole.len() - pack.tail().len();
    let mut dice = Dice(1);
    let mut blocks = Vec::new();
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let mut bad = whole[..start].to_vec();
        let index = &pack.tail()[..pack.tail().len() - 32];
        let mutated = dice.mutate(index);
        bad.extend_from_slice(&mutated);
        bad.extend_from_slice(&pack.tail()[index.len()..]);
        let trailer = bad.len() - 32;
        bad[trailer + 12..trailer + 16].copy_from_slice(&(mutated.len() as u32).to_le_bytes());
        let entry = PackEntry {
            size: bad.len() as u32,
            index_digest: Digest::of(&bad[start..]),
            ..pack.entry(Suffix::from_bytes([2; 4]))
        };
        let Ok(index) = PackIndex::decode(&bad, &entry, &home()) else {
            continue;
        };
        accepted += 1;
        let numbers: Vec<BlockNo> = index.blocks().collect();
        assert_eq!(numbers.len(), pack.blocks as usize);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        for (number, frame) in index.frames().iter().enumerate() {
            let end = (frame.offset + frame.stored_len) as usize;
            assert!(end <= start, "a frame lies before the block hashes");
            let stored = &bad[frame.offset as usize..end];
            let _ = index.decode_frame(number, stored, &mut blocks);
            assert!(blocks.len() <= 256 * 1024);
        }
    }
    assert!(accepted > 0, "some mutations only move block numbers");
}

#[test]
fn small_objects_whose_digest_is_right_and_whose_fields_lie() {
    let entry = pack().entry(Suffix::from_bytes([2; 4]));
    let id = RepositoryId::from_bytes([4; 16]);
    let info = RepositoryInfo::plain(id, &HashKey::from_bytes([5; 32]), NOON).encode();
    let rows = list::encode(&[entry, entry, entry], ListId::from_bytes([1; 16]), &home());
    let mut dice = Dice(2);
    for _ in 0..ROUNDS {
        for (kind, object) in [(ObjectKind::Format, &info), (ObjectKind::List, &rows)] {
            let body = decode_control(kind, object).expect("whole");
            let bad = encode_control(kind, &dice.mutate(body));
            let _ = RepositoryInfo::decode(&bad);
            let reference = ListRef { id: ListId::from_bytes([1; 16]), digest: Digest::of(&bad) };
            if let Ok(packs) = list::decode(&bad, &reference, &home()) {
                assert!(
                    list::encode(&packs, reference.id, &home()) == bad,
                    "one form for each list"
                );
            }
            let torn = dice.mutate(object);
            assert!(torn == *object || decode_control(kind, &torn).is_err());
        }
    }
}

#[test]
fn whatever_name_is_read_from_a_key_has_that_key() {
    let mut dice = Dice(3);
    for _ in 0..ROUNDS {
        let bytes = dice.mutate(b"a%20b%2Fc%25.%C3%BC");
        let key = String::from_utf8_lossy(&bytes);
        if let Ok(name) = DatabaseName::from_key(&key) {
            assert_eq!(name.key(), key);
            assert!(!key.contains('/') && key != "." && key != "..");
        }
        let id = String::from_utf8_lossy(&dice.mutate(b"20261120T101530Z-3f9a2c1b")).into_owned();
        if let Ok(parsed) = id.parse::<SnapshotId>() {
            assert!(!parsed.as_str().contains(['/', '\\', '\0']));
        }
    }
}

#[test]
fn a_set_of_numbers_is_ascending_however_it_is_spelt() {
    let mut dice = Dice(4);
    for _ in 0..ROUNDS {
        let text = String::from_utf8_lossy(&dice.mutate(b"1-3,5,7-90,1000-2000")).into_owned();
        let Ok(set) = NumberSet::try_from(text) else {
            continue;
        };
        let first: Vec<_> = set.iter().take(50).collect();
        assert!(first.is_sorted_by(|a, b| a < b));
        assert!(first.iter().all(|n| set.contains(*n)));
        let again = NumberSet::try_from(String::from(set.clone())).expect("its own text");
        assert_eq!(again, set);
    }
}

#[test]
fn results_and_repairs_whose_digest_is_right_and_whose_fields_lie() {
    use lifeboat_format::check::{self, CheckName};
    use lifeboat_format::numbers::RecordNo;
    use lifeboat_format::repair;

    let name = CheckName::new(RecordNo(7), NOON, [1, 2, 3, 4]);
    let result = r#"{"repository":"04040404040404040404040404040404","database":"app",
        "kind":"drill","by":"a","started_at":"2026-11-20T12:00:00Z",
        "finished_at":"2026-11-20T12:00:01Z","record":7,"snapshots":"1-5,7",
        "read":["0000000000000000-ffffffffffffffff"],"objects_read":3,"bytes_read":99,
        "findings":[{"object":"packs/x","what":"is missing","snapshots":"1-3"}]}"#;
    let pack = PackId::from_bytes([1; 16]);
    let healed = repair::healed_id(pack, 1);
    let repaired = format!(
        r#"{{"repository":"04040404040404040404040404040404","database":"app","pack":"{pack}",
        "healed":["{healed}","01020304",226,1,"{}"],"lost":[[3,2],[9,1]],"only_for":"1-3",
        "by":"a","at":"2026-11-20T12:00:00Z"}}"#,
        Digest::of(b"")
    );
    let good = encode_control(ObjectKind::Check, result.as_bytes());
    assert!(check::decode(&good, &name, &home()).is_ok());
    let good = encode_control(ObjectKind::Repair, repaired.as_bytes());
    assert!(repair::decode(&good, pack, 1, &home()).is_ok());
    let mut dice = Dice(5);
    for _ in 0..ROUNDS {
        let bad = encode_control(ObjectKind::Check, &dice.mutate(result.as_bytes()));
        if let Ok(read) = check::decode(&bad, &name, &home()) {
            assert!(read.record == RecordNo(7) && read.read.iter().all(|r| r.first <= r.last));
        }
        let bad = encode_control(ObjectKind::Repair, &dice.mutate(repaired.as_bytes()));
        if let Ok(read) = repair::decode(&bad, pack, 1, &home()) {
            assert!(read.pack == pack && read.lost_blocks().count() <= 65_536);
        }
        let text = String::from_utf8_lossy(&dice.mutate(name.as_str().as_bytes())).into_owned();
        if let Ok(parsed) = text.parse::<CheckName>() {
            assert!(!parsed.as_str().contains(['/', '\\', '\0']));
        }
    }
}
