//! Every setting that there is: its name and what it takes.

/// A setting, or a section of them.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What a setting takes.
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number, 0 or above.
    Count,
    /// A text.
    Text,
    /// A text that is never shown.
    Secret,
    /// A path or URL; a relative path begins where the file lies.
    Path,
    /// A text such as `1h30m`.
    Duration,
    /// A text such as `64MiB`, or a number of bytes.
    Size,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of some of these words.
    Words(&'static [&'static str]),
    /// Five fields of cron.
    Cron,
    /// A URL, http or https, that is never shown: whoever knows it may use it.
    SecretUrl,
    /// Address and port of this machine.
    Address,
    /// A list of texts.
    Texts,
    /// Names and values that somebody else knows.
    Pairs,
    /// A section.
    Table(&'static [Key]),
    /// Any number of sections.
    Tables(&'static [Key]),
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

use Kind::{
    Address, Count, Cron, Duration, Flag, Pairs, Path, Secret, SecretUrl, Size, Table, Tables,
    Text, Texts, Word, Words,
};

/// The settings of a file.
pub(crate) const ROOT: &[Key] = &[
    key("repository", Path),
    key("enabled", Flag),
    key("local_disk", Word(&["auto", "lasts", "vanishes"])),
    key("installation_id", Text),
    key("take_over", Word(&["never", "always"])),
    key("compression", Word(&["fast", "balanced", "small"])),
    key("state_dir", Path),
    key("cache_dir", Path),
    key("fallback_exit", Count),
    key("database", Tables(DATABASE)),
    key("destination", Tables(DESTINATION)),
    key("encryption", Table(ENCRYPTION)),
    key("schedule", Table(SCHEDULE)),
    key("retention", Table(RETENTION)),
    key("drill", Table(DRILL)),
    key("continuous", Table(CONTINUOUS)),
    key("health", Table(HEALTH)),
    key("notify", Table(NOTIFY)),
    key("hooks", Table(HOOKS)),
    key("metrics", Table(METRICS)),
    key("http", Table(HTTP)),
    key("links", Tables(LINKS)),
    key("objects", Table(OBJECTS)),
];

const DATABASE: &[Key] = &[
    key("name", Text),
    key("path", Path),
    key("mode", Word(&["scheduled", "continuous"])),
    key("destinations", Texts),
    key("schedule", Table(SCHEDULE)),
    key("retention", Table(RETENTION)),
    key("drill", Table(DRILL)),
];

const DESTINATION: &[Key] = &[
    key("name", Text),
    key("role", Word(&["primary", "fallback", "mirror"])),
    key("url", Path),
    key("create", Flag),
    key("max_snapshots", Count),
    key("retention", Table(RETENTION)),
    key("options", Pairs),
];

const ENCRYPTION: &[Key] = &[
    key("enabled", Flag),
    key("key", Secret),
    key("key_file", Path),
    key("key_command", Text),
    key("passphrase", Secret),
    key("passphrase_file", Path),
    key("passphrase_command", Text),
];

const SCHEDULE: &[Key] = &[
    key("every", Duration),
    key("cron", Cron),
    key("timezone", Text),
    key("jitter", Duration),
    key("on_start", Flag),
];

const RETENTION: &[Key] = &[
    key("keep_last", Count),
    key("keep_hourly", Count),
    key("keep_daily", Count),
    key("keep_weekly", Count),
    key("keep_monthly", Count),
    key("keep_yearly", Count),
    key("keep_within", Text),
    key("keep_within_hourly", Text),
    key("keep_within_daily", Text),
    key("keep_within_weekly", Text),
    key("keep_within_monthly", Text),
    key("keep_within_yearly", Text),
    key("keep_tag", Texts),
    key("keep_preset", Flag),
    key("max_bytes", Size),
    key("min_snapshots", Count),
    key("trash", Duration),
    key("floor_snapshots", Count),
    key("floor_age", Duration),
    key("timezone", Text),
];

const DRILL: &[Key] = &[key("every", Duration), key("enabled", Flag), key("assert", Texts)];

const CONTINUOUS: &[Key] = &[key("interval", Duration), key("spool", Size), key("keep", Duration)];

const HEALTH: &[Key] = &[
    key("warn_age", Duration),
    key("max_age", Duration),
    key("max_verify_age", Duration),
    key("max_drill_age", Duration),
    key("min_free_space", Size),
];

const NOTIFY: &[Key] = &[
    key("on", Words(&["failure", "recovery", "warning", "success"])),
    key("source", Text),
    key("ping_url", SecretUrl),
    key("ping_url_file", Path),
    key("ping_url_command", Text),
    key("ping_on", Words(&["start", "success", "failure"])),
    key("webhook_url", SecretUrl),
    key("webhook_url_file", Path),
    key("webhook_url_command", Text),
    key("webhook_secret", Secret),
    key("webhook_secret_file", Path),
    key("webhook_secret_command", Text),
    key("command", Text),
    key("mail", Table(MAIL)),
];

const MAIL: &[Key] = &[
    key("server", Text),
    key("port", Count),
    key("tls", Word(&["starttls", "tls", "none"])),
    key("from", Text),
    key("to", Texts),
    key("user", Text),
    key("password", Secret),
    key("password_file", Path),
    key("password_command", Text),
];

const HOOKS: &[Key] =
    &[key("before", Text), key("after", Text), key("failed", Text), key("timeout", Duration)];

const METRICS: &[Key] = &[key("file", Path)];

const HTTP: &[Key] = &[
    key("listen", Address),
    key("hosts", Texts),
    key("token", Secret),
    key("token_file", Path),
    key("operate_token", Secret),
    key("operate_token_file", Path),
    key("read_token", Secret),
    key("read_token_file", Path),
    key("proxy_header", Text),
    key("proxy_addresses", Texts),
    key("proxy_role", Word(&["read", "operate", "restore"])),
    key("restore_dir", Path),
    key("objects", Texts),
    key("public_objects", Flag),
];

const LINKS: &[Key] = &[
    key("name", Text),
    key("database", Text),
    key("columns", Texts),
    key("query", Text),
    key("provider_column", Text),
    key("providers", Texts),
    key("provider_default", Flag),
    key("key_prefix", Text),
    key("key_suffix", Text),
    key("url_bases", Texts),
    key("json_path", Text),
    key("placement", Flag),
    key("size_column", Text),
    key("digest_column", Text),
    key("on_broken", Text),
    key("probe_insert", Text),
    key("probe_delete", Text),
    key("grace", Duration),
    key("quarantine", Text),
    key("backup", Flag),
    key("url", Path),
    key("options", Pairs),
    key("also", Path),
    key("also_options", Pairs),
];

const OBJECTS: &[Key] = &[
    key("primary", Path),
    key("primary_name", Text),
    key("fallback", Path),
    key("fallback_name", Text),
    key("public_base", Text),
];

/// What `[storage.backup]` takes, in files of programs that had it before.
pub(crate) const STORAGE_BACKUP: &[Key] = &[
    key("enabled", Flag),
    key("bucket", Text),
    key("interval_seconds", Count),
    key("retention_count", Count),
    key("encryption", Table(&[key("enabled", Flag), key("key", Secret)])),
];

/// What `[cloudflare]` takes beside it.
pub(crate) const CLOUDFLARE: &[Key] =
    &[key("account_id", Text), key("r2_access_key_id", Text), key("r2_secret_access_key", Secret)];

impl Kind {
    /// What it takes, after "is".
    pub(crate) fn expected(&self) -> String {
        match self {
            Flag => "true or false".into(),
            Count => "a whole number, 0 or above".into(),
            Text | Secret => "a text".into(),
            Path => "a path or URL, as a text".into(),
            Duration => "a duration with its unit, such as \"90s\", \"1h30m\" or \"7d\"".into(),
            Size => "a size, such as \"64MiB\" or a number of bytes".into(),
            Word(words) => format!("one of {}", words.join(", ")),
            Words(words) => format!("a list of some of {}", words.join(", ")),
            Cron => "five fields of cron, as in \"30 3 * * mon-fri\": minute, hour, day of the \
                     month, month, day of the week"
                .into(),
            SecretUrl => "a URL that begins with https:// or http://".into(),
            Address => "an address of this machine and a port, such as \"127.0.0.1:8484\"".into(),
            Texts => "a list of texts".into(),
            Pairs | Table(_) => "a table".into(),
            Tables(_) => "a list of tables, each under [[...]]".into(),
        }
    }
}

/// A setting by the names that lead to it.
pub(crate) fn find(names: &[&str]) -> Option<&'static Key> {
    let (first, rest) = names.split_first()?;
    let mut key = ROOT.iter().find(|key| key.name == *first)?;
    for name in rest {
        let Table(below) = key.kind else { return None };
        key = below.iter().find(|key| key.name == *name)?;
    }
    Some(key)
}

/// Every setting outside lists of tables, by the names that lead to it.
pub(crate) fn single() -> Vec<Vec<&'static str>> {
    fn below(keys: &'static [Key], section: &[&'static str], all: &mut Vec<Vec<&'static str>>) {
        for key in keys {
            let mut names = section.to_vec();
            names.push(key.name);
            match key.kind {
                Table(keys) => below(keys, &names, all),
                _ => all.push(names),
            }
        }
    }
    let mut all = Vec::new();
    below(ROOT, &[], &mut all);
    all
}

/// The names of all settings, with their sections, as they are written.
pub fn names() -> Vec<String> {
    fn below(keys: &[Key], section: &str, all: &mut Vec<String>) {
        for key in keys {
            let name = if section.is_empty() {
                key.name.to_owned()
            } else {
                format!("{section}.{}", key.name)
            };
            match key.kind {
                Table(keys) | Tables(keys) => below(keys, &name, all),
                _ => all.push(name),
            }
        }
    }
    let mut all = Vec::new();
    below(ROOT, "", &mut all);
    all
}
