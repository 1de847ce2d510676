//! What mutations begin with: objects that a version wrote, and names as they are.

use std::io::Write;
use std::path::{Path, PathBuf};

use lifeboat_format::archive::{ArchiveEncoder, ArchiveEncoding};

use super::Target;

const TESTDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/testdata");

/// What a search found that broke a rule once.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

/// Lengths of what stands around the body of an object that is read whole.
const HEADER: usize = 16;
const DIGEST: usize = 32;

/// The seeds of a target: whatever was found for it before, and objects or texts.
pub fn seeds_of(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    // What a search found once, replayed for ever.
    for path in files(&Path::new(CORPUS).join(target.name)) {
        seeds.push(read(&path));
    }
    match target.name {
        "segment" => seeds.extend(segments()),
        "names" => seeds.extend(lines(NAMES)),
        "keys" => seeds.extend(lines(KEYS)),
        "secrets" => seeds.extend(lines(SECRETS)),
        "settings" => seeds.extend(lines(SETTINGS)),
        "archive" => seeds.push([&[9], &zstd_stream()[..]].concat()),
        _ => {
            let folder =
                if ["slot", "archive-head"].contains(&target.name) { "sealed" } else { "plain" };
            for path in files(&Path::new(TESTDATA).join("golden/1").join(folder)) {
                let key = path.to_string_lossy();
                if key.contains(target.seeds) && !(key.contains("%20") || key.contains("probes")) {
                    seeds.extend(of_object(target.name, &read(&path)));
                }
            }
        }
    }
    assert!(!seeds.is_empty(), "no seed for {}", target.name);
    seeds
}

/// What a target takes of an object.
fn of_object(target: &str, object: &[u8]) -> Vec<Vec<u8>> {
    let body = |object: &[u8]| at_home(&object[HEADER..object.len() - DIGEST]);
    match target {
        "control" | "pack" => vec![object.to_vec()],
        "rebuild" => {
            let trailer = object.len() - 32;
            [0, 40, trailer + 3, trailer + 20]
                .iter()
                .map(|&at| [&(at as u32).to_le_bytes()[..], object].concat())
                .collect()
        }
        // The first frame, with what its row says of it.
        "frame" => {
            let four = |at: usize| {
                let four = object[at..at + 4].try_into().expect("four bytes");
                u32::from_le_bytes(four) as usize
            };
            let trailer = object.len() - 32;
            let index = trailer - four(trailer + 12);
            let (len, blocks, encoding) =
                (four(index + 64), object[index + 68], object[index + 70]);
            vec![[&[blocks - 1, encoding], &object[HEADER..HEADER + len]].concat()]
        }
        "archive-head" => {
            let len = u32::from_le_bytes(object[96..100].try_into().expect("four bytes")) as usize;
            vec![object[100..100 + len].to_vec()]
        }
        // Failures lie among the heartbeats, and their names tell them apart.
        "heartbeat" if String::from_utf8_lossy(object).contains("\"failures\"") => Vec::new(),
        _ => vec![body(object)],
    }
}

/// A body as if it belonged to the repository of the targets.
fn at_home(body: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(body) else {
        return body.to_vec();
    };
    let field = "\"repository\":\"";
    let Some(at) = text.find(field) else {
        return body.to_vec();
    };
    let id = text[at + field.len()..].split('"').next().unwrap_or_default();
    text.replace(id, &"04".repeat(16)).into_bytes()
}

fn segments() -> Vec<Vec<u8>> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/lifeboat-format/testdata/segment.json");
    let all: serde_json::Value = serde_json::from_slice(&read(Path::new(path))).expect("JSON");
    let bytes = |row: &serde_json::Value| {
        let hex = row["bytes"].as_str().expect("a text");
        let pairs = (0..hex.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
    };
    all["segments"].as_array().expect("a list").iter().map(bytes).collect()
}

fn zstd_stream() -> Vec<u8> {
    let encoder = ArchiveEncoder::new(Vec::new(), ArchiveEncoding::Zstd, 3, None);
    let mut encoder = encoder.expect("begins");
    for line in 0_u32..600 {
        encoder.write_all(format!("row {line} of a database; ").as_bytes()).expect("takes it");
    }
    encoder.finish().expect("ends").0
}

fn lines(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.lines().map(|line| line.replace("\\n", "\n").into_bytes())
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

const NAMES: &str = "\
20261120T101530Z-3f9a2c1b
20261120T101530Z-01020304-failed
00000000000000000007-20261120T101530Z-01020304
app_20261120_101530_3f9a2c1b.db.zst.sealed
a%20b%2Fc_20261120_101530_3f9a2c1b.db
a%20b%2Fc%25.%C3%BC
%2E%2E
901d3a44be024f6ca1770e952cd861f3
7c21e05d
1-3,5,7-90,1000-2000
laptop-1";

const KEYS: &str = "\
databases/app/records/00000000000000000001
databases/app/rounds/00000000000000000012/decided-0123456789abcdef0123456789abcdef
repairs/901d3a44be024f6ca1770e952cd861f3/16
databases/app/packs/901d3a44be024f6ca1770e952cd861f3-7c21e05d
databases/a%20b/records/00000000000000000001";

const SECRETS: &str = "\
Y2FuYXJ5LWtleS1jYW5hcnkta2V5LWNhbmFyeS1rISE=
Y2FuYXJ5LWtleS1jYW5hcnkta2V5LWNhbmFyeS1rISE
__________________________________________8=
correct horse battery staple";

const SETTINGS: &str = "\
NAME=value
export KEY=\"a \\\\n b\" # why
A='x\\ny'\\nB=2
*/5 0-6,22 1 * mon-fri
0 3 29 2 *
@daily
30 */2 * * *";
