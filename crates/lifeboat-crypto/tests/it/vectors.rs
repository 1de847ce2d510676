//! `testdata/keys.json`: slots, objects, parts and whole files, good and bad.
//! `tests/reader/make_vectors.py` made them, which shares no code with this
//! crate; the file itself says what its fields mean.

use std::path::Path;
use std::process::Command;

use lifeboat_crypto::{
    CryptoError, DataKey, ObjectContext, ObjectHeader, Part, Passphrase, RawKey, Secret, Slot,
    single_file, slot_id_of,
};
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/keys.json");

fn vectors() -> Value {
    let text = std::fs::read_to_string(FILE).expect("the vectors are there");
    serde_json::from_str(&text).expect("JSON")
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

fn rows<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    let rows = value[field].as_array().unwrap_or_else(|| panic!("{field} in {value}"));
    assert!(!rows.is_empty() || field == "parts", "no {field}");
    rows
}

fn hex(value: &Value, field: &str) -> Vec<u8> {
    unhex(text(value, field))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let pair = |pair| std::str::from_utf8(pair).expect("ASCII");
    digits.map(|digits| u8::from_str_radix(pair(digits), 16).expect("hexadecimal")).collect()
}

fn array<const N: usize>(value: &Value, field: &str) -> [u8; N] {
    hex(value, field).try_into().expect("the length of an id, a key or a seal")
}

fn raw_key(vectors: &Value) -> RawKey {
    RawKey::parse(text(vectors, "raw_key")).expect("a key")
}

/// Opens a slot as the vector says.
fn unlock(vectors: &Value, vector: &Value, first: Option<&DataKey>) -> Result<DataKey, String> {
    let slot: Slot = serde_json::from_value(vector["slot"].clone()).map_err(|e| e.to_string())?;
    let (repository, id) = (array(vectors, "repository"), array(vector, "data_key"));
    let secret = match text(vector, "secret") {
        "raw_key" => Secret::Raw(raw_key(vectors)),
        "passphrase" => {
            Secret::Passphrase(Passphrase::new(text(vectors, "passphrase")).expect("not empty"))
        }
        "data_key" => {
            let first = first.expect("the first data key opens before the chain");
            return slot.open_with_older(first, id).map_err(|error| error.to_string());
        }
        other => panic!("unknown secret {other}"),
    };
    slot.open(&secret, repository, id).map_err(|error| error.to_string())
}

/// The two data keys, by their slots.
fn data_keys(vectors: &Value) -> [DataKey; 2] {
    let open = |name: &str, first: Option<&DataKey>| {
        let slot = rows(vectors, "slots").iter().find(|slot| slot["name"] == name);
        unlock(vectors, slot.expect("there is one"), first).expect("opens")
    };
    let first = open("raw", None);
    let second = open("chain", Some(&first));
    [first, second]
}

#[test]
fn slots() {
    let vectors = vectors();
    let [first, _] = data_keys(&vectors);
    for vector in rows(&vectors, "slots") {
        let opened = unlock(&vectors, vector, Some(&first));
        assert_eq!(opened.is_ok(), vector["opens"], "{opened:?}: {vector}");
        let Ok(key) = opened else {
            continue;
        };
        let expected =
            rows(&vectors, "data_keys").iter().find(|row| row["id"] == vector["data_key"]);
        let expected = expected.expect("it is one of them");
        assert_eq!(key.id()[..], hex(expected, "id"));
        assert_eq!(key.hash_key()[..], hex(expected, "hash_key"));
        assert_eq!(key.repository()[..], hex(&vectors, "repository"));
        assert_eq!(key.ordinal(), expected["ordinal"]);
    }
}

#[test]
fn ids_of_slots() {
    let vectors = vectors();
    for vector in rows(&vectors, "slot_ids") {
        let key = raw_key(vector);
        let id = slot_id_of(&key, array(&vectors, "repository"), array(vector, "data_key"));
        assert_eq!(id[..], hex(vector, "slot_id"), "{vector}");
    }
}

#[test]
fn objects_and_their_parts() {
    let vectors = vectors();
    let keys = data_keys(&vectors);
    for vector in rows(&vectors, "objects") {
        let object = hex(vector, "object");
        let context = ObjectContext {
            repository: array(&vectors, "repository"),
            database: text(vector, "database"),
            role: text(vector, "kind").as_bytes()[0],
            object: &object,
        };
        let id = hex(vector, "data_key");
        let key = keys.iter().find(|key| key.id()[..] == id).expect("one of the two");
        let header = ObjectHeader::from_bytes(&array(vector, "seal"));
        let opener = match key.opener(&context, &header) {
            Ok(opener) => opener,
            Err(error) => {
                assert_eq!(error, CryptoError::OtherPlace);
                assert_eq!(vector["opens"], false, "{vector}");
                continue;
            }
        };
        assert_eq!(vector["opens"], true, "{vector}");
        // With the same salt, the same object comes out.
        let sealer = key.sealer_with_salt(&context, header.salt);
        assert_eq!(sealer.header(), &header, "{vector}");
        for row in rows(vector, "parts") {
            let (bound, sealed) = (hex(row, "bound"), hex(row, "sealed"));
            let part = Part {
                section: row["section"].as_u64().and_then(|n| n.try_into().ok()).expect("a byte"),
                number: row["number"].as_u64().and_then(|n| n.try_into().ok()).expect("32 bits"),
                last: row["last"].as_bool().expect("a flag"),
                bound: &bound,
            };
            let mut opened = sealed.clone();
            let opened = opener.open(part, &mut opened);
            let Some(content) = row["content"].as_str().map(unhex) else {
                assert_eq!(opened, Err(CryptoError::Forged), "{row}");
                continue;
            };
            assert_eq!(opened, Ok(&content[..]), "{row}");
            let mut again = content.clone();
            sealer.seal(part, &mut again);
            assert_eq!(again, sealed, "{row}");
        }
    }
}

#[test]
fn whole_files() {
    let vectors = vectors();
    let key = raw_key(&vectors);
    for vector in rows(&vectors, "single_files") {
        let mut file = hex(vector, "file");
        let opened = single_file::open(&key, &mut file).ok().map(|content| content.to_vec());
        assert_eq!(opened, vector["content"].as_str().map(unhex), "{vector}");
    }
}

/// The same file, opened by the independent reader: neither of the two can have
/// misread the documentation alone.
#[test]
fn the_independent_reader_agrees() {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reader/open_vectors.py");
    let output = Command::new("python3").arg(reader).arg(FILE).output();
    let output = output.expect("python3 with blake3, zstandard and cryptography is installed");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let counts: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let vectors = vectors();
    for field in ["slots", "slot_ids", "objects", "single_files"] {
        assert_eq!(counts[field], rows(&vectors, field).len(), "{field}");
    }
    let parts: usize =
        rows(&vectors, "objects").iter().map(|object| rows(object, "parts").len()).sum();
    assert_eq!(counts["parts"], parts);
}
