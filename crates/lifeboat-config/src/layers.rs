//! Layers of settings, from the defaults up to the command line, as one.

use std::collections::BTreeMap;

use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};

use crate::check::Checked;
use crate::node::{Node, Raw, TableBuilder};
use crate::problem::{Place, Problem, Problems, What};
use crate::settings::Settings;

/// Settings of which a higher layer replaces all, not each: they are several
/// ways to say one thing.
const GROUPS: &[&[&str]] = &[
    &["repository", "destination"],
    &[
        "encryption.key",
        "encryption.key_file",
        "encryption.key_command",
        "encryption.passphrase",
        "encryption.passphrase_file",
        "encryption.passphrase_command",
    ],
    &["schedule.every", "schedule.cron"],
    &["http.token", "http.token_file"],
    &["http.operate_token", "http.operate_token_file"],
    &["http.read_token", "http.read_token_file"],
    &["notify.webhook_secret", "notify.webhook_secret_file"],
];

/// One layer, checked.
#[derive(Debug)]
pub(crate) struct Layer {
    name: &'static str,
    values: Dict,
    places: BTreeMap<String, Place>,
}

impl Layer {
    pub(crate) fn new(name: &'static str, checked: Checked, problems: &mut Vec<Problem>) -> Self {
        problems.extend(checked.problems);
        Self { name, values: checked.values, places: checked.places }
    }

    /// The place of a setting, if it is set here.
    pub(crate) fn place(&self, path: &str) -> Option<&Place> {
        self.places.get(path)
    }

    fn remove(&mut self, path: &str) {
        match path.split_once('.') {
            Some((section, name)) => {
                if let Some(figment::value::Value::Dict(_, below)) = self.values.get_mut(section) {
                    below.remove(name);
                }
            }
            None => drop(self.values.remove(path)),
        }
        let below = format!("{path}.");
        self.places.retain(|place, _| place != path && !place.starts_with(&below));
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// What counts where nobody says anything.
pub(crate) fn defaults() -> Node {
    let place = Place::Default;
    TableBuilder::default()
        .put("enabled", Node::new(&place, Raw::Flag(true)))
        .put("local_disk", Node::text(&place, "auto"))
        .put("take_over", Node::text(&place, "never"))
        .put("compression", Node::text(&place, "balanced"))
        .put("fallback_exit", Node::new(&place, Raw::Number(14)))
        .build(&place)
}

/// All layers as one.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) settings: Settings,
    pub(crate) values: Dict,
    layers: Vec<Layer>,
}

impl Merged {
    /// Puts layers together, the lowest first.
    pub(crate) fn of(mut layers: Vec<Layer>) -> Result<Self, Problems> {
        for group in GROUPS {
            let holds = |layer: &Layer| group.iter().any(|path| layer.places.contains_key(*path));
            let Some(top) = layers.iter().rposition(holds) else { continue };
            for layer in &mut layers[..top] {
                group.iter().for_each(|path| layer.remove(path));
            }
        }
        let figment = layers.iter().fold(Figment::new(), Figment::merge);
        let values: Dict = figment.extract().map_err(|error| unexpected(error, &layers))?;
        let settings = figment.extract().map_err(|error| unexpected(error, &layers))?;
        Ok(Self { settings, values, layers })
    }

    /// Whether any layer says something of a setting.
    pub(crate) fn says(&self, path: &str) -> bool {
        self.layers.iter().any(|layer| layer.place(path).is_some())
    }

    /// Where a setting comes from, by its dotted path.
    pub(crate) fn place(&self, path: &str) -> &Place {
        let found = self.layers.iter().rev().find_map(|layer| layer.place(path));
        found.unwrap_or(&Place::Default)
    }
}

/// What the check of the layers let through and the settings do not take: a key
/// without which a section means nothing.
fn unexpected(error: figment::Error, layers: &[Layer]) -> Problems {
    use figment::error::Kind;
    let path = error.path.join(".");
    let place = layers.iter().rev().find_map(|layer| layer.place(&path).cloned());
    let place = place.unwrap_or(Place::Default);
    let written = crate::check::written(&path);
    let what = match &error.kind {
        Kind::MissingField(name) => What::Missing {
            key: if written.is_empty() { name.to_string() } else { format!("{written}.{name}") },
            why: "the section means nothing without it".into(),
        },
        kind => What::Contradiction(format!("{written}: {kind}")),
    };
    Problem { place, what }.into()
}
