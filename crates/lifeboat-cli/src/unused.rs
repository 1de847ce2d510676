//! Settings that are understood and have no effect in this version. Nobody should
//! find that out on the day they are needed.

use lifeboat::config::{Configuration, Place};

/// A section without effect.
pub(crate) struct Unused {
    /// Its name, as it is written.
    pub(crate) section: String,
    pub(crate) place: Place,
    /// What does the same meanwhile.
    pub(crate) instead: String,
}

impl Unused {
    /// As a sentence.
    pub(crate) fn words(&self) -> String {
        format!(
            "{} ({}) is understood, and has no effect in this version",
            self.section, self.place
        )
    }
}

/// Those that are set.
pub(crate) fn find(configuration: &Configuration) -> Vec<Unused> {
    let settings = configuration.settings();
    let mut all = Vec::new();
    let mut add = |path: &str, section: String, instead: &str| {
        let place = configuration.place(path);
        if !place.is_default() {
            all.push(Unused { section, place: place.clone(), instead: instead.to_owned() });
        }
    };
    // An empty section wants nothing.
    for (at, links) in settings.links.iter().enumerate() {
        if links.backup {
            let instead = "copy the bucket with the provider's own tool";
            add(&format!("links.{at}.backup"), "links.backup".into(), instead);
        }
    }
    all
}
