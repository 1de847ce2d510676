//! A target for each decoder of bytes that somebody else may have written.
//!
//! A target takes any bytes, brings them into the form that its decoder reads, with
//! every digest around them right, so that a mutation reaches the fields and does not
//! end at the first checksum, and panics where the decoder breaks a rule: it may
//! refuse, and it may accept what encodes to the same again. Digests prove what was
//! written, not that it was written in good faith.
//!
//! Seeds are the objects of the golden repositories. The tests mutate them the same way
//! in every run; `cargo xtask fuzz` lets libFuzzer look for the branches.

mod bodies;
mod mutate;
mod pages;
mod seeds;
mod texts;

pub use mutate::Mutator;
pub use seeds::seeds_of;

use lifeboat_format::digest::HashKey;
use lifeboat_format::id::{DatabaseName, RepositoryId};
use lifeboat_format::seal::Home;
use std::sync::LazyLock;

/// A decoder, and what must hold of it for any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it decodes, in one word.
    pub name: &'static str,
    /// Which objects of a repository it is seeded with: a part of their keys.
    pub seeds: &'static str,
    /// Decodes, and panics where a rule is broken. Says whether the bytes were accepted.
    pub run: fn(&[u8]) -> bool,
}

const fn target(name: &'static str, seeds: &'static str, run: fn(&[u8]) -> bool) -> Target {
    Target { name, seeds, run }
}

/// Every target.
pub static TARGETS: &[Target] = &[
    target("control", "/records/", bodies::control),
    target("format", "format/", bodies::format),
    target("slot", "keys/", bodies::slot),
    target("record", "/records/", bodies::record),
    target("list", "/lists/", bodies::list),
    target("check", "/checks/", bodies::check),
    target("repair", "/repairs/", bodies::repair),
    target("heartbeat", "/heartbeats/", bodies::heartbeat),
    target("failure", "-failed", bodies::failure),
    target("pack", "/packs/", pages::pack),
    target("frame", "/packs/", pages::frame),
    target("rebuild", "/packs/", pages::rebuild),
    target("segment", "segment", pages::segment),
    target("archive", "/archives/", pages::archive),
    target("archive-head", "/archives/", pages::archive_head),
    target("names", "names", texts::names),
    target("keys", "keys-of-objects", texts::keys),
    target("secrets", "secrets", texts::secrets),
    target("settings", "settings", texts::settings),
];

/// The target of a name.
pub fn target_of(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

static NAME: LazyLock<DatabaseName> =
    LazyLock::new(|| DatabaseName::new("app").expect("a valid name"));

/// Where everything claims to lie.
const REPOSITORY: [u8; 16] = [4; 16];

fn home() -> Home<'static> {
    Home { repository: RepositoryId::from_bytes(REPOSITORY), database: &NAME, keys: None }
}

fn hash_key() -> HashKey {
    HashKey::from_bytes([3; 32])
}
