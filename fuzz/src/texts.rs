//! Names, keys of objects, secrets as people type them, and settings.

use lifeboat_config::{Cron, env_file};
use lifeboat_crypto::{RawKey, single_file};
use lifeboat_format::archive::ArchiveName;
use lifeboat_format::check::CheckName;
use lifeboat_format::failure::FailureName;
use lifeboat_format::heartbeat::HeartbeatName;
use lifeboat_format::id::{DatabaseName, InstallationId, ListId, PackId, SnapshotId, Suffix};
use lifeboat_format::key::DatabaseKeys;
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::repair;

/// What must not be in a name that becomes a part of a key or of a path.
fn is_safe(name: &str) -> bool {
    !name.contains(['/', '\\', '\0']) && name != "." && name != ".."
}

/// Names and ids: whatever is accepted is spelt in one way, and safe in a key.
pub(super) fn names(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut accepted = false;
    let mut check = |spelt: Option<String>| {
        if let Some(spelt) = spelt {
            assert!(spelt == text && is_safe(&spelt), "{spelt:?} of {text:?}");
            accepted = true;
        }
    };
    check(text.parse::<SnapshotId>().ok().map(|name| name.as_str().to_owned()));
    check(text.parse::<CheckName>().ok().map(|name| name.as_str().to_owned()));
    check(text.parse::<HeartbeatName>().ok().map(|name| name.as_str().to_owned()));
    check(text.parse::<FailureName>().ok().map(|name| name.as_str().to_owned()));
    check(text.parse::<ArchiveName>().ok().map(|name| name.as_str().to_owned()));
    check(text.parse::<PackId>().ok().map(|id| id.to_string()));
    check(text.parse::<ListId>().ok().map(|id| id.to_string()));
    check(text.parse::<Suffix>().ok().map(|id| id.to_string()));
    check(DatabaseName::from_key(&text).ok().map(|name| name.key()));
    if let Ok(name) = DatabaseName::new(text.clone()) {
        assert!(is_safe(&name.key()), "{text:?}");
        assert_eq!(DatabaseName::from_key(&name.key()).expect("its own"), name);
    }
    if let Ok(id) = InstallationId::new(text.clone()) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(set) = NumberSet::try_from(text.clone()) {
        assert_eq!(String::from(set.clone()), text, "one form for each set");
        assert!(set.iter().take(50).is_sorted_by(|a, b| a < b));
        accepted = true;
    }
    accepted
}

/// Keys that a listing shows, which somebody else may have put there.
pub(super) fn keys(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let keys = DatabaseKeys::new(&DatabaseName::new("app").expect("valid"));
    let record = keys.record_number(&text);
    if let Some(number) = record {
        assert_eq!(keys.record(number), text);
    }
    let decided = keys.decided_number(&text);
    let healed = repair::parse_key(&text);
    if let Some((pack, k)) = healed {
        assert_eq!(repair::key(pack, k), text);
    }
    record.is_some() || decided.is_some() || healed.is_some()
}

/// Keys as people type them; and a file that another program encrypted.
pub(super) fn secrets(bytes: &[u8]) -> bool {
    let key = RawKey::from_bytes([1; 32]);
    assert!(single_file::open(&key, &mut bytes.to_vec()).is_err(), "opened by a key of nobody");
    let text = String::from_utf8_lossy(bytes);
    let Ok(key) = RawKey::parse(&text) else {
        return false;
    };
    let again = RawKey::parse(&key.to_text()).expect("its own");
    assert_eq!(*again.to_text(), *key.to_text());
    true
}

/// What stands in files of settings and has a syntax of its own.
pub(super) fn settings(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let variables = env_file::parse(std::path::Path::new(".env"), &text);
    let cron = Cron::parse(&text);
    if let Some(cron) = &cron {
        assert!(Cron::parse(cron.as_str()).is_some());
    }
    variables.is_ok_and(|found| !found.is_empty()) || cron.is_some()
}
