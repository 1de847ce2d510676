//! The example in `docs/format.md` is a repository: every object is read from
//! the page and decoded, written again, and restored.

use lifeboat_format::digest::{BlockHash, ImageDigester};
use lifeboat_format::geometry::BlockNo;
use lifeboat_format::id::DatabaseName;
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::key::{self, DatabaseKeys};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::pack::PackIndex;
use lifeboat_format::record::{Record, RecordPlace, body_text, encode};
use lifeboat_format::seal::Home;
use tempfile::TempDir;

use crate::python;

/// The three objects: format, record, pack.
fn objects() -> [Vec<u8>; 3] {
    let page = python::format_md();
    let (_, example) = page.split_once("## An example").expect("there is one");
    // Every second part lies between fences.
    let parts: Vec<Vec<u8>> = example
        .split("```")
        .skip(1)
        .step_by(2)
        .map(|fenced| {
            let (tag, text) = fenced.split_once('\n').expect("a tag and lines");
            match tag {
                "hexdump" => text.lines().flat_map(bytes_of).collect(),
                _ => text.trim_end().as_bytes().to_vec(),
            }
        })
        .collect();
    let [f1, f2, f3, r1, r2, r3, pack] = &parts[..] else {
        panic!("{} fenced parts", parts.len());
    };
    [[&f1[..], f2, f3].concat(), [&r1[..], r2, r3].concat(), pack.clone()]
}

/// The bytes of one line: an offset, pairs of digits, and text between bars.
fn bytes_of(line: &str) -> Vec<u8> {
    let (pairs, _) = line.split_once('|').expect("a bar");
    pairs
        .split_whitespace()
        .skip(1)
        .map(|pair| u8::from_str_radix(pair, 16).expect("two digits"))
        .collect()
}

#[test]
fn the_example_is_true() {
    let [format, record, pack] = objects();
    let info = RepositoryInfo::decode(&format).expect("a format object");
    assert_eq!(info.encode(), format);

    let database = DatabaseName::new("app").expect("valid");
    let home = Home { repository: info.repository, database: &database, keys: None };
    let place = RecordPlace { home, number: RecordNo::FIRST };
    let decoded = Record::decode(&record, place).expect("a record");
    let body = decoded.body.as_ref().expect("a snapshot");
    assert_eq!(encode(decoded.envelope.clone(), Some(&body_text(body)), None), record);

    let reference = decoded.envelope.packs.as_ref().expect("a snapshot");
    let entry = reference.added[0];
    let index = PackIndex::decode(&pack, &entry, &home).expect("a pack");
    index.check_header(&pack).expect("its header");
    assert!(index.blocks().eq([BlockNo(0)]));
    let frame = index.frames()[0];
    let stored = &pack[frame.offset as usize..][..frame.stored_len as usize];
    let mut image = Vec::new();
    index.decode_frame(0, stored, &mut image).expect("a frame");
    let key = info.block_hash_key().expect("plain");
    let hash = BlockHash::of(&key, &image);
    let range = index.trailer().hashes_range();
    let hashes = index.decode_hashes(&pack[range.start as usize..range.end as usize]);
    assert_eq!(hashes, Ok(vec![hash]));
    let mut digester = ImageDigester::default();
    digester.push(hash);
    assert_eq!(digester.finish(), body.image_digest);
    // Offset 60 of SQLite's header.
    assert_eq!(image[60..64], body.sqlite.user_version.to_be_bytes());

    let keys = DatabaseKeys::new(&database);
    let dir = TempDir::new().expect("a temporary directory");
    for (key, object) in [
        (key::format(1), &format),
        (keys.record(RecordNo::FIRST), &record),
        (keys.at(&key::pack(&entry)), &pack),
    ] {
        assert!(python::format_md().contains(&key), "{key}");
        let path = dir.path().join(key);
        std::fs::create_dir_all(path.parent().expect("keys have folders")).expect("made");
        std::fs::write(path, object).expect("written");
    }
    let target = dir.path().join("restored.db");
    let (root, target) = (dir.path().to_str(), target.to_str());
    let (root, target) = root.zip(target).expect("UTF-8");
    let said = python::run(&["restore", root, "app", "latest", target]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(std::fs::read(target).expect("restored") == image);
}
