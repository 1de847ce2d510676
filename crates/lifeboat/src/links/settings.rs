//! From settings to rules, by the stores that they are about.

use std::path::Path;
use std::sync::Arc;

use lifeboat_config as config;
use lifeboat_links::{
    Column, DatabaseMentions, Form, Group, JsonPath, LinksError, Mentions, OnBroken, Origin, Rule,
};
use lifeboat_remote::{OpenError, Remote, RemoteOptions, is_local_path, without_secrets};

use super::{LinkedDatabase, Links, RuleOf, StoreLinks, open_store, options_of, place_of};
use crate::error::Error;

/// A store that is being collected.
struct Collected {
    place: String,
    url: String,
    store: Remote,
    also: Option<Remote>,
    rules: Vec<RuleOf>,
    sources: Vec<Arc<dyn Mentions>>,
    grace: Option<std::time::Duration>,
    quarantine: Option<String>,
}

pub(super) fn open(
    rules: &[config::Links],
    databases: &[LinkedDatabase],
    scratch: &Path,
) -> Result<Links, Error> {
    let mut all: Vec<Collected> = Vec::new();
    for (number, links) in rules.iter().enumerate() {
        let found = databases.iter().filter(|database| database.name == links.database);
        let found: Vec<_> = found.collect();
        // Without its rows all of its objects would be orphaned.
        if found.is_empty() {
            return Err(Error::Links(LinksError::Rule {
                rule: name(links, number),
                why: format!("the database {:?} is not there", links.database),
            }));
        }
        for database in found {
            let store = open_store(&links.url, options(&links.url, &links.options)?)?;
            let place = place_of(&links.url, &store);
            let at = match all.iter().position(|one| one.place == place) {
                Some(at) => at,
                None => {
                    all.push(Collected {
                        place,
                        url: links.url.clone(),
                        store,
                        also: None,
                        rules: Vec::new(),
                        sources: Vec::new(),
                        grace: None,
                        quarantine: None,
                    });
                    all.len() - 1
                }
            };
            let one = &mut all[at];
            if let Some(url) = &links.also {
                one.also = Some(open_store(url, options(url, &links.also_options)?)?);
            }
            // The longest of several: nothing that any rule means goes too early.
            one.grace = one.grace.max(links.grace);
            if one.quarantine.is_none() {
                one.quarantine.clone_from(&links.quarantine);
            }
            let name = name(links, number);
            let source =
                DatabaseMentions::open(&database.path, rule(links, &name)?, one.sources.len())?;
            one.sources.push(Arc::new(source));
            one.rules.push(RuleOf {
                name,
                database: Some(database.name.clone()),
                path: Some(database.path.clone()),
                destinations: database.destinations.clone(),
            });
        }
    }
    refuse_nested(&all)?;
    let stores = all.into_iter().map(|one| {
        let mut options = options_of(scratch);
        if let Some(grace) = one.grace {
            options.grace = grace;
        }
        if let Some(folder) = one.quarantine {
            options.quarantine = folder;
        }
        let shown = one.store.shown().to_owned();
        let group = Group::new(one.store, one.sources, options);
        StoreLinks { shown, rules: one.rules, group, also: one.also }
    });
    Ok(Links { stores: stores.collect() })
}

/// What lies below another store's prefix would be orphaned there.
fn refuse_nested(all: &[Collected]) -> Result<(), Error> {
    let shown = |one: &Collected| match is_local_path(&one.url) {
        true => one.place.clone(),
        false => without_secrets(&one.url).trim_end_matches('/').to_owned(),
    };
    for inner in all {
        for outer in all {
            let (inside, outside) = (shown(inner), shown(outer));
            if inner.place != outer.place
                && (inside == outside || inside.starts_with(&format!("{outside}/")))
            {
                return Err(Error::Links(LinksError::Rule {
                    rule: inner.rules[0].name.clone(),
                    why: format!(
                        "{inside} lies within {outside}, which the rule {:?} is about: give both \
                         the same url, and this one a key_prefix",
                        outer.rules[0].name
                    ),
                }));
            }
        }
    }
    Ok(())
}

pub(super) fn options(url: &str, given: &config::Options) -> Result<RemoteOptions, Error> {
    RemoteOptions::from_pairs(&given.0).map_err(|source| Error::Destination {
        place: without_secrets(url),
        source: OpenError::Option(source),
    })
}

/// What people call a rule: its name, or where its keys stand.
fn name(links: &config::Links, number: usize) -> String {
    match (&links.name, links.columns.first()) {
        (Some(name), _) => name.clone(),
        (None, Some(column)) => column.clone(),
        (None, None) => format!("links {}", number + 1),
    }
}

pub(super) fn rule(links: &config::Links, name: &str) -> Result<Rule, Error> {
    let refuse = |why: String| Error::Links(LinksError::Rule { rule: name.to_owned(), why });
    let mut rule = Rule::default();
    rule.name = name.to_owned();
    rule.origin = match &links.query {
        Some(query) => Origin::Query(query.clone()),
        None => {
            let columns = links.columns.iter().map(|text| {
                Column::parse(text).ok_or_else(|| refuse(format!("{text:?} is no table.column")))
            });
            Origin::Columns(columns.collect::<Result<_, _>>()?)
        }
    };
    let mut form = Form::default();
    form.prefix = links.key_prefix.clone().unwrap_or_default();
    form.suffix = links.key_suffix.clone().unwrap_or_default();
    form.bases.clone_from(&links.url_bases);
    form.placement = links.placement;
    if let Some(text) = &links.json_path {
        let path = JsonPath::parse(text).ok_or_else(|| {
            refuse(format!("json_path: {text:?} is no path such as $.files[*].key"))
        })?;
        form.json = Some(path);
    }
    rule.form = form;
    rule.provider_column.clone_from(&links.provider_column);
    rule.providers = match &links.providers {
        Some(providers) => providers.clone(),
        // As placements call it that are made here.
        None => vec![kind(&links.url)],
    };
    if links.provider_default.unwrap_or(true) {
        rule.providers.push(String::new());
    }
    rule.size_column.clone_from(&links.size_column);
    rule.digest_column.clone_from(&links.digest_column);
    rule.on_broken = links.on_broken.as_deref().map(OnBroken::parse);
    rule.probe_insert.clone_from(&links.probe_insert);
    rule.probe_delete.clone_from(&links.probe_delete);
    Ok(rule)
}

/// What kind of store a place is, as placements call it.
fn kind(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) if !is_local_path(url) => scheme.to_owned(),
        _ => "local".to_owned(),
    }
}
