//! Objects that are read whole: a body, mostly JSON, between a header and a digest.

use lifeboat_crypto::{RawKey, Secret, Slot};
use lifeboat_format::check::{self, CheckName};
use lifeboat_format::digest::Digest;
use lifeboat_format::failure::{self, FailureName};
use lifeboat_format::heartbeat::{self, HeartbeatName};
use lifeboat_format::id::{ListId, PackId};
use lifeboat_format::info::RepositoryInfo;
use lifeboat_format::list::{self, ListRef};
use lifeboat_format::numbers::RecordNo;
use lifeboat_format::object::{ObjectKind, decode_control, encode_control, read_header};
use lifeboat_format::record::{self, Record, RecordPlace};
use lifeboat_format::repair;

use super::home;

const KINDS: [ObjectKind; 8] = [
    ObjectKind::Format,
    ObjectKind::Key,
    ObjectKind::Record,
    ObjectKind::List,
    ObjectKind::Pack,
    ObjectKind::Check,
    ObjectKind::Repair,
    ObjectKind::Heartbeat,
];

/// The header and the digest themselves: what is accepted has one form.
pub(super) fn control(bytes: &[u8]) -> bool {
    let mut accepted = false;
    for kind in KINDS {
        let _ = read_header(kind, bytes);
        if let Ok(body) = decode_control(kind, bytes) {
            // A later version that this reader may read keeps its version byte.
            let again = encode_control(kind, body);
            assert_eq!(again.len(), bytes.len());
            assert_eq!(again[11..again.len() - 32], bytes[11..bytes.len() - 32]);
            accepted = true;
        }
    }
    accepted
}

/// A format object.
pub(super) fn format(body: &[u8]) -> bool {
    let Ok(info) = RepositoryInfo::decode(&encode_control(ObjectKind::Format, body)) else {
        return false;
    };
    assert_eq!(RepositoryInfo::decode(&info.encode()).expect("its own"), info);
    true
}

/// A key slot, tried with a key that cannot open it.
pub(super) fn slot(body: &[u8]) -> bool {
    let Ok(slot) = serde_json::from_slice::<Slot>(body) else {
        return false;
    };
    let again = serde_json::to_vec(&slot).expect("serialises");
    assert_eq!(serde_json::from_slice::<Slot>(&again).expect("its own"), slot);
    let key = Secret::Raw(RawKey::from_bytes([1; 32]));
    assert!(slot.open(&key, [4; 16], [5; 16]).is_err(), "opened by a key of nobody");
    true
}

/// A record, under the number that it says.
pub(super) fn record(body: &[u8]) -> bool {
    let object = encode_control(ObjectKind::Record, body);
    let number = number_in(body);
    let place = RecordPlace { home: home(), number };
    let Ok(read) = Record::decode(&object, place) else {
        return false;
    };
    let state = &read.envelope.state;
    assert!(read.number() == number);
    for set in [&state.alive, &state.pins, &read.envelope.subject] {
        assert!(set.last().is_none_or(|last| last <= number), "beyond the log");
        assert!(set.iter().take(100).is_sorted_by(|a, b| a < b));
    }
    let again = record::encode(read.envelope.clone(), read.body_text(), None);
    let again = Record::decode(&again, place).expect("its own");
    assert_eq!((&again.envelope, &again.body), (&read.envelope, &read.body));
    true
}

/// The first number in the text, which is that of the envelope in a good one.
fn number_in(body: &[u8]) -> RecordNo {
    let digits = body.iter().skip_while(|byte| !byte.is_ascii_digit());
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).take(18);
    let number = digits.fold(0, |number: u64, digit| 10 * number + u64::from(digit - b'0'));
    RecordNo(number.max(1))
}

/// A pack list.
pub(super) fn list(body: &[u8]) -> bool {
    let object = encode_control(ObjectKind::List, body);
    let id = ListId::from_bytes([1; 16]);
    let reference = ListRef { id, digest: Digest::of(&object) };
    let Ok(packs) = list::decode(&object, &reference, &home()) else {
        return false;
    };
    assert!(list::encode(&packs, id, &home()) == object, "one form for each list");
    true
}

/// The result of a check or a drill.
pub(super) fn check(body: &[u8]) -> bool {
    let digits = RecordNo(number_after(body, b"\"record\":"));
    let at = time::OffsetDateTime::UNIX_EPOCH;
    let name = CheckName::new(digits, at, [1, 2, 3, 4]);
    let object = encode_control(ObjectKind::Check, body);
    let Ok(read) = check::decode(&object, &name, &home()) else {
        return false;
    };
    assert!(read.record == digits && read.read.iter().all(|range| range.first <= range.last));
    let again = check::encode(&read, &name, &home());
    assert_eq!(check::decode(&again, &name, &home()).expect("its own"), read);
    true
}

fn number_after(body: &[u8], field: &[u8]) -> u64 {
    let at = body.windows(field.len()).position(|window| window == field);
    at.map_or(1, |at| number_in(&body[at + field.len()..]).0)
}

/// A repair: of the pack that its body names.
pub(super) fn repair(body: &[u8]) -> bool {
    let named = serde_json::from_slice::<serde_json::Value>(body).ok();
    let named = named.as_ref().and_then(|value| value["pack"].as_str()?.parse::<PackId>().ok());
    let pack = named.unwrap_or(PackId::from_bytes([1; 16]));
    let object = encode_control(ObjectKind::Repair, body);
    let Ok(read) = repair::decode(&object, pack, 1, &home()) else {
        return false;
    };
    assert!(read.pack == pack && read.lost_blocks().count() <= 65_536);
    let again = repair::encode(&read, 1, &home());
    assert_eq!(repair::decode(&again, pack, 1, &home()).expect("its own"), read);
    true
}

/// That a database was watched.
pub(super) fn heartbeat(body: &[u8]) -> bool {
    let Some(at) = time_in(body) else {
        return false;
    };
    let name = HeartbeatName::new(at, [1, 2, 3, 4]);
    let object = encode_control(ObjectKind::Heartbeat, body);
    let Ok(read) = heartbeat::decode(&object, &name, &home()) else {
        return false;
    };
    let again = heartbeat::encode(&read, &name, &home());
    assert_eq!(heartbeat::decode(&again, &name, &home()).expect("its own"), read);
    true
}

/// That a backup failed.
pub(super) fn failure(body: &[u8]) -> bool {
    let Some(at) = time_in(body) else {
        return false;
    };
    let name = FailureName::new(at, [1, 2, 3, 4]);
    let object = encode_control(ObjectKind::Heartbeat, body);
    let Ok(read) = failure::decode(&object, &name, &home()) else {
        return false;
    };
    let again = failure::encode(&read, &name, &home());
    assert_eq!(failure::decode(&again, &name, &home()).expect("its own"), read);
    true
}

/// The time in the field `at`, if names can have it.
fn time_in(body: &[u8]) -> Option<time::OffsetDateTime> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let at = value["at"].as_str()?;
    let at = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339);
    at.ok().filter(|at| (1970..=9999).contains(&at.to_offset(time::UtcOffset::UTC).year()))
}
