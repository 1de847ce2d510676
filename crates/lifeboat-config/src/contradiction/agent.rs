//! Contradictions in what the agent goes by: times, whom to tell, the page, links.

use super::Finder;
use crate::database::is_pattern;
use crate::nearest::nearest;
use crate::problem::What;
use crate::settings::{Links, Settings};

impl Finder<'_> {
    pub(super) fn agent(&mut self, settings: &Settings) {
        self.health(settings);
        self.notify(settings);
        self.http(settings);
        for (at, links) in settings.links.iter().enumerate() {
            self.links(links, &format!("links.{at}"), settings);
        }
    }

    fn health(&mut self, settings: &Settings) {
        let health = &settings.health;
        if let (Some(warn), Some(max)) = (health.warn_age, health.max_age)
            && warn > max
        {
            self.contradiction(
                "health.warn_age",
                "health.warn_age is above health.max_age: there would be no warning before it is \
                 critical",
            );
        }
    }

    fn notify(&mut self, settings: &Settings) {
        let notify = &settings.notify;
        let (secret, file) = ("notify.webhook_secret", "notify.webhook_secret_file");
        if notify.webhook_secret.is_some() && notify.webhook_secret_file.is_some() {
            self.contradiction(secret, format!("{secret} and {file} exclude each other"));
        }
        for (path, is_set) in [
            (secret, notify.webhook_secret.is_some()),
            (file, notify.webhook_secret_file.is_some()),
        ] {
            if is_set && notify.webhook_url.is_none() {
                let why = format!("{path} signs messages, and there is no notify.webhook_url");
                self.contradiction(path, why);
            }
        }
        if !notify.on.is_empty() && notify.webhook_url.is_none() && notify.command.is_none() {
            self.contradiction(
                "notify.on",
                "notify.on says of what, and nothing says whom: set notify.webhook_url or \
                 notify.command",
            );
        }
    }

    /// Whoever reaches the page could otherwise restore over the database.
    fn http(&mut self, settings: &Settings) {
        let http = &settings.http;
        if http.token.is_some() && http.token_file.is_some() {
            self.contradiction("http.token", "http.token and http.token_file exclude each other");
        }
        let beyond = http.listen.filter(|listen| !listen.ip().is_loopback());
        if let Some(listen) = beyond
            && http.token.is_none()
            && http.token_file.is_none()
        {
            self.contradiction(
                "http.listen",
                format!(
                    "http.listen is {listen}, which others can reach, and there is no token: set \
                     http.token_file, or listen on 127.0.0.1"
                ),
            );
        }
    }

    fn links(&mut self, links: &Links, path: &str, settings: &Settings) {
        match (links.columns.is_empty(), &links.query) {
            (true, None) => self.problem(
                path,
                What::Missing {
                    key: "links.columns".into(),
                    why: "it says where the keys of objects stand, or links.query does".into(),
                },
            ),
            (false, Some(_)) => self.contradiction(
                &format!("{path}.query"),
                "links.columns and links.query exclude each other",
            ),
            _ => {}
        }
        let is_column = |text: &String| {
            text.split_once('.').is_some_and(|(table, name)| !table.is_empty() && !name.is_empty())
        };
        if let Some(bad) = links.columns.iter().find(|column| !is_column(column)) {
            self.contradiction(
                &format!("{path}.columns"),
                format!("{bad:?} names no table: a column is written \"table.column\""),
            );
        }
        if links.placement && links.json_path.is_some() {
            self.contradiction(
                &format!("{path}.placement"),
                "links.placement and links.json_path exclude each other",
            );
        }
        if links.providers.is_some() && links.provider_column.is_none() && !links.placement {
            self.contradiction(
                &format!("{path}.providers"),
                "links.providers says what links.provider_column may hold, and there is none",
            );
        }
        if links.on_broken.as_deref().is_some_and(is_no_way) {
            self.contradiction(
                &format!("{path}.on_broken"),
                "links.on_broken is \"delete\", \"null\" or an SQL statement",
            );
        }
        let is_folder = |text: &str| {
            let good = |part: &str| !matches!(part, "" | "." | "..");
            text.split('/').all(good)
        };
        if links.quarantine.as_deref().is_some_and(|folder| !is_folder(folder)) {
            self.contradiction(
                &format!("{path}.quarantine"),
                "links.quarantine is a folder, such as \"trash/links\"",
            );
        }
        // What a pattern finds, and what a template makes of it, is not known here.
        let known: Option<Vec<String>> = settings
            .databases
            .iter()
            .map(|database| match &database.name {
                Some(name) => (!name.contains('{')).then(|| name.clone()),
                None if is_pattern(&database.path) => None,
                None => std::path::Path::new(&database.path)
                    .file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            })
            .collect();
        let Some(known) = known else { return };
        if !known.contains(&links.database) {
            let near = nearest(&links.database, known.iter().map(String::as_str));
            let nearest = near.map(str::to_owned);
            let key = format!("database {:?} under [[database]]", links.database);
            self.problem(&format!("{path}.database"), What::Unknown { key, nearest });
        }
    }
}

/// Whether a text is one word that is none of those that are known.
fn is_no_way(text: &str) -> bool {
    let text = text.trim();
    !text.contains(char::is_whitespace) && !matches!(text, "delete" | "null")
}
