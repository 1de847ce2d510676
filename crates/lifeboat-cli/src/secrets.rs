//! Keys and passphrases: from a variable, a file or a command, never from an
//! argument.

use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat::config::Configuration;
use lifeboat::crypto::{Passphrase, RawKey, Secret, Zeroizing};

use crate::arguments::{NewSecretArguments, Refusal};
use crate::exit::Exit;

/// What opens the repository, where that is configured. Where there must be
/// something and nothing is, that is an error: what was meant to be encrypted is
/// not written as it is.
pub(crate) fn configured(configuration: &Configuration) -> Result<Option<Secret>, Refusal> {
    let encryption = &configuration.settings().encryption;
    let from = |name: &str| configuration.place(&format!("encryption.{name}")).to_string();
    if let Some(text) = &encryption.key {
        return key(
            &trimmed(Zeroizing::new(text.reveal().to_owned()), &from("key"))?,
            &from("key"),
        )
        .map(Some);
    }
    if let Some(path) = &encryption.key_file {
        return key(&from_file(path)?, &path.display().to_string()).map(Some);
    }
    if let Some(line) = &encryption.key_command {
        return key(&from_command(line, &from("key_command"))?, &from("key_command")).map(Some);
    }
    // The line break that a file of a secret ends in is no part of a passphrase,
    // whichever way it came: who types it on the night would not find it.
    if let Some(text) = &encryption.passphrase {
        let text = Zeroizing::new(text.reveal().to_owned());
        return passphrase(&trimmed(text, &from("passphrase"))?, &from("passphrase")).map(Some);
    }
    if let Some(path) = &encryption.passphrase_file {
        return passphrase(&from_file(path)?, &path.display().to_string()).map(Some);
    }
    if let Some(line) = &encryption.passphrase_command {
        let from = from("passphrase_command");
        return passphrase(&from_command(line, &from)?, &from).map(Some);
    }
    if encryption.enabled == Some(true) {
        return Err(refusal(
            format!("encryption is enabled ({}), and there is no key", from("enabled")),
            "give it in LIFEBOAT_KEY, or in [encryption]; `lifeboat key generate` makes one",
        ));
    }
    Ok(None)
}

/// The file that holds the secret, where it is one.
pub(crate) fn file(configuration: &Configuration) -> Option<&Path> {
    let encryption = &configuration.settings().encryption;
    encryption.key_file.as_deref().or(encryption.passphrase_file.as_deref())
}

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
        return key(&from_file(path)?, &path.display().to_string());
    }
    if let Some(path) = &arguments.new_passphrase_file {
        return passphrase(&from_file(path)?, &path.display().to_string());
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
    let key_text = text_of(key_name)?;
    let passphrase_text = text_of(passphrase_name)?;
    match (key_text, passphrase_text) {
        (None, None) => Ok(None),
        (Some((text, from)), None) => key(&text, &from).map(Some),
        (None, Some((text, from))) => passphrase(&text, &from).map(Some),
        (Some((_, a)), Some((_, b))) => Err(refusal(
            format!("{a} and {b} are both set"),
            "unset one: it is not clear which is meant",
        )),
    }
}

/// The text of `NAME`, `NAME_FILE` or `NAME_COMMAND`, and which of them it was.
fn text_of(name: &str) -> Result<Option<(Zeroizing<String>, String)>, Refusal> {
    let (file, command) = (format!("{name}_FILE"), format!("{name}_COMMAND"));
    let set = [variable(name)?, variable(&file)?, variable(&command)?];
    match set {
        [None, None, None] => Ok(None),
        [Some(text), None, None] => Ok(Some((trimmed(text, name)?, name.to_owned()))),
        [None, Some(path), None] => Ok(Some((from_file(Path::new(path.as_str()))?, file))),
        [None, None, Some(line)] => Ok(Some((from_command(&line, &command)?, command))),
        _ => Err(refusal(
            format!("several of {name}, {file} and {command} are set"),
            "unset all but one: it is not clear which is meant",
        )),
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, Refusal> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        refusal(
            format!("the key file {} cannot be read: {error}", path.display()),
            "name a file that exists and that you may read",
        )
    })?;
    trimmed(Zeroizing::new(text), &path.display().to_string())
}

fn from_command(line: &str, name: &str) -> Result<Zeroizing<String>, Refusal> {
    let failed = |why: String| refusal(format!("the command in {name} {why}"), "run it by hand");
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let stdout = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(failed(format!("failed: {}", output.status)));
    }
    let text = std::str::from_utf8(&stdout).map_err(|_| failed("printed no text".into()))?;
    trimmed(Zeroizing::new(text.to_owned()), name)
}

/// Without the line break at the end that editors and `echo` leave.
fn trimmed(text: Zeroizing<String>, from: &str) -> Result<Zeroizing<String>, Refusal> {
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(refusal(format!("there is nothing in {from}"), "it should give a key"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn key(text: &str, from: &str) -> Result<Secret, Refusal> {
    RawKey::parse(text).map(Secret::Raw).map_err(|error| {
        refusal(
            format!("{from} holds no key: {error}"),
            "`lifeboat key generate` makes one; a passphrase goes into LIFEBOAT_PASSPHRASE",
        )
    })
}

fn passphrase(text: &str, from: &str) -> Result<Secret, Refusal> {
    Passphrase::new(text)
        .map(Secret::Passphrase)
        .map_err(|error| refusal(format!("{from} holds no passphrase: {error}"), "set one"))
}
