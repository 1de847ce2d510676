//! Where a secret comes from. It is read each time it is used, so that a new one
//! counts at once, and one that is missing now does no harm for good.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::SendError;

/// Longer is not waited for a file or a command.
const LIMIT: Duration = Duration::from_secs(10);

/// A secret, or where it is to be had.
#[derive(Clone)]
pub struct Secret {
    /// What settings call it.
    name: String,
    from: From,
}

#[derive(Clone)]
enum From {
    Text(String),
    File(PathBuf),
    #[cfg(feature = "commands")]
    Command(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

impl Secret {
    /// The secret itself. `name` is what errors call it.
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), from: From::Text(text.into()) }
    }

    /// The file that holds it.
    pub fn file(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), from: From::File(path.into()) }
    }

    /// The command that prints it.
    #[cfg(feature = "commands")]
    pub fn command(name: impl Into<String>, line: impl Into<String>) -> Self {
        Self { name: name.into(), from: From::Command(line.into()) }
    }

    /// The secret, without the line break that a file ends in.
    pub async fn read(&self) -> Result<String, SendError> {
        let text = match &self.from {
            From::Text(text) => Ok(text.clone()),
            From::File(path) => {
                let path = path.clone();
                // A file system that hangs must not stop everything else.
                let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
                match tokio::time::timeout(LIMIT, read).await {
                    Ok(Ok(read)) => read.map_err(|error| error.to_string()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("nothing came within {} s", LIMIT.as_secs())),
                }
            }
            #[cfg(feature = "commands")]
            From::Command(line) => crate::command::output(line, LIMIT).await,
        };
        let fail = |why: String| SendError::Secret { what: self.name.clone(), why };
        let text = text.map_err(fail)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            return Err(fail("there is nothing in it".to_owned()));
        }
        Ok(line.to_owned())
    }

    /// What settings call it.
    #[cfg(feature = "webhooks")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
