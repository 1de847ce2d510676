//! Every option there is: its name, whom it is for, and how its text is read.

use super::units::{count, duration, flag, rate};
use super::{RemoteOptions, Secret};

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// A local directory.
    Directory,
    /// Memory.
    Memory,
    /// Amazon S3, and everything that speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// Why an option is refused. Reads well after "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// There is no such option.
    #[error("know the option {name:?}{}", nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// What was given.
        name: String,
        /// The option that is nearest to it, if one is near.
        nearest: Option<&'static str>,
    },
    /// The value is none that the option takes.
    #[error("understand the option {name}: {expected}")]
    Value {
        /// The option.
        name: &'static str,
        /// What it takes. The value is not repeated: it may be a secret.
        expected: &'static str,
    },
    /// A secret stands in a URL, where histories, logs and process lists show
    /// it.
    #[error("take the secret {name} from a URL; use the environment or the configuration file")]
    SecretInUrl {
        /// The option.
        name: &'static str,
    },
    /// An option is missing without which others mean nothing.
    #[error("find the option {name}, which the others need")]
    Incomplete {
        /// The option.
        name: &'static str,
    },
    /// Two options contradict each other.
    #[error("use {one} together with {other}; leave one of them out")]
    Both {
        /// One of them.
        one: &'static str,
        /// The other, or a variable.
        other: &'static str,
    },
    /// The option needs a part of the program that is not there. Nothing else is
    /// taken in its place: other credentials may belong to another account.
    #[error("use {name}: the program was built without the feature {feature}")]
    NotBuilt {
        /// The option, or the variable.
        name: &'static str,
        /// The feature of this crate.
        feature: &'static str,
    },
    /// The option means nothing for this kind of store.
    #[error("use the option {name} for this kind of store")]
    NotFor {
        /// The option.
        name: &'static str,
        /// The kind of store.
        provider: Provider,
    },
}

type Set = fn(&mut RemoteOptions, &str) -> Result<(), &'static str>;
type Same = fn(&RemoteOptions, &RemoteOptions) -> bool;

/// One option.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) secret: bool,
    providers: &'static [Provider],
    set: Set,
    same: Same,
}

impl Known {
    pub(super) fn set(&self, options: &mut RemoteOptions, value: &str) -> Result<(), OptionError> {
        (self.set)(options, value)
            .map_err(|expected| OptionError::Value { name: self.name, expected })
    }
}

use Provider::{Azure, Directory, Gcs, Memory, S3};

const ALL: &[Provider] = &[Directory, Memory, S3, Gcs, Azure];
const WEB: &[Provider] = &[S3, Gcs, Azure];

fn text(value: &str) -> Result<Option<String>, &'static str> {
    if value.is_empty() { Err("a text") } else { Ok(Some(value.to_owned())) }
}

/// Without a user and password, which nobody would mask.
fn web_address(value: &str) -> Result<Option<String>, &'static str> {
    let expected = "https://host or http://host:port, without a user and password";
    let url = url::Url::parse(value).map_err(|_| expected)?;
    let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return Err(expected);
    }
    Ok(Some(value.to_owned()))
}

fn secret(value: &str) -> Result<Option<Secret>, &'static str> {
    if value.is_empty() { Err("a text") } else { Ok(Some(Secret::new(value))) }
}

fn path(value: &str) -> Result<Option<std::path::PathBuf>, &'static str> {
    if value.is_empty() { Err("a path") } else { Ok(Some(value.into())) }
}

fn some<T>(value: Result<T, &'static str>) -> Result<Option<T>, &'static str> {
    value.map(Some)
}

/// What lies in these is read back after hours, not at once: no record could be
/// found, no backup restored.
fn storage_class(value: &str) -> Result<Option<String>, &'static str> {
    match value.to_ascii_uppercase().as_str() {
        "GLACIER" | "DEEP_ARCHIVE" | "OUTPOSTS" | "SNOW" => {
            Err("a class that need not be thawed before it is read")
        }
        _ => text(value),
    }
}

fn encryption(value: &str) -> Result<Option<String>, &'static str> {
    match value {
        "AES256" | "aws:kms" | "aws:kms:dsse" | "sse-c" => text(value),
        _ => Err("AES256, aws:kms, aws:kms:dsse or sse-c"),
    }
}

macro_rules! known {
    ($field:ident, $read:expr, $providers:expr) => {
        known!($field, $read, $providers, false)
    };
    ($field:ident, $read:expr, $providers:expr, $secret:expr) => {
        Known {
            name: stringify!($field),
            secret: $secret,
            providers: $providers,
            set: |options, value| {
                options.$field = $read(value)?;
                Ok(())
            },
            same: |a, b| a.$field == b.$field,
        }
    };
}

const KNOWN: &[Known] = &[
    known!(environment, flag, ALL),
    known!(endpoint, web_address, WEB),
    known!(allow_http, flag, WEB),
    known!(proxy, secret, WEB, true),
    known!(proxy_excludes, text, WEB),
    known!(ca_certificates, path, WEB),
    known!(only_ca_certificates, flag, WEB),
    known!(connect_timeout, duration, WEB),
    known!(request_timeout, duration, WEB),
    known!(min_rate, rate, WEB),
    known!(retry_budget, duration, WEB),
    known!(connect_budget, |v| some(duration(v)), WEB),
    known!(stall_timeout, |v| some(duration(v)), WEB),
    known!(max_concurrency, count, ALL),
    known!(max_upload_rate, |v| some(rate(v)), ALL),
    known!(max_download_rate, |v| some(rate(v)), ALL),
    known!(storage_class, storage_class, WEB),
    known!(region, text, &[S3]),
    known!(path_style, |v| some(flag(v)), &[S3]),
    known!(access_key_id, text, &[S3]),
    known!(secret_access_key, secret, &[S3], true),
    known!(session_token, secret, &[S3], true),
    known!(anonymous, flag, WEB),
    known!(profile, text, &[S3]),
    known!(role_arn, text, &[S3]),
    known!(external_id, secret, &[S3], true),
    known!(role_session_name, text, &[S3]),
    known!(server_side_encryption, encryption, &[S3]),
    known!(kms_key_id, text, &[S3]),
    known!(customer_key, secret, &[S3, Azure], true),
    known!(bucket_key, |v| some(flag(v)), &[S3]),
    known!(request_payer, flag, &[S3]),
    known!(single_deletes, flag, &[S3]),
    known!(jurisdiction, text, &[S3]),
    known!(service_account, path, &[Gcs]),
    known!(service_account_key, secret, &[Gcs], true),
    known!(bearer_token, secret, &[Gcs, Azure], true),
    known!(account, text, &[Azure]),
    known!(account_key, secret, &[Azure], true),
    known!(sas_token, secret, &[Azure], true),
    known!(client_id, text, &[Azure]),
    known!(client_secret, secret, &[Azure], true),
    known!(tenant_id, text, &[Azure]),
    known!(emulator, flag, &[Azure]),
];

/// The option of this name.
pub(super) fn find(name: &str) -> Result<&'static Known, OptionError> {
    let wanted = name.to_ascii_lowercase().replace('-', "_");
    KNOWN.iter().find(|known| known.name == wanted).ok_or_else(|| {
        let nearest = KNOWN
            .iter()
            .map(|known| (distance(&wanted, known.name), known.name))
            .min()
            .filter(|(distance, found)| *distance <= 1 + found.len() / 4);
        OptionError::Unknown { name: name.to_owned(), nearest: nearest.map(|(_, name)| name) }
    })
}

/// Refuses options that differ from the default and are for others.
pub(super) fn check_for(
    options: &RemoteOptions,
    default: &RemoteOptions,
    provider: Provider,
) -> Result<(), OptionError> {
    let foreign =
        |known: &&Known| !known.providers.contains(&provider) && !(known.same)(options, default);
    match KNOWN.iter().find(foreign) {
        Some(known) => Err(OptionError::NotFor { name: known.name, provider }),
        None => Ok(()),
    }
}

/// How many characters must be put in, left out or changed (Levenshtein's
/// distance, one row at a time).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/storage.md has a table of all options: which there are, for whom, and
    /// which are secrets.
    #[test]
    fn the_documentation_knows_them_all() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/storage.md");
        let text = std::fs::read_to_string(path).expect("the documentation is there");
        let (_, table) =
            text.split_once("| option | for | what |\n|---|---|---|\n").expect("a table");
        let mut rows = Vec::new();
        for line in table.lines().take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), 3, "{line}");
            assert!(cells[2].len() > 10, "{line}");
            let secret = cells[2].contains("(secret)");
            rows.push((cells[0].trim_matches('`'), cells[1].to_owned(), secret));
        }
        let known: Vec<_> =
            KNOWN.iter().map(|known| (known.name, whom(known.providers), known.secret)).collect();
        assert_eq!(rows, known, "in the order of the code");
    }

    fn whom(providers: &[Provider]) -> String {
        if providers == ALL {
            return "all".to_owned();
        }
        if providers == WEB {
            return "not directories".to_owned();
        }
        let names = providers.iter().map(|provider| match provider {
            S3 => "S3",
            Gcs => "Google",
            Azure => "Azure",
            Directory => "directories",
            Memory => "memory",
        });
        names.collect::<Vec<_>>().join(", ")
    }
}
