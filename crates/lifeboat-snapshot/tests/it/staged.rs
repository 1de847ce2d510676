//! Restoring: nothing at the target, or the whole image.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_format::digest::{BlockHash, Digest, ImageDigester};
use lifeboat_format::geometry::{BlockNo, Geometry, PageSize};
use lifeboat_format::source::PageSink;
use lifeboat_snapshot::{ProveError, PublishError, StageError, StagedFile, left_behind};

use crate::support::*;

const BLOCK: usize = 4096;

fn geometry(page_size: u32, pages: u32) -> Geometry {
    Geometry::new(PageSize::new(page_size).expect("valid"), pages).expect("valid")
}

fn content() -> Vec<u8> {
    (0..200 * BLOCK).map(|i| (i / 7 % 251) as u8).collect()
}

fn digest(bytes: &[u8]) -> Digest {
    let mut digester = ImageDigester::default();
    for block in bytes.chunks(BLOCK) {
        let mut block = block.to_vec();
        block.resize(BLOCK, 0);
        digester.push(BlockHash::of(&key(), &block));
    }
    digester.finish()
}

fn stage(target: &Path) -> StagedFile {
    let mut staged = StagedFile::create(target).expect("stages");
    staged.begin(geometry(4096, 200)).expect("begins");
    let bytes = content();
    // In any order.
    for first in [150_usize, 0, 100, 50] {
        let part = &bytes[first * BLOCK..][..50 * BLOCK];
        staged.blocks(BlockNo(first as u32), part).expect("writes");
    }
    staged
}

#[test]
fn the_whole_way() {
    let folder = folder();
    let target = folder.path().join("app.db");
    let staged = stage(&target);
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!(mode(staged.path()), 0o600);
    let proven = staged.prove(&key(), &digest(&content())).expect("is it");
    assert!(!target.exists());
    proven.publish().expect("publishes");
    assert_eq!(fs::read(&target).expect("is there"), content());
    fs::write(folder.path().join("usual"), b"").expect("writes");
    assert_eq!(mode(&target), mode(&folder.path().join("usual")) & 0o600);
    assert_eq!(listing(folder.path()), ["app.db", "usual"]);
}

#[test]
fn what_is_in_the_way() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let folder = folder();
        let target = folder.path().join("app.db");
        let obstacle = with_suffix(&target, suffix);
        let right = |path: &Path, sidecar: bool| path == obstacle && sidecar != suffix.is_empty();
        // At the start.
        fs::write(&obstacle, b"precious").expect("writes");
        match StagedFile::create(&target).err().expect("is refused") {
            StageError::TargetExists { path } => assert!(right(&path, false)),
            StageError::SidecarExists { path } => assert!(right(&path, true)),
            other => panic!("{other:?}"),
        }
        fs::remove_file(&obstacle).expect("is there");
        // Meanwhile.
        let proven = stage(&target).prove(&key(), &digest(&content())).expect("is it");
        fs::write(&obstacle, b"precious").expect("writes");
        match proven.publish().expect_err("is refused") {
            PublishError::TargetExists { path } => assert!(right(&path, false)),
            PublishError::SidecarExists { path } => assert!(right(&path, true)),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&obstacle).expect("is there"), b"precious");
        assert_eq!(listing(folder.path()).len(), 1, "the staged file is gone");
    }
    let folder = folder();
    let target = folder.path().join("app.db");
    std::os::unix::fs::symlink("nowhere", &target).expect("links");
    let refused = StagedFile::create(&target).err().expect("is refused");
    assert!(matches!(refused, StageError::TargetExists { .. }), "{refused:?}");
}

#[test]
fn a_flipped_byte_is_found() {
    let folder = folder();
    let target = folder.path().join("app.db");
    for at in [0, 4095, 4096, 400_000, 200 * BLOCK - 1] {
        let staged = stage(&target);
        let mut bytes = fs::read(staged.path()).expect("is there");
        bytes[at] ^= 1;
        fs::write(staged.path(), bytes).expect("writes");
        let error = staged.prove(&key(), &digest(&content())).err().expect("is found");
        assert!(matches!(error, ProveError::Digest { .. }), "{error:?}");
    }
    let staged = stage(&target);
    let file = fs::OpenOptions::new().append(true).open(staged.path()).expect("opens");
    file.set_len(200 * 4096 + 1).expect("grows");
    let error = staged.prove(&key(), &digest(&content())).err().expect("is found");
    assert!(matches!(error, ProveError::Size { .. }), "{error:?}");
    let staged = StagedFile::create(&target).expect("stages");
    let error = staged.prove(&key(), &digest(&content())).err().expect("is found");
    assert!(matches!(error, ProveError::NotBegun), "{error:?}");
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn blocks_beyond_the_end() {
    let folder = folder();
    let mut staged = StagedFile::create(&folder.path().join("app.db")).expect("stages");
    let early = staged.blocks(BlockNo(0), &[0; BLOCK]).expect_err("too early");
    assert!(matches!(early, StageError::NotBegun), "{early:?}");
    // 17 pages of 512 bytes: three blocks, the last with one page in it.
    staged.begin(geometry(512, 17)).expect("begins");
    staged.blocks(BlockNo(0), &[1; 3 * BLOCK]).expect("whole blocks");
    assert_eq!(fs::metadata(staged.path()).expect("is there").len(), 17 * 512);
    for (first, bytes) in [(3, BLOCK), (2, 2 * BLOCK), (0, 100), (u32::MAX, BLOCK)] {
        let error = staged.blocks(BlockNo(first), &vec![0; bytes]).expect_err("beyond");
        assert!(matches!(error, StageError::OutOfRange { .. }), "{error:?}");
    }
    let expected = digest(&[1; 17 * 512]);
    staged.prove(&key(), &expected).expect("is it").publish().expect("publishes");
}

#[test]
fn names_are_kept_apart() {
    use std::os::unix::ffi::OsStringExt;
    let folder = folder();
    for name in [b"caf\xe9 ?#%.db".to_vec(), vec![b'x'; 240]] {
        let target = folder.path().join(std::ffi::OsString::from_vec(name));
        let proven = stage(&target).prove(&key(), &digest(&content())).expect("is it");
        proven.publish().expect("publishes");
        assert!(target.exists());
    }
}

/// A process that dies on the way leaves nothing at the target, and what it
/// does leave is swept by the next; what somebody works on is not.
#[test]
fn killed_on_the_way() {
    if let Some(target) = child_argument() {
        let step = fs::read_to_string(with_suffix(&target, ".step")).expect("was told");
        if step == "created" {
            let _staged = StagedFile::create(&target).expect("stages");
            std::process::abort();
        }
        let staged = stage(&target);
        if step == "staged" {
            let _staged = staged;
            std::process::abort();
        }
        let proven = staged.prove(&key(), &digest(&content())).expect("is it");
        if step == "proven" {
            let _proven = proven;
            std::process::abort();
        }
        proven.publish().expect("publishes");
        std::process::abort();
    }
    for step in ["created", "staged", "proven", "published"] {
        let folder = folder();
        let target = folder.path().join("app.db");
        fs::write(with_suffix(&target, ".step"), step).expect("writes");
        let working = stage(&target);
        let output = in_child("staged::killed_on_the_way", &target, false);
        assert!(!output.status.success());
        if step == "published" {
            assert_eq!(fs::read(&target).expect("is there"), content());
            continue;
        }
        assert_eq!(listing(folder.path()).len(), 3, "{step}: no target, one left behind");
        assert!(!target.exists());
        // Either it is taken up, which one that holds nothing is not worth, ...
        let mut next = StagedFile::resume(&target).expect("stages");
        assert_eq!(next.is_resumed(), step != "created", "{step}");
        let mut held = next.begin_again(geometry(4096, 200), &key()).expect("begins");
        let (block, bytes) = (BlockNo(7), content()[7 * BLOCK..][..BLOCK].to_vec());
        assert_eq!(held.holds(block, BlockHash::of(&key(), &bytes)), step != "created");
        // ... and stays for the one after that, ...
        drop(next);
        // ... or it is swept.
        let next = StagedFile::create(&target).expect("stages");
        let mut left = [working.path(), next.path()]
            .map(|path| path.file_name().expect("has one").to_string_lossy().into_owned());
        left.sort();
        assert_eq!(listing(folder.path())[..2], left, "{step}: swept, but not what is in use");
    }
}

/// What half an attempt left, of which only blocks 0 to 99 are right.
fn left_by_half(target: &Path) -> PathBuf {
    let mut staged = StagedFile::create(target).expect("stages");
    staged.begin(geometry(4096, 200)).expect("begins");
    staged.blocks(BlockNo(0), &content()[..100 * BLOCK]).expect("writes");
    staged.blocks(BlockNo(150), &vec![7; 20 * BLOCK]).expect("writes");
    staged.keep(true);
    staged.path().to_owned()
}

#[test]
fn what_was_left_is_gone_on_with() {
    let folder = folder();
    let target = folder.path().join("app.db");
    let left = left_by_half(&target);
    assert_eq!(left_behind(&target).as_deref(), Some(&*left));
    let mut staged = StagedFile::resume(&target).expect("stages");
    assert!(staged.is_resumed() && staged.path() == left);
    assert_eq!(left_behind(&target), None, "somebody works on it");
    assert!(!StagedFile::resume(&target).expect("stages").is_resumed());
    let mut held = staged.begin_again(geometry(4096, 200), &key()).expect("begins");
    staged.begin(geometry(4096, 200)).expect("begins");
    let bytes = content();
    let mut fetched = 0;
    for (block, bytes) in (0..).map(BlockNo).zip(bytes.chunks(BLOCK)) {
        if !held.holds(block, BlockHash::of(&key(), bytes)) {
            staged.blocks(block, bytes).expect("writes");
            fetched += 1;
        }
    }
    assert_eq!(fetched, 100);
    staged.prove(&key(), &digest(&bytes)).expect("is it").publish().expect("publishes");
    assert_eq!(fs::read(&target).expect("is there"), bytes);
    assert_eq!(listing(folder.path()), ["app.db"]);
    // Of a smaller image nothing beyond its end is left.
    fs::remove_file(&target).expect("removes");
    left_by_half(&target);
    let mut staged = StagedFile::resume(&target).expect("stages");
    staged.begin_again(geometry(4096, 50), &key()).expect("begins");
    staged.begin(geometry(4096, 50)).expect("begins");
    let expected = digest(&bytes[..50 * BLOCK]);
    staged.prove(&key(), &expected).expect("is it").publish().expect("publishes");
    assert_eq!(fs::read(&target).expect("is there"), bytes[..50 * BLOCK]);
}

/// What is wrong in the end is not kept for another attempt.
#[test]
fn what_is_not_the_image_is_not_kept() {
    let folder = folder();
    let target = folder.path().join("app.db");
    left_by_half(&target);
    let mut staged = StagedFile::resume(&target).expect("stages");
    staged.begin(geometry(4096, 200)).expect("begins");
    staged.prove(&key(), &digest(&content())).err().expect("is not it");
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn what_others_can_have_written_is_not_taken_up() {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    let check = |what: &str, spoil: &dyn Fn(&Path)| {
        let folder = folder();
        let target = folder.path().join("app.db");
        let left = left_by_half(&target);
        spoil(&left);
        assert_eq!(left_behind(&target).is_some(), what == "of another", "{what}");
        let staged = StagedFile::resume(&target).expect("stages");
        assert!(!staged.is_resumed() && staged.path() != left, "{what}");
        drop(staged);
        assert!(!target.exists());
        folder
    };
    check("readable by others", &|left| {
        fs::set_permissions(left, PermissionsExt::from_mode(0o640)).expect("is ours");
    });
    let folder = check("with a second name", &|left| {
        fs::hard_link(left, left.with_file_name("other")).expect("links");
    });
    assert_eq!(fs::read(folder.path().join("other")).expect("there")[..BLOCK], content()[..BLOCK]);
    let folder = check("a link", &|left| {
        let elsewhere = left.with_file_name("elsewhere");
        fs::rename(left, &elsewhere).expect("renames");
        symlink(&elsewhere, left).expect("links");
    });
    let elsewhere = fs::read(folder.path().join("elsewhere")).expect("is there");
    assert_eq!(elsewhere[..BLOCK], content()[..BLOCK], "what a link names is let alone");
    check("a directory", &|left| {
        fs::remove_file(left).expect("removes");
        fs::create_dir(left).expect("makes it");
    });
    check("with nothing in it", &|left| {
        fs::OpenOptions::new().write(true).open(left).expect("opens").set_len(0).expect("empties");
    });
    // Whoever is not root cannot give a file away.
    let probe = folder.path().join("probe");
    fs::write(&probe, b"").expect("writes");
    if chown(&probe, Some(65_534), None).is_err() {
        eprintln!("SKIPPED: files of other owners, because this is not root");
        return;
    }
    check("of another", &|left| chown(left, Some(65_534), None).expect("is root"));
}
