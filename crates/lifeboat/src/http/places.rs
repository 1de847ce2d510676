//! Destinations and settings, as the interface shows them.

use std::collections::BTreeMap;
use std::path::Path;

use futures::stream::{self, StreamExt as _};
use lifeboat_config::Role;
use lifeboat_http::model::{DestinationInfo, SettingInfo};
use lifeboat_remote::{is_local_path, without_secrets};

use super::ServiceAdmin;
use crate::destination::Missing;
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

    /// All destinations, asked together whether they work.
    pub(super) async fn places(&self) -> Vec<DestinationInfo> {
        let all: Vec<_> = self.service.destinations().settings().cloned().collect();
        let looks = all.into_iter().map(|one| self.look_at(one));
        stream::iter(looks).buffered(4).collect().await
    }

    async fn look_at(&self, one: DestinationSettings) -> DestinationInfo {
        let places = self.service.destinations();
        let look = async {
            let names = std::slice::from_ref(&one.name);
            let destination = places.choose(names, Missing::Refuse).await?.destination;
            let databases = destination.databases().await?;
            Ok((destination.repository().is_sealed(), databases))
        };
        let (works, trouble, encrypted, databases) = match look.await {
            Ok((sealed, databases)) => (true, None, Some(sealed), databases),
            // Nothing was ever sent there: the first backup makes it.
            Err(Error::NoRepository { .. }) if one.begins_anew() => (true, None, None, Vec::new()),
            Err(error) => {
                let why = format!("failed to {}", causes_of(&error));
                (false, Some(lifeboat_http::without_paths(&why)), None, Vec::new())
            }
        };
        let role = match one.role {
            Role::Fallback => "fallback",
            Role::Mirror => "mirror",
            _ => "primary",
        };
        DestinationInfo {
            name: called(&one),
            role: role.to_owned(),
            place: shown(&one.place),
            works,
            trouble,
            encrypted,
            databases: databases.iter().map(ToString::to_string).collect(),
        }
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
