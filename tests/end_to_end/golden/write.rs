//! Writing a golden repository. `cargo xtask golden` does it for a version that has
//! none; every run of the tests does it to a folder that goes again, so that what
//! today's writer makes is held to what is asked of yesterday's.

use lifeboat::config::Role;
use lifeboat::crypto::{RawKey, Secret};
use lifeboat::format::id::InstallationId;
use lifeboat::repository::LocalOptions;
use lifeboat::{DestinationSettings, Destinations, Missing};
use lifeboat_testing::databases::{Numbers, open};
use serde_json::json;

use super::damage::outcome;
use super::*;

/// Keys that protect nothing: they are published here.
const KEY: &str = "Z29sZGVuLWdvbGRlbi1nb2xkZW4tZ29sZGVuLWtleSE=";
const PASSPHRASE: &str = "golden correct horse battery";
/// A name that keys have to encode.
const OTHER: &str = "b \u{fc}";

/// Where the test is to write, if not to a folder that goes again.
const VARIABLE: &str = "LIFEBOAT_TEST_GOLDEN";

#[test]
fn what_is_written_today_holds_as_well() {
    let kept = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = kept.clone().unwrap_or_else(|| folder.path().to_owned());
    let mut golden = Golden {
        path,
        expected: json!({
            "about": "What one version of Lifeboat wrote. Never edited; docs/format.md.",
            "repositories": {},
            "files": [],
            "damaged": [],
        }),
    };
    for (name, key) in [("plain", None), ("sealed", Some(KEY))] {
        let made = Maker::new(key).make();
        copy_tree(&made.folder.path("backups"), &golden.path.join(name));
        if let Some(key) = key {
            let kept = made.export("app.db.sealed", &["--sealed"]);
            std::fs::copy(kept, golden.path.join("app.db.sealed")).expect("copies");
            let newest = made.snapshots["app"].as_array().and_then(|all| all.last());
            let blake3 = newest.expect("there are some")["blake3"].clone();
            golden.expected["files"] = json!([{"file": "app.db.sealed", "blake3": blake3}]);
            assert_eq!(key, KEY);
        }
        golden.expected["repositories"][name] = json!({
            "raw_key": key,
            "passphrase": key.map(|_| PASSPHRASE),
            "records": made.folder.objects_of("/app/records/").len(),
            "databases": made.snapshots,
        });
    }
    for repository in ["plain", "sealed"] {
        is_whole(&golden, repository);
    }
    if kept.is_some() {
        let folder = Folder::new();
        let mut rows = Vec::new();
        for repository in ["plain", "sealed"] {
            for mut row in Damages::of(&golden, repository).rows {
                row["expected"] = outcome(&golden, &folder, &row);
                rows.push(row);
            }
        }
        golden.expected["damaged"] = rows.into();
        let text = serde_json::to_string_pretty(&golden.expected).expect("serialises");
        std::fs::write(golden.path.join("expected.json"), text + "\n").expect("writes");
    }
}

/// A folder in which a repository is made, and what its snapshots are.
struct Maker {
    folder: Folder,
    variables: Vec<(String, String)>,
    snapshots: Value,
}

impl Maker {
    fn new(key: Option<&str>) -> Self {
        let mut variables = vec![("LIFEBOAT_INSTALLATION_ID".to_owned(), "golden".to_owned())];
        variables.extend(key.map(|key| ("LIFEBOAT_KEY".to_owned(), key.to_owned())));
        Self { folder: Folder::new(), variables, snapshots: json!({}) }
    }

    fn is_sealed(&self) -> bool {
        self.variables.len() > 1
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.folder, &self.variables, arguments).ok()
    }

    /// Every kind of object, in every form that this version writes.
    fn make(mut self) -> Self {
        let path = self.folder.path("app.db");
        let connection = open(&path, "delete");
        connection
            .execute_batch(
                "PRAGMA page_size=1024; VACUUM; CREATE TABLE t(id INTEGER PRIMARY KEY, a)",
            )
            .expect("writes");
        let mut numbers = Numbers::new(1);
        let mut change = |rows: std::ops::RangeInclusive<i64>| {
            for id in rows {
                // Much of it alike, so that the packs stay small.
                let text = format!("{:?}", numbers.bytes(8)).repeat(12);
                let sql = "INSERT OR REPLACE INTO t VALUES(?1, ?2)";
                connection.execute(sql, rusqlite::params![id, text]).expect("writes");
            }
        };
        change(1..=20);
        self.back_up("app", &["--archive", "--tag", "kind=archive"]);
        change(1..=600);
        self.back_up("app", &[]);
        if self.is_sealed() {
            std::fs::write(self.folder.path("words"), PASSPHRASE).expect("writes");
            self.run(&["key", "add", "--new-passphrase-file", "words"]);
        }
        for round in 2..=18 {
            change(30 * round..=30 * round + 1);
            if round == 6 && self.is_sealed() {
                self.run(&["key", "rotate", "--data-key"]);
            }
            let before = self.folder.objects_of("/app/packs/");
            self.back_up("app", &[]);
            if round == 18 {
                self.mend_a_pack(&before);
            }
        }
        change(40..=41);
        self.back_up("app", &["--description", "the newest"]);
        let rows = self.snapshots["app"].as_array_mut().expect("a list");
        let forgotten = rows.remove(1);
        let pinned = rows[0]["snapshot_id"].clone();
        self.run(&["forget", "app", text(&forgotten["snapshot_id"])]);
        self.run(&["pin", "app", text(&pinned)]);
        self.run(&["drill", "app"]);
        self.other();
        self.beat();
        self
    }

    /// A database of another kind: in WAL mode, of large pages, with a strange name.
    fn other(&mut self) {
        let connection = open(&self.folder.path("other.db"), "delete");
        connection
            .execute_batch(
                "PRAGMA page_size=65536; VACUUM; PRAGMA journal_mode=WAL;
                 CREATE TABLE u(a); INSERT INTO u VALUES('one')",
            )
            .expect("writes");
        self.back_up(OTHER, &[]);
        connection.execute_batch("INSERT INTO u VALUES('two')").expect("writes");
        self.back_up(OTHER, &[]);
    }

    /// Backs up, and remembers what the snapshot is: what SQLite itself says.
    fn back_up(&mut self, name: &str, more: &[&str]) {
        let file = if name == "app" { "app.db" } else { "other.db" };
        let arguments = [&["--json", "backup", file, "--as", name], more].concat();
        let done = self.run(&arguments).last();
        let copy = self.folder.path("copy.db");
        let _ = std::fs::remove_file(&copy);
        let source = open(&self.folder.path(file), if name == "app" { "delete" } else { "wal" });
        source.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("checkpoints");
        drop(source);
        std::fs::copy(self.folder.path(file), &copy).expect("copies");
        let row = json!({
            "snapshot_id": done["snapshot_id"],
            "sequence": done["sequence"],
            "size": std::fs::metadata(&copy).expect("is there").len(),
            "blake3": digest(&copy),
        });
        match &mut self.snapshots[name] {
            Value::Array(rows) => rows.push(row),
            none => *none = json!([row]),
        }
    }

    /// Damages the pack that was just sent, and has it healed from the live database,
    /// which has all of it still. Then it is whole again, beside its repair, because
    /// the independent reader knows no repairs.
    fn mend_a_pack(&self, before: &[PathBuf]) {
        let packs = self.folder.objects_of("/app/packs/");
        let path = packs.iter().find(|path| !before.contains(path)).expect("one was sent");
        let mut bytes = std::fs::read(path).expect("reads");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, &bytes).expect("writes");
        self.run(&["repair", "app", "--apply"]);
        assert_eq!(self.folder.objects_of("/repairs/").len(), 1);
        bytes[middle] ^= 1;
        std::fs::write(path, &bytes).expect("writes");
    }

    /// What only an agent writes.
    fn beat(&self) {
        let folder = &self.folder;
        let url = folder.path("backups").to_string_lossy().into_owned();
        let members = vec![DestinationSettings::new(Role::Primary, url)];
        let mut local = LocalOptions::new(folder.path("state"), folder.path("cache"));
        local.installation_id = Some(InstallationId::new("golden").expect("valid"));
        let secret = self.is_sealed().then(|| Secret::Raw(RawKey::parse(KEY).expect("valid")));
        let all = Destinations::new(members, local, secret);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("starts").block_on(async {
            let chosen = all.choose(&[], Missing::Refuse).await.expect("opens");
            let database = chosen.destination.database("app").expect("valid");
            let listing = database.snapshots(None).await.expect("lists");
            let latest = listing.snapshots.last().expect("there are some");
            let at = latest.body().taken_at;
            database.say_failed(at, 3, "the disk was full").await.expect("says it");
            database.beat(at, latest.number(), latest.id()).await.expect("beats");
        });
    }

    fn export(&self, name: &str, how: &[&str]) -> PathBuf {
        self.run(&[&["export", "app", "-o", name], how].concat());
        self.folder.path(name)
    }
}

/// What can be done to the objects of a repository.
struct Damages<'a> {
    golden: &'a Golden,
    repository: &'a str,
    objects: Vec<String>,
    rows: Vec<Value>,
}

impl<'a> Damages<'a> {
    fn of(golden: &'a Golden, repository: &'a str) -> Self {
        let root = golden.path.join(repository);
        let name = |path: PathBuf| {
            path.strip_prefix(&root).expect("lies below").to_string_lossy().into_owned()
        };
        let objects = files(&root).into_iter().map(name).collect();
        let mut all = Self { golden, repository, objects, rows: Vec::new() };
        all.find();
        all
    }

    /// The snapshots of the database: an early one, an archive, and the newest.
    fn snapshot(&self, at: isize) -> Value {
        let databases = self.golden.databases(self.repository);
        let (_, rows) = databases.iter().find(|(name, _)| *name == "app").expect("is there");
        let at = if at < 0 { rows.len() - at.unsigned_abs() } else { at as usize };
        rows[at].clone()
    }

    fn first(&self, part: &str) -> String {
        let found = self.objects.iter().find(|key| key.contains(part));
        found.unwrap_or_else(|| panic!("no {part}")).clone()
    }

    fn len(&self, object: &str) -> usize {
        let path = self.golden.path.join(self.repository).join(object);
        std::fs::metadata(path).expect("is there").len() as usize
    }

    fn add(&mut self, what: &str, snapshot: &Value, edits: Value) {
        self.rows.push(json!({
            "what": what,
            "repository": self.repository,
            "snapshot": snapshot["snapshot_id"],
            "edits": edits,
        }));
    }

    fn flip(&mut self, what: &str, snapshot: &Value, object: &str, at: usize) {
        let edit = json!({"object": object, "do": "flip", "at": at, "bits": 1});
        self.add(what, snapshot, json!([edit]));
    }

    fn find(&mut self) {
        let (early, newest) = (self.snapshot(3), self.snapshot(-1));
        let archived = self.snapshot(0);
        let record = |of: &Value| {
            format!("databases/app/records/{:020}", of["sequence"].as_u64().unwrap_or(0))
        };
        let last = self.objects.iter().rfind(|key| key.contains("/app/records/"));
        let last = last.expect("there are records").clone();
        let (pack, packs) = self.packs();
        let mut kinds = vec![
            ("the format object", newest.clone(), "format/1".to_owned()),
            ("the record of a snapshot", early.clone(), record(&early)),
            ("the newest record", newest.clone(), last.clone()),
            ("a list", newest.clone(), self.first("/lists/")),
            ("a pack", newest.clone(), pack.clone()),
            ("a repair", newest.clone(), self.first("/repairs/")),
            ("an archive", archived, self.first("/archives/")),
            ("a result of a check", newest.clone(), self.first("/checks/")),
            ("a heartbeat", newest.clone(), self.first("/heartbeats/")),
            ("a failure", newest.clone(), self.first("-failed")),
        ];
        if self.repository == "sealed" {
            kinds.push(("a key slot", newest.clone(), self.first("keys/")));
            kinds.push(("the second format object", newest.clone(), "format/2".to_owned()));
        }
        let needed = [
            "the format object",
            "the record of a snapshot",
            "the newest record",
            "a list",
            "a pack",
            "an archive",
        ];
        for (kind, snapshot, object) in &kinds {
            let len = self.len(object);
            self.flip(&format!("{kind}, a bit in the middle"), snapshot, object, len / 2);
            let gone = json!([{"object": object, "do": "remove"}]);
            self.add(&format!("{kind}, missing"), snapshot, gone);
            let later = json!([{"object": object, "do": "later"}]);
            if *kind != "an archive" || self.repository == "sealed" {
                self.add(&format!("{kind}, of a later version"), snapshot, later);
            }
            // What a restore needs, in every way; of the rest, that it does no harm.
            if !needed.contains(kind) {
                continue;
            }
            self.flip(&format!("{kind}, a bit at its end"), snapshot, object, len - 1);
            let half = json!([{"object": object, "do": "cut", "length": len / 2}]);
            self.add(&format!("{kind}, cut in half"), snapshot, half);
            let empty = json!([{"object": object, "do": "cut", "length": 0}]);
            self.add(&format!("{kind}, empty"), snapshot, empty);
            if *kind == "an archive" && self.repository == "plain" {
                continue;
            }
            for (what, at) in [("magic", 3), ("kind", 8), ("seal byte", 11), ("header length", 12)]
            {
                self.flip(&format!("{kind}, {what}"), snapshot, object, at);
            }
        }
        self.parts_of_a_pack(&pack, &newest);
        let repair = self.first("/repairs/");
        let mended = repair.split('/').rev().nth(1).unwrap_or_default().to_owned();
        let mended = self.first(&format!("/packs/{mended}-"));
        self.flip("a pack that was mended, a bit in the middle", &newest, &mended, 60);
        self.moved(&record(&early), &record(&newest), &early);
        self.moved(&packs[0], &packs[1], &newest);
    }

    /// Packs that the newest snapshot needs: the largest, which has several frames,
    /// and two others.
    fn packs(&self) -> (String, [String; 2]) {
        let mut packs: Vec<(usize, String)> = self
            .objects
            .iter()
            .filter(|key| key.contains("/app/packs/"))
            .map(|key| (self.len(key), key.clone()))
            .collect();
        packs.sort();
        let [.., (_, b), (_, a), (_, largest)] = &packs[..] else { panic!("{packs:?}") };
        (largest.clone(), [a.clone(), b.clone()])
    }

    /// A bit in each part that the end of a pack tells of.
    fn parts_of_a_pack(&mut self, pack: &str, snapshot: &Value) {
        let path = self.golden.path.join(self.repository).join(pack);
        let bytes = std::fs::read(path).expect("reads");
        let trailer = bytes.len() - 32;
        let field = |at: usize| {
            let four = bytes[trailer + at..trailer + at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(four) as usize
        };
        let frames = field(0);
        let hashes = frames + field(4);
        let index = hashes + field(8);
        for (part, at) in [
            ("frames", frames + 2),
            ("block hashes", hashes + 2),
            ("index", index + 2),
            ("index, a row of a frame", index + 66),
            ("trailer", trailer + 5),
            ("trailer, version", trailer + 17),
        ] {
            self.flip(&format!("a pack, {part}"), snapshot, pack, at);
        }
    }

    /// Two objects in each other's place, and those of others in the place of one.
    fn moved(&mut self, a: &str, b: &str, snapshot: &Value) {
        let kind = if a.contains("/packs/") { "packs" } else { "records" };
        let here = self.repository;
        let swap = json!([
            {"object": a, "do": "replace", "by": format!("{here}/{b}")},
            {"object": b, "do": "replace", "by": format!("{here}/{a}")},
        ]);
        self.add(&format!("two {kind} in each other's place"), snapshot, swap);
        let other = self
            .objects
            .iter()
            .find(|key| key.contains(&format!("/{kind}/")) && !key.starts_with("databases/app/"));
        let other = format!("{here}/{}", other.expect("there is another database"));
        let by = json!([{"object": a, "do": "replace", "by": other}]);
        self.add(&format!("{kind} of another database"), snapshot, by);
        let there = if here == "plain" { "sealed" } else { "plain" };
        let strange = self.golden.path.join(there);
        let one = files(&strange)
            .into_iter()
            .find(|path| path.to_string_lossy().contains(&format!("/app/{kind}/")));
        let one = one.expect("there is another repository");
        let by = format!("{there}/{}", one.strip_prefix(&strange).expect("below").display());
        let by = json!([{"object": a, "do": "replace", "by": by}]);
        self.add(&format!("{kind} of another repository"), snapshot, by);
    }
}
