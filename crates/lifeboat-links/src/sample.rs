//! A look at some of the objects that rows mention: as many as one can afford
//! right after a restore.

use std::collections::{BTreeSet, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::check::Several;
use crate::error::LinksError;
use crate::group::Group;
use crate::probe::is_probe;

/// What the store said of some objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sampled {
    /// How many rows mention objects.
    pub mentions: u64,
    /// How many objects were asked for.
    pub asked: u64,
    /// Whether these are all that are mentioned.
    pub all: bool,
    /// Those that are missing.
    pub missing: Vec<String>,
    /// Those of which the store did not say anything.
    pub unanswered: Several,
}

impl Group {
    /// Asks for at most so many of the objects that rows mention, spread evenly over
    /// them. Nothing is listed.
    pub async fn sample(&self, limit: usize) -> Result<Sampled, LinksError> {
        let mut sampled = Sampled { all: true, ..Sampled::default() };
        // Those with the least fingerprints: as good as drawn, and each once.
        let mut chosen: BinaryHeap<(u64, String)> = BinaryHeap::new();
        let mut known: BTreeSet<u64> = BTreeSet::new();
        for source in &self.sources {
            source.read(&mut |told| {
                let Ok(mention) = told else { return Ok(()) };
                if is_probe(&mention.key) {
                    return Ok(());
                }
                sampled.mentions += 1;
                let mut hasher = DefaultHasher::new();
                mention.key.hash(&mut hasher);
                let print = hasher.finish();
                if known.contains(&print) {
                    return Ok(());
                }
                if chosen.len() == limit {
                    sampled.all = false;
                    if chosen.peek().is_some_and(|(greatest, _)| *greatest < print) {
                        return Ok(());
                    }
                    if let Some((greatest, _)) = chosen.pop() {
                        known.remove(&greatest);
                    }
                }
                known.insert(print);
                chosen.push((print, mention.key));
                Ok(())
            })?;
        }
        let keys: Vec<String> = chosen.into_iter().map(|(_, key)| key).collect();
        sampled.asked = keys.len() as u64;
        for (key, answer) in self.ask(keys).await {
            match answer {
                Ok(Some(_)) => {}
                Ok(None) => sampled.missing.push(key),
                Err(error) => sampled.unanswered.add(|| format!("{key}: {}", error.what)),
            }
        }
        sampled.missing.sort();
        Ok(sampled)
    }
}
