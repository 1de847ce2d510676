//! Contradictions in what the agent goes by: times, whom to tell, the page, links.

use std::net::IpAddr;

use super::Finder;
use crate::database::is_pattern;
use crate::nearest::nearest;
use crate::problem::What;
use crate::settings::{Links, Mail, MailTls, Settings};

impl Finder<'_> {
    pub(super) fn agent(&mut self, settings: &Settings) {
        self.health(settings);
        self.continuous(settings);
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

    fn continuous(&mut self, settings: &Settings) {
        let continuous = &settings.continuous;
        let is_short = |interval: std::time::Duration| interval.as_millis() < 10;
        if continuous.interval.is_some_and(is_short) {
            self.contradiction("continuous.interval", "continuous.interval is at least 10ms");
        }
        // One segment has up to 4 MiB, and one transaction needs several.
        if continuous.spool.is_some_and(|bytes| bytes < 16 << 20) {
            self.contradiction("continuous.spool", "continuous.spool is at least 16MiB");
        }
    }

    fn notify(&mut self, settings: &Settings) {
        let notify = &settings.notify;
        let ping = self.one_of(
            "notify.ping_url",
            [
                notify.ping_url.is_some(),
                notify.ping_url_file.is_some(),
                notify.ping_url_command.is_some(),
            ],
        );
        let webhook = self.one_of(
            "notify.webhook_url",
            [
                notify.webhook_url.is_some(),
                notify.webhook_url_file.is_some(),
                notify.webhook_url_command.is_some(),
            ],
        );
        let secret = self.one_of(
            "notify.webhook_secret",
            [
                notify.webhook_secret.is_some(),
                notify.webhook_secret_file.is_some(),
                notify.webhook_secret_command.is_some(),
            ],
        );
        if let (Some(path), None) = (&secret, &webhook) {
            let why = format!("{path} signs messages, and there is no notify.webhook_url");
            self.contradiction(path, why);
        }
        if !notify.ping_on.is_empty() && ping.is_none() {
            self.contradiction(
                "notify.ping_on",
                "notify.ping_on says of what, and there is no notify.ping_url",
            );
        }
        let somebody = webhook.is_some() || notify.command.is_some() || notify.mail.is_some();
        if !notify.on.is_empty() && !somebody {
            self.contradiction(
                "notify.on",
                "notify.on says of what, and nothing says whom: set notify.webhook_url, \
                 notify.command or [notify.mail]",
            );
        }
        if let Some(mail) = &notify.mail {
            self.mail(mail);
        }
        if settings.hooks.timeout.is_some_and(|limit| limit.is_zero()) {
            self.contradiction("hooks.timeout", "hooks.timeout is above 0");
        }
    }

    /// Which of a secret, its file and its command is set; two are one too many.
    fn one_of(&mut self, name: &str, is_set: [bool; 3]) -> Option<String> {
        let names = ["", "_file", "_command"].map(|form| format!("{name}{form}"));
        let set: Vec<&String> =
            names.iter().zip(is_set).filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if let [first, second, ..] = set[..] {
            self.contradiction(first, format!("{first} and {second} exclude each other"));
        }
        set.first().map(|name| (*name).clone())
    }

    fn mail(&mut self, mail: &Mail) {
        for (key, is_set, why) in [
            ("server", mail.server.is_some(), "it is the server that takes the mail"),
            ("from", mail.from.is_some(), "it is the address that mail comes from"),
            ("to", !mail.to.is_empty(), "it says whom mail is for"),
        ] {
            if !is_set {
                let what = What::Missing { key: format!("notify.mail.{key}"), why: why.into() };
                self.problem("notify.mail", what);
            }
        }
        let is_address = |text: &str| {
            let address =
                text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
            address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        };
        for (key, all) in
            [("notify.mail.from", mail.from.as_slice()), ("notify.mail.to", mail.to.as_slice())]
        {
            if all.iter().any(|one| !is_address(one)) {
                let why =
                    format!("{key} is as backups@example.org or Backups <backups@example.org>");
                self.contradiction(key, why);
            }
        }
        if mail.port.is_some_and(|port| port == 0 || port > 65_535) {
            self.contradiction("notify.mail.port", "notify.mail.port is 1 to 65535");
        }
        let password = self.one_of(
            "notify.mail.password",
            [
                mail.password.is_some(),
                mail.password_file.is_some(),
                mail.password_command.is_some(),
            ],
        );
        match (&mail.user, &password) {
            (Some(_), None) => self.contradiction(
                "notify.mail.user",
                "notify.mail.user has no password: set notify.mail.password_file",
            ),
            (None, Some(path)) => {
                self.contradiction(path, format!("{path} is of nobody: set notify.mail.user"));
            }
            _ => {}
        }
        let beyond = mail.server.as_deref().filter(|server| !is_this_machine(server));
        if let (MailTls::None, Some(server)) = (mail.tls, beyond) {
            self.contradiction(
                "notify.mail.tls",
                format!(
                    "notify.mail.tls is none, and {server} is another machine: whoever is in \
                     between could read and change everything; use \"starttls\" or \"tls\""
                ),
            );
        }
    }

    /// Whoever reaches the page could otherwise see all of it.
    fn http(&mut self, settings: &Settings) {
        let http = &settings.http;
        let pairs = [
            ("http.token", http.token.is_some(), http.token_file.is_some()),
            ("http.operate_token", http.operate_token.is_some(), http.operate_token_file.is_some()),
            ("http.read_token", http.read_token.is_some(), http.read_token_file.is_some()),
        ];
        for (name, text, file) in pairs {
            if text && file {
                self.contradiction(name, format!("{name} and {name}_file exclude each other"));
            }
        }
        if http.proxy_header.is_some() == http.proxy_addresses.is_empty() {
            let (there, absent) = match http.proxy_header {
                Some(_) => ("http.proxy_header", "http.proxy_addresses"),
                None => ("http.proxy_addresses", "http.proxy_header"),
            };
            let why = format!("{there} means nothing without {absent}: both say whom to believe");
            self.contradiction(there, why);
        }
        if let Some(odd) = http.proxy_addresses.iter().find(|one| one.parse::<IpAddr>().is_err()) {
            let why = format!("http.proxy_addresses has {odd:?}, which is no address");
            self.contradiction("http.proxy_addresses", why);
        }
        let protected =
            pairs.iter().any(|(_, text, file)| *text || *file) || http.proxy_header.is_some();
        let beyond = http.listen.filter(|listen| !listen.ip().is_loopback());
        if let Some(listen) = beyond.filter(|_| !protected) {
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

fn is_this_machine(server: &str) -> bool {
    server == "localhost"
        || server.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
