//! Packs out and back, and what damage does to them.

use super::*;
use crate::digest::{BlockHash, Digest, HashKey};
use crate::geometry::BlockNo;
use crate::id::{DatabaseName, RepositoryId};
use crate::id::{PackId, Suffix};
use crate::list::PackEntry;
use crate::object::PREAMBLE_LEN;
use crate::seal::Home;
use std::sync::LazyLock;

static NAME: LazyLock<DatabaseName> = LazyLock::new(|| DatabaseName::new("app").expect("valid"));

fn home() -> Home<'static> {
    Home { repository: RepositoryId::from_bytes([9; 16]), database: &NAME, keys: None }
}

fn block(n: u32, size: u32, compressible: bool) -> Vec<u8> {
    let mut state = u64::from(n) + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if compressible { b'a' + (state % 3) as u8 } else { state as u8 }
    };
    (0..size).map(|_| next()).collect()
}

fn written(numbers: &[u32], size: u32, compressible: bool) -> WrittenPack {
    let key = HashKey::from_bytes([3; 32]);
    let id = PackId::from_bytes([1; 16]);
    let mut writer = PackWriter::new(id, size, PackOptions::default(), &home()).expect("starts");
    for &n in numbers {
        let data = block(n, size, compressible);
        writer.push(BlockNo(n), BlockHash::of(&key, &data), &data).expect("fits");
    }
    writer.finish().expect("not empty")
}

fn entry(pack: &WrittenPack) -> PackEntry {
    pack.entry(Suffix::from_bytes([2; 4]))
}

fn check_round_trip(numbers: &[u32], size: u32, compressible: bool) {
    let pack = written(numbers, size, compressible);
    let bytes = pack.concat();
    let index = PackIndex::decode(&bytes, &entry(&pack), &home()).expect("whole");
    assert!(index.blocks().map(|block| block.0).eq(numbers.iter().copied()));
    let mut all = Vec::new();
    let mut out = Vec::new();
    for (number, frame) in index.frames().iter().enumerate() {
        let start = frame.offset as usize;
        let stored = &bytes[start..start + frame.stored_len as usize];
        index.decode_frame(number, stored, &mut out).expect("whole");
        all.extend_from_slice(&out);
    }
    let expected: Vec<u8> = numbers.iter().flat_map(|&n| block(n, size, compressible)).collect();
    assert!(all == expected);
    let range = index.trailer().hashes_range();
    let hashes =
        index.decode_hashes(&bytes[range.start as usize..range.end as usize]).expect("whole");
    let key = HashKey::from_bytes([3; 32]);
    assert!(
        hashes
            .iter()
            .zip(numbers)
            .all(|(hash, &n)| { *hash == BlockHash::of(&key, &block(n, size, compressible)) })
    );
}

#[test]
fn round_trips() {
    let many: Vec<u32> = (0..200).collect();
    let scattered: Vec<u32> = (0..200).map(|n| n * 3 + n / 7).collect();
    for size in [4096, 8192, 65_536] {
        for compressible in [true, false] {
            check_round_trip(&[0], size, compressible);
            check_round_trip(&many, size, compressible);
            check_round_trip(&scattered, size, compressible);
        }
    }
    check_round_trip(&[u32::MAX - 2, u32::MAX - 1], 4096, true);
}

#[test]
fn incompressible_blocks_cost_little_more_than_themselves() {
    let pack = written(&(0..1000).map(|n| n * 9).collect::<Vec<_>>(), 4096, false);
    let overhead = pack.concat().len() as f64 / (1000.0 * 4096.0);
    assert!(overhead < 1.01, "{overhead}");
}

/// Reads everything a restore or a verification would read.
fn verify(bytes: &[u8], entry: &PackEntry) -> Result<(), crate::object::DecodeError> {
    let index = PackIndex::decode(bytes, entry, &home())?;
    index.check_header(bytes)?;
    let range = index.trailer().hashes_range();
    index.decode_hashes(&bytes[range.start as usize..range.end as usize])?;
    let mut out = Vec::new();
    for (number, frame) in index.frames().iter().enumerate() {
        let start = frame.offset as usize;
        let stored = &bytes[start..start + frame.stored_len as usize];
        index.decode_frame(number, stored, &mut out)?;
    }
    Ok(())
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let pack = written(&[1, 2, 9], 4096, true);
    let bytes = pack.concat();
    verify(&bytes, &entry(&pack)).expect("whole");
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let error = verify(&bad, &entry(&pack)).expect_err("flipped");
        assert!(error.is_damage(), "{at}: {error}");
    }
    for len in 0..bytes.len() {
        assert!(verify(&bytes[..len], &entry(&pack)).is_err(), "{len}");
    }
    println!("damaged: each byte and cut of a pack, to its decoder: {}", bytes.len() * 2);
}

#[test]
fn whatever_the_bytes_say_nothing_large_is_allocated() {
    // An index whose digest is right but whose fields lie, as a person with
    // write access to the store could make it.
    let pack = written(&[1, 2, 9], 4096, true);
    let bytes = pack.concat();
    let index_at = bytes.len() - pack.tail().len();
    for field in 16..pack.tail().len() - TRAILER_LEN {
        for value in [0x00, 0x7f, 0xff] {
            let mut bad = bytes.clone();
            bad[index_at + field] = value;
            let mut lying = entry(&pack);
            lying.index_digest = Digest::of(&bad[index_at..]);
            // What the fields may say freely is the numbers of the blocks.
            let runs = field >= pack.tail().len() - TRAILER_LEN - 2 * 8;
            let accepted = verify(&bad, &lying).is_ok();
            assert!(!accepted || runs || bad == bytes, "{field}");
        }
    }
    assert!(index_at > PREAMBLE_LEN);
}

#[test]
fn writers_refuse_disorder() {
    let id = PackId::from_bytes([1; 16]);
    let mut writer = PackWriter::new(id, 4096, PackOptions::default(), &home()).expect("starts");
    let data = vec![0; 4096];
    writer.push(BlockNo(5), BlockHash([1; 16]), &data).expect("first");
    for block in [5, 4, 0] {
        let refused = writer.push(BlockNo(block), BlockHash([1; 16]), &data);
        assert!(matches!(refused, Err(PackError::OutOfOrder { .. })));
    }
    let refused = writer.push(BlockNo(6), BlockHash([1; 16]), &data[1..]);
    assert!(matches!(refused, Err(PackError::BlockSize { .. })));
}

/// Every byte of a pack flipped: what does not carry data comes back, and nothing
/// wrong comes out of the rest.
#[test]
fn a_pack_from_its_remains() {
    let pack = written(&[1, 2, 3, 70, 71], 4096, true);
    let (bytes, entry, key) = (pack.concat(), entry(&pack), HashKey::from_bytes([3; 32]));
    let index = PackIndex::decode(&bytes, &entry, &home()).expect("whole");
    let hashes = index.trailer().hashes_range();
    let (frames_end, hashes_end) = (hashes.start as usize, hashes.end as usize);
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let made = rebuild(&bad, &entry, &home(), &key);
        let in_index = (hashes_end..bytes.len() - TRAILER_LEN).contains(&at);
        if in_index {
            assert_eq!(made, None, "{at}");
        } else if (PREAMBLE_LEN..frames_end).contains(&at) {
            assert_eq!(made.as_ref(), Some(&bad), "{at}: a frame stays as it is");
        } else {
            assert_eq!(made.as_ref(), Some(&bytes), "{at}");
        }
    }
    let longer = [&bytes[..], b"more"].concat();
    assert_eq!(rebuild(&longer, &entry, &home(), &key), Some(bytes.clone()));
    assert_eq!(rebuild(&bytes[..bytes.len() - 1], &entry, &home(), &key), None);
}
