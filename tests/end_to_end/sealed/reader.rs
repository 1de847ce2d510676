//! The independent reader opens what the binary encrypted, and nothing that
//! was changed since.

use crate::command::same_bytes;

use super::*;

const KEYED: &[(&str, &str)] = &[("LIFEBOAT_KEY", KEY)];
const WORDS: &[(&str, &str)] = &[("LIFEBOAT_PASSPHRASE", PASSPHRASE)];
const OTHER: &[(&str, &str)] = &[("LIFEBOAT_KEY", OTHER_KEY)];

/// So many snapshots that one of them has a list object.
const FOR_A_LIST: usize = 12;

/// A repository with two data keys, opened by a key and by a passphrase, and
/// what each snapshot must give: pages before and after the second data key,
/// and an archive.
struct Sealed {
    folder: Folder,
    snapshots: Vec<(String, PathBuf)>,
}

impl Sealed {
    /// With so many snapshots after the second data key began.
    fn new(rounds: usize) -> Self {
        let folder = with_database();
        let mut sealed = Self { folder, snapshots: Vec::new() };
        sealed.back_up(&[]);
        std::fs::write(sealed.folder.path("words"), PASSPHRASE).expect("writes");
        with_key(&sealed.folder, &["key", "add", "--new-passphrase-file", "words"]).ok();
        sealed.change();
        sealed.back_up(&[]);
        with_key(&sealed.folder, &["key", "rotate", "--data-key"]).ok();
        for _ in 0..rounds {
            sealed.change();
            sealed.back_up(&[]);
        }
        sealed.change();
        sealed.back_up(&["--archive"]);
        sealed
    }

    fn change(&self) {
        let sql = "INSERT INTO t VALUES(randomblob(9000))";
        open(&self.folder.path("app.db"), "delete").execute_batch(sql).expect("writes");
    }

    fn back_up(&mut self, more: &[&str]) {
        let arguments = [&["--json", "backup", "app.db"], more].concat();
        let id = with_key(&self.folder, &arguments).ok().last()["snapshot_id"].clone();
        let copy = self.folder.path(&format!("copy-{}", self.snapshots.len()));
        std::fs::copy(self.folder.path("app.db"), &copy).expect("copies");
        self.snapshots.push((id.as_str().expect("a text").to_owned(), copy));
    }

    /// Has the reader restore a snapshot, which must be exactly what it was.
    fn check(&self, variables: &[(&str, &str)], id: &str, copy: &Path) {
        let arguments = ["restore", "backups", "app", id, "read.db"];
        self.folder.reader(variables, &arguments).ok();
        assert!(same_bytes(&self.folder.path("read.db"), copy), "{id} with {variables:?}");
        std::fs::remove_file(self.folder.path("read.db")).expect("is there");
    }
}

#[test]
fn every_snapshot_to_the_byte() {
    let sealed = Sealed::new(FOR_A_LIST);
    assert!(!sealed.folder.objects_of("/lists/").is_empty());
    for (id, copy) in &sealed.snapshots {
        sealed.check(KEYED, id, copy);
        sealed.check(WORDS, id, copy);
    }
    let (_, newest) = sealed.snapshots.last().expect("some");
    sealed.check(KEYED, "latest", newest);
    for variables in [KEYED, WORDS] {
        let listed = sealed.folder.reader(variables, &["list", "backups"]).ok();
        assert_eq!(listed.out.lines().count(), sealed.snapshots.len(), "{listed:?}");
        let verified = sealed.folder.reader(variables, &["verify", "backups", "app"]).ok();
        assert_eq!(verified.out.lines().count(), sealed.snapshots.len(), "{verified:?}");
    }
}

#[test]
fn no_key_or_a_wrong_one() {
    let sealed = Sealed::new(1);
    let folder = &sealed.folder;
    with_key(folder, &["export", "app", "-o", "app.sealed", "--sealed"]).ok();
    let both = [KEYED, WORDS].concat();
    for variables in [&[][..], OTHER, &[("LIFEBOAT_PASSPHRASE", "another")], &both] {
        for arguments in [
            &["list", "backups"][..],
            &["verify", "backups", "app"],
            &["restore", "backups", "app", "latest", "none.db"],
            &["decrypt", "app.sealed", "none.db"],
        ] {
            let ran = folder.reader(variables, arguments);
            assert_eq!(ran.code, 12, "{arguments:?} with {variables:?}: {ran:?}");
            assert!(!folder.path("none.db").exists());
        }
    }
    // Who has a key and finds a plain repository is somewhere else.
    let plain = with_database();
    plain.backup("app.db");
    assert_eq!(plain.reader(KEYED, &["list", "backups"]).code, 12);
}

/// Who was shut out by a new data key does not get in; who holds both does.
#[test]
fn a_data_key_for_one_alone() {
    let sealed = Sealed::new(1);
    with_key(&sealed.folder, &["key", "rotate", "--data-key", "--only-this-key"]).ok();
    let ran = sealed.folder.reader(WORDS, &["list", "backups"]);
    assert_eq!(ran.code, 12, "{ran:?}");
    for (id, copy) in &sealed.snapshots {
        sealed.check(KEYED, id, copy);
    }
}

#[test]
fn a_flipped_byte_anywhere() {
    let sealed = Sealed::new(FOR_A_LIST);
    let folder = &sealed.folder;
    for kind in ["format/", "/records/", "/lists/", "/packs/", "/archives/"] {
        let objects = folder.objects_of(kind);
        let (first, last) = objects.first().zip(objects.last()).expect("there are some");
        for object in [first, last] {
            let good = std::fs::read(object).expect("reads");
            for at in [0, 11, 30, 60, good.len() / 2, good.len() - 90, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 0x20;
                std::fs::write(object, &bad).expect("writes");
                let ran = folder.reader(KEYED, &["verify", "backups", "app"]);
                assert_eq!(ran.code, 4, "{object:?} at {at}: {ran:?}");
            }
            std::fs::write(object, &good).expect("writes");
        }
    }
    folder.reader(KEYED, &["verify", "backups", "app"]).ok();
}

/// A slot that is damaged bars who has no other; the others go on.
#[test]
fn a_flipped_byte_in_a_slot() {
    let sealed = Sealed::new(1);
    let folder = &sealed.folder;
    let verify = |variables| folder.reader(variables, &["verify", "backups", "app"]).code;
    for slot in folder.objects_of("/keys/") {
        let good = std::fs::read(&slot).expect("reads");
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 0x20;
        std::fs::write(&slot, &bad).expect("writes");
        let codes = [verify(KEYED), verify(WORDS)];
        let chain = String::from_utf8_lossy(&good).contains("data-key");
        assert!(
            if chain { codes == [4, 4] } else { [[0, 4], [4, 0]].contains(&codes) },
            "{codes:?}"
        );
        std::fs::write(&slot, &good).expect("writes");
    }
}

#[test]
fn an_object_in_the_place_of_another() {
    let sealed = Sealed::new(1);
    let folder = &sealed.folder;
    with_key(folder, &["backup", "app.db", "--as", "other"]).ok();
    let first = "records/00000000000000000001";
    let (here, there) = ("backups/databases/app/", "backups/databases/other/");
    let good = std::fs::read(folder.path(&format!("{here}{first}"))).expect("reads");
    std::fs::copy(folder.path(&format!("{there}{first}")), folder.path(&format!("{here}{first}")))
        .expect("copies");
    let ran = folder.reader(KEYED, &["verify", "backups", "app"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("sealed for another place"), "{ran:?}");
    std::fs::write(folder.path(&format!("{here}{first}")), good).expect("writes");
    folder.reader(KEYED, &["verify", "backups", "app"]).ok();
}

#[test]
fn single_files() {
    let sealed = Sealed::new(1);
    let folder = &sealed.folder;
    let (_, newest) = sealed.snapshots.last().expect("some");
    with_key(folder, &["export", "app", "-o", "app.sealed", "--sealed"]).ok();
    with_key(folder, &["export", "app", "-o", "app.zst", "--zstd"]).ok();
    std::fs::copy(&folder.objects_of("/archives/")[0], folder.path("moved")).expect("copies");
    let files = [("app.sealed", KEYED), ("app.sealed", WORDS), ("moved", KEYED), ("app.zst", &[])];
    for (file, variables) in files {
        folder.reader(variables, &["decrypt", file, "opened.db"]).ok();
        assert!(same_bytes(&folder.path("opened.db"), newest), "{file}");
        let again = folder.reader(variables, &["decrypt", file, "opened.db"]);
        assert_eq!(again.code, 1, "nothing is overwritten: {again:?}");
        std::fs::remove_file(folder.path("opened.db")).expect("is there");

        let good = std::fs::read(folder.path(file)).expect("reads");
        let cut = [&good[..good.len() / 2], &good[..good.len() - 1]];
        for bad in cut {
            std::fs::write(folder.path("bad"), bad).expect("writes");
            let ran = folder.reader(variables, &["decrypt", "bad", "opened.db"]);
            assert_eq!(ran.code, 4, "{file}: {ran:?}");
            assert!(!folder.path("opened.db").exists());
        }
    }
    let sealed_file = std::fs::read(folder.path("app.sealed")).expect("reads");
    for at in (0..sealed_file.len()).step_by(sealed_file.len() / 24) {
        let mut bad = sealed_file.clone();
        bad[at] ^= 0x20;
        std::fs::write(folder.path("bad"), bad).expect("writes");
        let ran = folder.reader(KEYED, &["decrypt", "bad", "opened.db"]);
        // A file that no longer says what it is might be any file of a nonce and a tag.
        assert!(ran.code == 4 || (at == 0 && ran.code == 12), "{at}: {ran:?}");
        assert!(!folder.path("opened.db").exists());
    }
}

/// A plain archive, and one that is a zstd stream, in a plain repository.
#[test]
fn plain_archives() {
    let folder = with_database();
    folder.backup("app.db");
    folder.run(&["backup", "app.db", "--archive"]).ok();
    assert!(same_bytes(&folder.read_independently("app", "latest"), &folder.path("app.db")));
    let archive = &folder.objects_of("/archives/")[0];
    let mut bytes = std::fs::read(archive).expect("reads");
    bytes[5000] ^= 1;
    std::fs::write(archive, bytes).expect("writes");
    let ran = folder.reader(&[], &["restore", "backups", "app", "latest", "none.db"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("archives/"), "{ran:?}");
}
