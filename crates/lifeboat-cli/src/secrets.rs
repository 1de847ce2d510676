//! Keys and passphrases: from a variable, a file or a command, never from an
//! argument.

use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat::crypto::{Passphrase, RawKey, Secret, Zeroizing};

use crate::arguments::{Arguments, NewSecretArguments, Refusal};
use crate::exit::Exit;

/// What opens the repository, where that is configured.
pub(crate) fn configured(arguments: &Arguments) -> Result<Option<Secret>, Refusal> {
    if let Some(path) = &arguments.key_file {
        return key(&from_file(path)?, &path.display().to_string()).map(Some);
    }
    from_variables("LIFEBOAT_KEY", "LIFEBOAT_PASSPHRASE")
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
        [Some(text), None, None] => Ok(Some((text, name.to_owned()))),
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
        refusal(format!("the key file {} cannot be read: {error}", path.display()), "look at it")
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
