//! Settings as people see them: with their origin, without their secrets.

use std::time::Duration;

use figment::value::Value;

use crate::layers::Merged;
use crate::problem::Place;
use crate::schema::{Key, Kind, ROOT};

/// What stands for a secret.
const MASK: &str = "********";

/// A setting, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Its name, such as `destination[0].url`.
    pub key: String,
    /// Its value as TOML; secrets are masked.
    pub value: String,
    /// Where it comes from.
    pub place: Place,
}

/// All that is set, in the order of the schema.
pub(crate) fn all(merged: &Merged) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut show = Show { merged, shown: &mut shown };
    for key in ROOT {
        if let Some(value) = merged.values.get(key.name) {
            show.value(value, &key.kind, key.name, key.name);
        }
    }
    shown
}

struct Show<'a> {
    merged: &'a Merged,
    shown: &'a mut Vec<Shown>,
}

impl Show<'_> {
    fn value(&mut self, value: &Value, kind: &Kind, path: &str, name: &str) {
        match (kind, value) {
            (Kind::Table(keys), Value::Dict(_, below)) => {
                for key in *keys {
                    if let Some(value) = below.get(key.name) {
                        self.below(value, key, path, name);
                    }
                }
            }
            (Kind::Tables(keys), Value::Array(_, items)) => {
                let kind = Kind::Table(keys);
                for (at, item) in items.iter().enumerate() {
                    self.value(item, &kind, &format!("{path}.{at}"), &format!("{name}[{at}]"));
                }
            }
            (Kind::Pairs, Value::Dict(_, below)) => {
                for (option, value) in below {
                    let kind = if is_secret(option) { Kind::Secret } else { Kind::Text };
                    let (path, name) = (format!("{path}.{option}"), format!("{name}.{option}"));
                    self.value(value, &kind, &path, &name);
                }
            }
            (kind, value) => {
                let place = self.merged.place(path).clone();
                let value = written(value, kind);
                self.shown.push(Shown { key: name.to_owned(), value, place });
            }
        }
    }

    fn below(&mut self, value: &Value, key: &Key, path: &str, name: &str) {
        let (path, name) = (format!("{path}.{}", key.name), format!("{name}.{}", key.name));
        self.value(value, &key.kind, &path, &name);
    }
}

/// Whether the name of an option of a store speaks of a secret. Better one too
/// many than one too few.
fn is_secret(option: &str) -> bool {
    let option = option.to_lowercase().replace('-', "_");
    let plain = ["access_key_id", "kms_key_id", "bucket_key"];
    let words =
        ["secret", "key", "token", "password", "passphrase", "credential", "proxy", "external_id"];
    !plain.contains(&option.as_str()) && words.iter().any(|word| option.contains(word))
}

fn written(value: &Value, kind: &Kind) -> String {
    match (kind, value) {
        (Kind::Secret | Kind::SecretUrl, _) => quoted(MASK),
        (Kind::Duration, value) => {
            let millis = value.to_u128().and_then(|millis| u64::try_from(millis).ok());
            quoted(&duration(Duration::from_millis(millis.unwrap_or_default())))
        }
        (Kind::Path, Value::String(_, text)) => quoted(&without_password(text)),
        (_, Value::String(_, text)) => quoted(text),
        (_, Value::Bool(_, flag)) => flag.to_string(),
        (_, Value::Array(_, items)) => {
            let items: Vec<String> = items.iter().map(|item| written(item, kind)).collect();
            format!("[{}]", items.join(", "))
        }
        (_, value) => value.to_u128().map_or_else(String::new, |number| number.to_string()),
    }
}

/// As a text of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// A URL without what may be a password.
fn without_password(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            match rest[..end].rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://{MASK}@{host}{}", &rest[end..]),
                None => text.to_owned(),
            }
        }
        None => text.to_owned(),
    }
}

fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, length) in
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
    {
        if millis > 0 && millis.is_multiple_of(length) {
            return format!("{}{unit}", millis / length);
        }
    }
    if millis == 0 { "0s".into() } else { format!("{millis}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret() {
        for secret in ["secret_access_key", "Session-Token", "account_key", "sas_token", "proxy"] {
            assert!(is_secret(secret), "{secret}");
        }
        for plain in ["region", "endpoint", "access_key_id", "kms_key_id", "path_style"] {
            assert!(!is_secret(plain), "{plain}");
        }
    }

    #[test]
    fn urls_and_durations() {
        assert_eq!(without_password("s3://u:p@h/x?y"), "s3://********@h/x?y");
        assert_eq!(without_password("s3://b/a@b"), "s3://b/a@b");
        assert_eq!(without_password("./a@b"), "./a@b");
        for (millis, text) in [(0, "0s"), (1500, "1500ms"), (90_000, "90s"), (7_200_000, "2h")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(quoted("a\"b\\c\n"), r#""a\"b\\c\n""#);
    }
}
