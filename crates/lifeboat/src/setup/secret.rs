//! Keys and passphrases: from a text, a file or a command.

use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat_crypto::{Passphrase, RawKey, Secret, Zeroizing};

use super::{Setup, SetupError};

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// 32 bytes, in Base64.
    Key,
    /// Words.
    Passphrase,
}

/// Where the text of a secret comes from.
#[derive(Debug)]
pub enum SecretSource<'a> {
    /// It is this.
    Text(Zeroizing<String>),
    /// It stands in a file.
    File(&'a Path),
    /// A command line prints it.
    Command(&'a str),
}

impl Setup {
    /// What opens the repository, where that is configured. Where there must be
    /// something and nothing is, that is an error: what was meant to be encrypted is
    /// not written as it is.
    pub fn secret(&self) -> Result<Option<Secret>, SetupError> {
        let encryption = &self.configuration.settings().encryption;
        let from = |name: &str| self.configuration.place(&format!("encryption.{name}")).to_string();
        let text = |text: &lifeboat_config::SecretText| {
            SecretSource::Text(Zeroizing::new(text.reveal().to_owned()))
        };
        // The line break that a file of a secret ends in is no part of a passphrase,
        // whichever way it came: who types it on the night would not find it.
        let (kind, source, shown) = if let Some(key) = &encryption.key {
            (SecretKind::Key, text(key), from("key"))
        } else if let Some(path) = &encryption.key_file {
            (SecretKind::Key, SecretSource::File(path), path.display().to_string())
        } else if let Some(line) = &encryption.key_command {
            (SecretKind::Key, SecretSource::Command(line), from("key_command"))
        } else if let Some(words) = &encryption.passphrase {
            (SecretKind::Passphrase, text(words), from("passphrase"))
        } else if let Some(path) = &encryption.passphrase_file {
            (SecretKind::Passphrase, SecretSource::File(path), path.display().to_string())
        } else if let Some(line) = &encryption.passphrase_command {
            (SecretKind::Passphrase, SecretSource::Command(line), from("passphrase_command"))
        } else if encryption.enabled == Some(true) {
            return Err(SetupError::key(
                format!("encryption is enabled ({}), and there is no key", from("enabled")),
                "give it in LIFEBOAT_KEY, or in [encryption]; `lifeboat key generate` makes one",
            ));
        } else {
            return Ok(None);
        };
        read_secret(kind, source, &shown).map(Some)
    }

    /// The file that holds the secret, where it is one.
    pub fn secret_file(&self) -> Option<&Path> {
        let encryption = &self.configuration.settings().encryption;
        encryption.key_file.as_deref().or(encryption.passphrase_file.as_deref())
    }
}

/// Reads a secret. What it comes from is shown in errors, the secret never.
pub fn read_secret(
    kind: SecretKind,
    source: SecretSource<'_>,
    shown: &str,
) -> Result<Secret, SetupError> {
    let text = match source {
        SecretSource::Text(text) => text,
        SecretSource::File(path) => from_file(path)?,
        SecretSource::Command(line) => from_command(line, shown)?,
    };
    let text = trimmed(&text, shown)?;
    match kind {
        SecretKind::Key => RawKey::parse(&text).map(Secret::Raw).map_err(|error| {
            SetupError::key(
                format!("{shown} holds no key: {error}"),
                "`lifeboat key generate` makes one; a passphrase goes into LIFEBOAT_PASSPHRASE",
            )
        }),
        SecretKind::Passphrase => {
            Passphrase::new(text.as_str()).map(Secret::Passphrase).map_err(|error| {
                SetupError::key(format!("{shown} holds no passphrase: {error}"), "set one")
            })
        }
    }
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, SetupError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        SetupError::key(
            format!("the key file {} cannot be read: {error}", path.display()),
            "name a file that exists and that you may read",
        )
    })?;
    Ok(Zeroizing::new(text))
}

fn from_command(line: &str, name: &str) -> Result<Zeroizing<String>, SetupError> {
    let failed =
        |why: String| SetupError::key(format!("the command in {name} {why}"), "run it by hand");
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
    Ok(Zeroizing::new(text.to_owned()))
}

/// Without the line break at the end that editors and `echo` leave.
fn trimmed(text: &str, from: &str) -> Result<Zeroizing<String>, SetupError> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(SetupError::key(format!("there is nothing in {from}"), "it should give a key"));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
