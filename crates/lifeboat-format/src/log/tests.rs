//! Segments out and back, what damage does to them, and those of another
//! program.

use std::sync::{Arc, LazyLock};

use super::*;
use crate::geometry::PageNo;
use crate::id::{DatabaseName, RepositoryId};
use crate::object::{DecodeError, ObjectKind};
use crate::seal::{
    Forged, Home, KeyProblem, Keyring, ObjectCipher, Part, SEAL_LEN, SealContext, SealHeader,
};

static NAME: LazyLock<DatabaseName> = LazyLock::new(|| DatabaseName::new("app").expect("valid"));
/// The vectors' epoch.
static EPOCH_ID: LazyLock<EpochId> =
    LazyLock::new(|| EpochId::from_bytes(std::array::from_fn(|i| i as u8)));

fn epoch() -> EpochId {
    *EPOCH_ID
}

fn home(keys: Option<&'static dyn Keyring>) -> Home<'static> {
    Home { repository: RepositoryId::from_bytes([9; 16]), database: &NAME, keys }
}

/// A cipher whose only purpose is to tell parts apart: everything that it is
/// given is in the key of what it does.
#[derive(Debug)]
struct Marked;

#[derive(Debug)]
struct MarkedKey(Vec<u8>);

impl MarkedKey {
    fn stream(&self, part: Part<'_>, len: usize) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(&[part.section.number(), u8::from(part.last)]);
        hasher.update(&part.number.to_le_bytes()).update(part.bound);
        let mut out = vec![0; len];
        hasher.finalize_xof().fill(&mut out);
        out
    }

    fn tag(&self, part: Part<'_>, data: &[u8]) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.stream(part, 32)).update(data);
        let mut tag = [0; 16];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        tag
    }
}

impl ObjectCipher for MarkedKey {
    fn header(&self) -> SealHeader {
        SealHeader([5; SEAL_LEN])
    }

    fn seal(&self, part: Part<'_>, data: &mut Vec<u8>) {
        let stream = self.stream(part, data.len());
        data.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        let tag = self.tag(part, data);
        data.extend_from_slice(&tag);
    }

    fn open(&self, part: Part<'_>, data: &mut Vec<u8>) -> Result<(), Forged> {
        let tag = data.split_off(data.len().checked_sub(16).ok_or(Forged)?);
        if self.tag(part, data) != tag[..] {
            return Err(Forged);
        }
        let stream = self.stream(part, data.len());
        data.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        Ok(())
    }
}

impl Keyring for Marked {
    fn sealer(&self, context: SealContext<'_>) -> Arc<dyn ObjectCipher> {
        let mut key = vec![context.kind.letter()];
        key.extend_from_slice(context.database.as_str().as_bytes());
        key.extend_from_slice(context.object);
        Arc::new(MarkedKey(key))
    }

    fn opener(
        &self,
        context: SealContext<'_>,
        _: &SealHeader,
    ) -> Result<Arc<dyn ObjectCipher>, KeyProblem> {
        Ok(self.sealer(context))
    }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_262_400 + seconds).expect("in range")
}

fn head(number: u64, previous: Option<Digest>) -> SegmentHead {
    SegmentHead {
        epoch: epoch(),
        number: SegmentNo(number),
        kind: SegmentKind::Commits,
        nonce: Nonce::from_bytes([number as u8; 16]),
        previous,
        page_size: PageSize::new(512).expect("one of SQLite's"),
        first_commit: CommitNo(7),
        continues: false,
        observed_from: at(0),
    }
}

/// Bytes that no compressor makes shorter.
fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut out);
    out
}

fn decode(segment: &WrittenSegment, home: &Home<'_>) -> Result<Segment, DecodeError> {
    let place = (segment.epoch, segment.number);
    Segment::decode(&segment.bytes, segment.bytes.len() as u64, place, home)
}

fn images(segment: &Segment, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    for (number, frame) in segment.frames().iter().enumerate() {
        let start = frame.offset as usize;
        let stored = &bytes[start..start + frame.stored_len as usize];
        segment.decode_frame(number, stored, &mut out)?;
        all.extend_from_slice(&out);
    }
    Ok(all)
}

/// Commits of random sizes, over several frames, read back as they went in.
#[track_caller]
fn check_round_trip(page_size: u32, keys: Option<&'static dyn Keyring>, seed: u64) {
    let mut state = seed;
    let mut dice = |sides: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % sides
    };
    let page_size = PageSize::new(page_size).expect("one of SQLite's");
    let mut head = head(1, None);
    head.page_size = page_size;
    head.continues = dice(2) == 0;
    let mut writer =
        SegmentWriter::new(head, SegmentOptions::default(), &home(keys)).expect("begins");
    let (mut pages, mut ends, mut data) = (Vec::new(), Vec::new(), Vec::new());
    let commits = 1 + dice(9);
    for n in 0..commits {
        for _ in 0..=dice(40) {
            let page = 1 + dice(900) as u32;
            let len = page_size.bytes() as usize;
            let image = if dice(2) == 0 { noise(dice(256) as u8, len) } else { vec![7; len] };
            writer.page(PageNo(page), &image).expect("fits");
            pages.push(PageNo(page));
            data.extend_from_slice(&image);
        }
        if n + 1 < commits || dice(2) == 0 {
            let (count, second) = (1 + dice(1_000) as u32, n as i64 / 2);
            writer.commit(count, at(second)).expect("fits");
            ends.push((pages.len() as u32, Some(count)));
        } else {
            ends.push((pages.len() as u32, None));
        }
    }
    let mark = noise(1, dice(65) as usize);
    let written = writer.finish(at(9), &mark).expect("ends");
    let segment = decode(&written, &home(keys)).expect("is whole");
    assert_eq!(segment.head(), &head);
    assert_eq!((segment.observed_until(), segment.mark()), (at(9), &mark[..]));
    assert_eq!(segment.pages(), pages);
    assert!(images(&segment, &written.bytes).expect("is whole") == data);
    let read: Vec<_> =
        segment.commits().iter().map(|row| (row.pages.end, row.page_count)).collect();
    assert_eq!(read, ends);
    assert_eq!(segment.is_open(), written.is_open);
    segment.check_header(&written.bytes).expect("is whole");
}

#[test]
fn round_trips() {
    for seed in 1..40 {
        for page_size in [512, 4096, 65_536] {
            check_round_trip(page_size, None, seed * 77);
            check_round_trip(page_size, Some(&Marked), seed * 77);
        }
    }
}

fn small(keys: Option<&'static dyn Keyring>) -> WrittenSegment {
    let mut writer =
        SegmentWriter::new(head(1, None), SegmentOptions::default(), &home(keys)).expect("begins");
    for n in 1..=3 {
        writer.page(PageNo(n), &noise(n as u8, 512)).expect("fits");
    }
    writer.commit(3, at(1)).expect("fits");
    writer.finish(at(2), b"mark").expect("ends")
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    for keys in [None, Some(&Marked as &'static dyn Keyring)] {
        let good = small(keys);
        let check = |bytes: &[u8]| {
            let segment =
                Segment::decode(bytes, bytes.len() as u64, (epoch(), SegmentNo(1)), &home(keys))?;
            segment.check_header(bytes)?;
            images(&segment, bytes)
        };
        check(&good.bytes).expect("is whole");
        for byte in 0..good.bytes.len() {
            let mut bad = good.bytes.clone();
            bad[byte] ^= 1 << (byte % 8);
            // Version bytes of the preamble are compared with the trailer's.
            assert!(check(&bad).is_err(), "byte {byte}");
        }
        for len in 0..good.bytes.len() {
            assert!(check(&good.bytes[..len]).is_err(), "{len} bytes");
        }
        let count = good.bytes.len() * 2;
        println!("damaged: each byte and cut of a segment, to its decoder: {count}");
    }
}

#[test]
fn a_segment_belongs_to_its_place() {
    for keys in [None, Some(&Marked as &'static dyn Keyring)] {
        let good = small(keys);
        for place in [(epoch(), SegmentNo(2)), (EpochId::from_bytes([1; 16]), SegmentNo(1))] {
            let error = Segment::decode(&good.bytes, good.bytes.len() as u64, place, &home(keys))
                .expect_err("lies elsewhere");
            assert!(
                matches!(error, DecodeError::Misplaced { .. } | DecodeError::Forged { .. }),
                "{error:?}"
            );
        }
    }
    let kind = ObjectKind::LogSegment;
    let plain = decode(&small(None), &home(Some(&Marked))).expect_err("is plain");
    assert_eq!(plain, DecodeError::NotSealed { kind });
    let sealed = decode(&small(Some(&Marked)), &home(None)).expect_err("is sealed");
    assert_eq!(sealed, DecodeError::Sealed { kind });
}

/// What another program wrote, from the documentation.
fn vectors() -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = include_str!("../../testdata/segment.json");
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let hex = |value: &serde_json::Value| {
        let digits = value.as_str().expect("text").as_bytes();
        let pair = |pair: &[u8]| std::str::from_utf8(pair).expect("ASCII").to_owned();
        digits.chunks(2).map(|digits| u8::from_str_radix(&pair(digits), 16).expect("hex")).collect()
    };
    let rows = json["segments"].as_array().expect("rows");
    rows.iter().map(|row| (hex(&row["bytes"]), hex(&row["digest"]))).collect()
}

/// A spool that is full, or a kill, may end an epoch in the middle of a commit.
#[test]
fn a_seal_after_half_a_commit() {
    let mut writer =
        SegmentWriter::new(head(1, None), SegmentOptions::default(), &home(None)).expect("begins");
    writer.page(PageNo(1), &noise(1, 512)).expect("fits");
    let half = writer.finish(at(1), &[]).expect("fits");
    let whole = |written: &WrittenSegment| {
        let len = written.bytes.len() as u64;
        Segment::decode(&written.bytes, len, (epoch(), written.number), &home(None))
    };
    let before = whole(&half).expect("is whole");
    assert!(before.is_open());
    let mut head = head(2, Some(half.digest));
    head.kind = SegmentKind::Seal;
    (head.continues, head.observed_from) = (true, at(1));
    let seal = SegmentWriter::new(head, SegmentOptions::default(), &home(None)).expect("begins");
    let seal = whole(&seal.finish(at(1), &[]).expect("fits")).expect("is whole");
    seal.follows(&before).expect("it does");
    assert!(seal.commits().is_empty() && !seal.is_open());
    assert_eq!(seal.next_commit(), before.next_commit());
}

#[test]
fn segments_of_another_program() {
    let vectors = vectors();
    let segments: Vec<Segment> = vectors
        .iter()
        .zip(1..)
        .map(|((bytes, digest), number)| {
            let place = (epoch(), SegmentNo(number));
            let segment =
                Segment::decode(bytes, bytes.len() as u64, place, &home(None)).expect("is whole");
            assert_eq!(segment.digest().as_bytes()[..], digest[..]);
            segment
        })
        .collect();
    let [one, two, seal] = &segments[..] else { panic!("three segments") };
    two.follows(one).expect("it does");
    seal.follows(two).expect("it does");
    one.follows(two).expect_err("it does not");
    seal.follows(one).expect_err("one is missing");
    assert!(one.is_open() && !two.is_open());
    assert_eq!((one.mark(), one.next_commit()), (&b"a place in a WAL"[..], CommitNo(9)));
    assert_eq!(seal.head().kind, SegmentKind::Seal);
    let rows: Vec<_> = one.commits().iter().map(|row| (row.number.0, row.page_count)).collect();
    assert_eq!(rows, [(7, Some(2)), (8, Some(3)), (9, None)]);
    let pages: Vec<u32> = one.pages().iter().map(|page| page.0).collect();
    assert_eq!(pages, [1, 2, 1, 2, 1, 3]);
    let expected: Vec<u8> = (1..=6).flat_map(|seed| noise(seed, 512)).collect();
    assert!(images(one, &vectors[0].0).expect("is whole") == expected);

    // And what this crate writes of the same is the same, byte for byte.
    let mut writer =
        SegmentWriter::new(head(1, None), SegmentOptions::default(), &home(None)).expect("begins");
    let half = at(0) + time::Duration::milliseconds(500);
    let push = |writer: &mut SegmentWriter, page, seed| {
        writer.page(PageNo(page), &noise(seed, 512)).expect("fits");
    };
    push(&mut writer, 1, 1);
    push(&mut writer, 2, 2);
    writer.commit(2, half).expect("fits");
    push(&mut writer, 1, 3);
    push(&mut writer, 2, 4);
    push(&mut writer, 1, 5);
    writer.commit(3, half).expect("fits");
    push(&mut writer, 3, 6);
    let written = writer.finish(at(2), b"a place in a WAL").expect("ends");
    assert!(written.bytes == vectors[0].0 && written.is_open);
    let mut head = head(3, Some(two.digest()));
    (head.kind, head.first_commit) = (SegmentKind::Seal, CommitNo(10));
    (head.observed_from, head.nonce) = (at(3), Nonce::from_bytes([3; 16]));
    let writer = SegmentWriter::new(head, SegmentOptions::default(), &home(None)).expect("begins");
    assert!(writer.finish(at(3), b"").expect("ends").bytes == vectors[2].0);
}

/// Whoever can write to the store can compute digests: no field is believed.
#[test]
fn fields_that_lie() {
    let good = small(None);
    let index_len = good.bytes.len() - 16 - 3 * 512 - TRAILER_LEN;
    let start = 16 + 3 * 512;
    let relied = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut index = good.bytes[start..start + index_len].to_vec();
        edit(&mut index);
        let mut bytes = good.bytes[..start].to_vec();
        let mut trailer = good.bytes[start + index_len..].to_vec();
        trailer[8..12].copy_from_slice(&(index.len() as u32).to_le_bytes());
        trailer[24..56].copy_from_slice(Digest::of(&index).as_bytes());
        bytes.extend_from_slice(&index);
        bytes.extend_from_slice(&trailer);
        Segment::decode(&bytes, bytes.len() as u64, (epoch(), SegmentNo(1)), &home(None))
    };
    relied(&|_| {}).expect("nothing was changed");
    let set = |at: usize, word: u32| {
        move |index: &mut Vec<u8>| {
            index[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
    };
    let rows = 128 + 4;
    let cases: [(&str, usize, u32); 15] = [
        ("page size", 96, 513),
        ("a seal with pages", 100, 1),
        ("commits", 108, u32::MAX),
        ("commits", 108, 2),
        ("pages", 112, u32::MAX),
        ("pages", 112, 2),
        ("frames", 116, u32::MAX),
        ("mark", 120, 65),
        ("zero", 124, 1),
        ("pages of a commit", rows, 2),
        ("pages of a commit", rows, u32::MAX),
        ("pages of the database", rows + 4, u32::MAX),
        ("seen before it was observed", rows + 12, 0),
        ("length of a frame", rows + 16, 17),
        ("page 0", rows + 16 + 24, 0),
    ];
    for (what, at, word) in cases {
        assert!(relied(&set(at, word)).is_err(), "{what}");
    }
    let unknown = relied(&set(100, 4)).expect_err("a flag of later versions");
    assert!(matches!(unknown, DecodeError::NotUnderstood { .. }), "{unknown:?}");
    // Random edits: an error, or something that was checked.
    let mut state = 5_u64;
    for _ in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (place, byte) = ((state >> 33) as usize % index_len, (state >> 20) as u8);
        if let Ok(segment) = relied(&move |index: &mut Vec<u8>| index[place] = byte) {
            assert_eq!(segment.pages().len(), 3);
            assert!(segment.commits().last().is_none_or(|row| row.pages.end == 3));
        }
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let begin = |head| SegmentWriter::new(head, SegmentOptions::default(), &home(None));
    assert!(begin(head(0, None)).is_err());
    assert!(begin(head(2, None)).is_err());
    assert!(begin(head(1, Some(Digest::of(b"")))).is_err());
    let mut writer = begin(head(1, None)).expect("begins");
    assert!(writer.page(PageNo(0), &[0; 512]).is_err());
    assert!(writer.page(PageNo(1), &[0; 511]).is_err());
    assert!(writer.commit(1, at(1)).is_err(), "without pages");
    writer.page(PageNo(1), &[0; 512]).expect("fits");
    assert!(writer.commit(0, at(1)).is_err());
    assert!(matches!(writer.commit(1, at(-1)), Err(SegmentError::Time)));
    writer.commit(1, at(1)).expect("fits");
    assert!(writer.finish(at(-1), b"").is_err());
    let writer = begin(head(1, None)).expect("begins");
    assert!(writer.finish(at(1), &[0; 65]).is_err());
}

#[test]
fn a_full_segment_says_so() {
    let options = SegmentOptions::default().with_target_len(100_000);
    let mut writer = SegmentWriter::new(head(1, None), options, &home(None)).expect("begins");
    let mut pages = 0;
    while !writer.is_full() {
        pages += 1;
        writer.page(PageNo(pages), &noise(pages as u8, 512)).expect("fits");
    }
    assert!((190..=200).contains(&pages), "{pages} pages");
    let written = writer.finish(at(1), b"").expect("ends");
    assert!(written.is_open && written.bytes.len() < 110_000);
}
