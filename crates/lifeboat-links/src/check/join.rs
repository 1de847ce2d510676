//! Rows and objects brought together by their keys, and what the store is asked
//! where the listing leaves something open.

use std::collections::BTreeMap;

use super::{Checked, broken_file};
use crate::error::LinksError;
use crate::finding::{Finding, Kind, Seen};
use crate::group::Group;
use crate::mention::Mention;
use crate::probe::{Probe, is_probe};

/// So many objects are asked for before it is looked whether the store answers.
const AT_ONCE: usize = 64;

/// After so many that it did not say anything of, a store is asked no more: each
/// takes minutes, and there may be millions.
const GIVEN_UP: u64 = 16;

/// Something whose object is asked for.
enum Waiting {
    Row(Mention),
    /// An object of no bytes: some stores list a folder as one.
    Orphan(String, Seen),
}

impl Waiting {
    fn key(&self) -> &str {
        match self {
            Self::Row(mention) => &mention.key,
            Self::Orphan(key, _) => key,
        }
    }
}

pub(super) struct Join<'g> {
    group: &'g Group,
    checked: Checked,
    waiting: Vec<Waiting>,
    probes: BTreeMap<String, Probe>,
}

impl<'g> Join<'g> {
    pub(super) fn new(group: &'g Group, checked: Checked) -> Self {
        Self { group, checked, waiting: Vec::new(), probes: BTreeMap::new() }
    }

    pub(super) fn finish(mut self) -> Checked {
        self.checked.probes = self.probes.into_values().collect();
        self.checked
    }

    /// How many rows and objects wait for what the store says of them.
    pub(super) fn waits(&self) -> usize {
        self.waiting.len()
    }

    fn found(&mut self, finding: &Finding) -> Result<(), LinksError> {
        let pushed = self.checked.findings.push(finding);
        pushed.map_err(|error| self.group.options.scratch(error))
    }

    fn about(
        &mut self,
        kind: Kind,
        row: Mention,
        seen: Option<Seen>,
        detail: String,
    ) -> Result<(), LinksError> {
        let (key, rule) = (row.key.clone(), Some(row.rule));
        self.found(&Finding { kind, key, mention: Some(row), seen, rule, detail })
    }

    fn probe(&mut self, key: &str) -> &mut Probe {
        self.probes.entry(key.to_owned()).or_insert_with(|| Probe::new(key))
    }

    pub(super) fn row(&mut self, row: Mention, seen: Option<Seen>) -> Result<(), LinksError> {
        match seen {
            None => {
                self.waiting.push(Waiting::Row(row));
                Ok(())
            }
            Some(seen) => self.paired(row, seen),
        }
    }

    fn paired(&mut self, row: Mention, seen: Seen) -> Result<(), LinksError> {
        if is_probe(&row.key) {
            let probe = self.probe(&row.key.clone());
            probe.object = true;
            probe.rows.push(row);
            return Ok(());
        }
        let rule = row.rule;
        if let Some(size) = row.size
            && size != seen.size
        {
            self.checked.rules[rule].wrong_size += 1;
            let detail = format!("{} bytes, and the row says {size}", seen.size);
            return self.about(Kind::WrongSize, row, Some(seen), detail);
        }
        match row.digest.as_deref().map(|digest| compare(digest, seen.etag.as_deref())) {
            Some(Compared::Differs) => {
                self.checked.rules[rule].wrong_digest += 1;
                let detail = format!(
                    "{}, and the row says {}",
                    seen.etag.as_deref().unwrap_or_default(),
                    row.digest.as_deref().unwrap_or_default()
                );
                return self.about(Kind::WrongDigest, row, Some(seen), detail);
            }
            Some(Compared::Cannot) => self.checked.rules[rule].uncompared += 1,
            Some(Compared::Same) | None => {}
        }
        self.checked.rules[rule].healthy += 1;
        Ok(())
    }

    pub(super) fn orphan(&mut self, key: &[u8], payload: &[u8]) -> Result<(), LinksError> {
        let key = String::from_utf8(key.to_vec()).map_err(|_| broken_file())?;
        let seen = Seen::of(payload).ok_or_else(broken_file)?;
        if is_probe(&key) {
            self.probe(&key).object = true;
            return Ok(());
        }
        if self.group.options.is_young(seen.modified) {
            self.checked.young += 1;
            return Ok(());
        }
        if seen.size == 0 {
            self.waiting.push(Waiting::Orphan(key, seen));
            return Ok(());
        }
        self.orphaned(key, seen)
    }

    fn orphaned(&mut self, key: String, seen: Seen) -> Result<(), LinksError> {
        self.checked.orphaned += 1;
        self.checked.orphaned_bytes += seen.size;
        let kind = Kind::Orphaned;
        let seen = Some(seen);
        self.found(&Finding { kind, key, mention: None, seen, rule: None, detail: String::new() })
    }

    /// So many rows named one object.
    pub(super) fn named(&mut self, key: &[u8], times: u64) -> Result<(), LinksError> {
        let key = String::from_utf8_lossy(key).into_owned();
        if times < 2 || is_probe(&key) {
            return Ok(());
        }
        self.checked.duplicates += 1;
        let (kind, detail) = (Kind::Duplicate, format!("{times} rows name it"));
        self.found(&Finding { kind, key, mention: None, seen: None, rule: None, detail })
    }

    /// Has the store say what the listing left open.
    pub(super) async fn ask(&mut self) -> Result<(), LinksError> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut keys: Vec<String> = waiting.iter().map(|one| one.key().to_owned()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut answers = BTreeMap::new();
        for some in keys.chunks(AT_ONCE) {
            if self.checked.unanswered.count >= GIVEN_UP {
                break;
            }
            for (key, answer) in self.group.ask(some.to_vec()).await {
                if let Err(error) = &answer {
                    self.checked.unanswered.add(|| format!("{key}: {}", error.what));
                }
                answers.insert(key, answer);
            }
        }
        let mut doubted = String::new();
        for one in waiting {
            match (one, &answers) {
                (Waiting::Orphan(key, seen), answers) => {
                    if !matches!(answers.get(&key), Some(Ok(None))) {
                        self.orphaned(key, seen)?;
                    }
                }
                (Waiting::Row(row), answers) => match answers.get(&row.key) {
                    Some(Ok(Some(seen))) => {
                        if !self.group.options.is_young(seen.modified) && row.key != doubted {
                            doubted.clone_from(&row.key);
                            self.checked.unlisted.add(|| doubted.clone());
                        }
                        self.paired(row, seen.clone())?;
                    }
                    Some(Ok(None)) if is_probe(&row.key) => {
                        self.probe(&row.key.clone()).rows.push(row);
                    }
                    Some(Ok(None)) => {
                        self.checked.rules[row.rule].broken += 1;
                        self.about(Kind::Broken, row, None, String::new())?;
                    }
                    Some(Err(error)) => {
                        self.checked.rules[row.rule].unknown += 1;
                        let detail = error.what.to_string();
                        self.about(Kind::Unknown, row, None, detail)?;
                    }
                    None => {
                        self.checked.rules[row.rule].unknown += 1;
                        let detail = "not asked, since the store does not answer".to_owned();
                        self.about(Kind::Unknown, row, None, detail)?;
                    }
                },
            }
        }
        Ok(())
    }
}

enum Compared {
    Same,
    Differs,
    /// The store calls these bytes something that is not their MD5.
    Cannot,
}

fn compare(recorded: &str, etag: Option<&str>) -> Compared {
    let is_md5 = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let recorded = recorded.trim_start_matches("W/").trim_matches('"');
    match etag {
        Some(etag) if etag.eq_ignore_ascii_case(recorded) => Compared::Same,
        // Of parts there is an ETag, which was recorded as such or is of no use.
        Some(etag) if is_md5(etag) && is_md5(recorded) => Compared::Differs,
        Some(etag) if etag.contains('-') && recorded.contains('-') => Compared::Differs,
        _ => Compared::Cannot,
    }
}
