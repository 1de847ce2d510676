//! Destinations and settings, as the interface shows them.

use std::collections::BTreeMap;
use std::path::Path;

use lifeboat_config::Role;
use lifeboat_http::model::{DestinationInfo, SettingInfo};
use lifeboat_remote::{is_local_path, without_secrets};

use super::ServiceAdmin;
use crate::destinations::DestinationSettings;
use crate::error::{Error, causes_of};

impl ServiceAdmin {
    /// What people call the destinations, by what errors and listings call them.
    pub(super) fn names_of_places(&self) -> BTreeMap<String, String> {
        let places = self.service.destinations();
        let name = |one: &DestinationSettings| (without_secrets(&one.place), called(one));
        places.settings().map(name).collect()
    }

    pub(super) fn name_of_shown(&self, shown: &str) -> String {
        let names = self.names_of_places();
        let name = names.get(shown).cloned();
        name.unwrap_or_else(|| lifeboat_http::without_paths(shown))
    }

    pub(super) fn name_of_place(&self, position: usize) -> String {
        let places = self.service.destinations();
        places.settings().nth(position).map(called).unwrap_or_default()
    }

    /// All destinations, and whether they work. One that has no repository yet
    /// does: the first backup makes it, or says why not.
    pub(super) async fn places(&self) -> Vec<DestinationInfo> {
        let places = self.service.destinations();
        let (opened, causes, nowhere) = match places.open_for_reading().await {
            Ok((opened, causes)) => (opened, causes, None),
            Err(Error::Nowhere { causes }) => (Vec::new(), causes, None),
            Err(error) => (Vec::new(), Vec::new(), Some(error)),
        };
        let mut all = Vec::new();
        for (at, one) in places.settings().enumerate() {
            let destination = opened.iter().find(|(open, _)| *open == at).map(|(_, one)| one);
            let cause = causes
                .iter()
                .find(|cause| cause.place == without_secrets(&one.place))
                .map(|cause| &*cause.error);
            let mut trouble = match cause.or(nowhere.as_ref()) {
                Some(Error::NoRepository { .. }) if one.begins_anew() => None,
                error => error.map(told),
            };
            let mut databases = Vec::new();
            if let Some(destination) = destination {
                match destination.databases().await {
                    Ok(found) => databases = found.iter().map(ToString::to_string).collect(),
                    Err(error) => trouble = Some(told(&error)),
                }
            }
            let role = match one.role {
                Role::Fallback => "fallback",
                Role::Mirror => "mirror",
                _ => "primary",
            };
            all.push(DestinationInfo {
                name: called(one),
                role: role.to_owned(),
                place: shown(&one.place),
                works: trouble.is_none(),
                trouble,
                encrypted: destination.map(|one| one.repository().is_sealed()),
                databases,
            });
        }
        all
    }

    pub(super) fn settings(&self) -> Vec<SettingInfo> {
        let Some(setup) = &self.setup else { return Vec::new() };
        let shown = setup.configuration().shown().into_iter();
        shown
            .map(|one| SettingInfo {
                setting: one.key,
                value: one.value,
                origin: lifeboat_http::without_paths(&one.place.to_string()),
            })
            .collect()
    }
}

fn told(error: &Error) -> String {
    lifeboat_http::without_paths(&format!("failed to {}", causes_of(error)))
}

/// Without a name of its own, a directory is called by its last part.
fn called(one: &DestinationSettings) -> String {
    if one.name == one.place { shown(&one.place) } else { one.name.clone() }
}

fn shown(place: &str) -> String {
    if !is_local_path(place) {
        return without_secrets(place);
    }
    let name = Path::new(place).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "a directory".to_owned())
}
