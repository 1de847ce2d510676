//! Keys and passphrases: from a variable, a file or a command, never from an
//! argument.

use std::path::Path;

use lifeboat::crypto::{Secret, Zeroizing};
use lifeboat::setup::{SecretKind, SecretSource, read_secret};

use crate::arguments::{NewSecretArguments, Refusal};
use crate::exit::Exit;

/// A passphrase of fewer characters is found by trying, sooner or later.
const LONG_ENOUGH: usize = 20;

/// Why a secret protects little, if so.
pub(crate) fn weakness(secret: &Secret) -> Option<String> {
    let Secret::Passphrase(passphrase) = secret else { return None };
    let length = passphrase.length();
    (length < LONG_ENOUGH).then(|| {
        format!(
            "the passphrase has {length} character{}: whoever copies the storage can try as many \
             as they like; take six random words or more, or a key",
            if length == 1 { "" } else { "s" }
        )
    })
}

/// The new secret that `key add` and `key rotate` are about.
pub(crate) fn new_one(arguments: &NewSecretArguments) -> Result<Secret, Refusal> {
    if let Some(path) = &arguments.new_key_file {
        return from_file(SecretKind::Key, path);
    }
    if let Some(path) = &arguments.new_passphrase_file {
        return from_file(SecretKind::Passphrase, path);
    }
    from_variables("LIFEBOAT_NEW_KEY", "LIFEBOAT_NEW_PASSPHRASE")?.ok_or_else(|| {
        refusal(
            "there is no new key or passphrase".into(),
            "`lifeboat key generate > FILE` makes a key; then --new-key-file FILE. \
             LIFEBOAT_NEW_KEY and LIFEBOAT_NEW_PASSPHRASE work as well",
        )
    })
}

/// Refuses to make a plain repository where others may read it.
pub(crate) fn no_key(place: &str) -> Refusal {
    refusal(
        format!("{place} is not a local directory, and there is no key to encrypt with"),
        "`lifeboat key generate` makes one, for LIFEBOAT_KEY; `lifeboat init --no-encryption` does \
         without, if whoever can read the storage may read the backups",
    )
}

/// The variable that should hold a secret, is set, and is empty. It counts as
/// unset; but whoever wrote it meant to encrypt.
pub(crate) fn empty_one() -> Option<String> {
    let names = ["LIFEBOAT_KEY", "LIFEBOAT_PASSPHRASE"]
        .into_iter()
        .flat_map(|name| ["", "_FILE", "_COMMAND"].map(|form| format!("{name}{form}")));
    names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| value.is_empty()))
}

/// Refuses to make a plain repository where a key was meant to be.
pub(crate) fn empty_key(variable: &str) -> Refusal {
    refusal(
        format!("{variable} is empty, and a new repository would not be encrypted"),
        "put the key there; or unset it, or use `lifeboat init --no-encryption`",
    )
}

fn refusal(message: String, hint: &str) -> Refusal {
    Refusal { exit: Exit::Key, message, hint: hint.to_owned() }
}

/// A variable that is set but empty counts as unset.
fn variable(name: &str) -> Result<Option<Zeroizing<String>>, Refusal> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(Zeroizing::new(value))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(refusal(format!("{name} is not text"), "set it to Base64, or to a passphrase"))
        }
    }
}

fn from_variables(key_name: &str, passphrase_name: &str) -> Result<Option<Secret>, Refusal> {
    let key = from_one(SecretKind::Key, key_name)?;
    let passphrase = from_one(SecretKind::Passphrase, passphrase_name)?;
    match (key, passphrase) {
        (None, None) => Ok(None),
        (Some((secret, _)), None) | (None, Some((secret, _))) => Ok(Some(secret)),
        (Some((_, a)), Some((_, b))) => Err(unclear(
            format!("{a} and {b} are both set"),
            "unset one: it is not clear which is meant",
        )),
    }
}

/// The secret in `NAME`, `NAME_FILE` or `NAME_COMMAND`, and which of them it was.
fn from_one(kind: SecretKind, name: &str) -> Result<Option<(Secret, String)>, Refusal> {
    let (file, command) = (format!("{name}_FILE"), format!("{name}_COMMAND"));
    let set = [variable(name)?, variable(&file)?, variable(&command)?];
    let (secret, from) = match set {
        [None, None, None] => return Ok(None),
        [Some(text), None, None] => {
            (read_secret(kind, SecretSource::Text(text), name)?, name.to_owned())
        }
        [None, Some(path), None] => (from_file(kind, Path::new(path.as_str()))?, file),
        [None, None, Some(line)] => {
            (read_secret(kind, SecretSource::Command(&line), &command)?, command)
        }
        _ => {
            return Err(unclear(
                format!("several of {name}, {file} and {command} are set"),
                "unset all but one: it is not clear which is meant",
            ));
        }
    };
    Ok(Some((secret, from)))
}

fn from_file(kind: SecretKind, path: &Path) -> Result<Secret, Refusal> {
    Ok(read_secret(kind, SecretSource::File(path), &path.display().to_string())?)
}

/// As a mistake in the settings: there may be a key, and nobody knows which.
fn unclear(message: String, hint: &str) -> Refusal {
    Refusal { exit: Exit::Usage, ..refusal(message, hint) }
}
