//! `lifeboat key kit`: a sheet for the safe.

use std::io::Write as _;
use std::path::Path;

use lifeboat::Error;
use lifeboat::crypto::{RawKey, Secret, Zeroizing};
use qrcode::QrCode;
use qrcode::render::unicode;
use serde_json::json;
use time::OffsetDateTime;

use super::Stop;
use crate::arguments::{Arguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::utc;

/// What stands on a sheet.
struct Sheet<'a> {
    place: String,
    repository: String,
    holder: String,
    databases: &'a [String],
    key: Option<&'a RawKey>,
    printed: OffsetDateTime,
}

pub(super) async fn print(
    arguments: &Arguments,
    output: Option<&Path>,
    new_key: bool,
    reporter: &Reporter,
) -> Result<(), Stop> {
    let repository = super::open(arguments).await?;
    let mut secret = super::in_use(arguments)?;
    // Before a key is added that would stand nowhere.
    let file = output.map(Output::create).transpose()?;
    if new_key {
        secret = Secret::Raw(RawKey::generate());
        repository.add_secret(&secret, "kit").await?;
    }
    let holder = repository.holder_of(&secret).await.map_err(Error::from)?;
    let names = repository.databases().await.map_err(Error::from)?;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let sheet = Sheet {
        place: absolute(arguments.repository()),
        repository: repository.info().repository.to_string(),
        holder: holder.map_or_else(String::new, |holder| holder.id),
        databases: &names,
        key: match &secret {
            Secret::Raw(key) => Some(key),
            Secret::Passphrase(_) => None,
        },
        printed: OffsetDateTime::now_utc(),
    };
    let text = sheet.text();
    match file {
        Some(file) => {
            let path = file.write(&text)?.display().to_string();
            let line = format!("wrote {path}; print it, put it in a safe, delete it");
            reporter.told(json!({ "file": path }), &[line]);
        }
        None => {
            if let Err(error) = reporter.hand_over(json!({ "sheet": *text }), &text) {
                // A key that stands nowhere opens nothing any more.
                if new_key {
                    repository.remove_holder(&sheet.holder).await?;
                }
                return Err(super::not_printed(&error));
            }
        }
    }
    Ok(())
}

/// A path that means the same from any directory.
fn absolute(place: &str) -> String {
    if !lifeboat::remote::is_local_path(place) {
        return place.to_owned();
    }
    let path = place.strip_prefix("file://").unwrap_or(place);
    std::fs::canonicalize(path).map_or_else(|_| place.to_owned(), |p| p.display().to_string())
}

/// A file that did not exist and that only the owner may read. Removed again
/// unless it is written.
struct Output<'a> {
    path: &'a Path,
    file: std::fs::File,
    written: bool,
}

impl<'a> Output<'a> {
    fn create(path: &'a Path) -> Result<Self, Stop> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| Self::refused(path, &error))?;
        Ok(Self { path, file, written: false })
    }

    fn write(mut self, text: &str) -> Result<&'a Path, Stop> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| Self::refused(self.path, &error))?;
        self.written = true;
        Ok(self.path)
    }

    fn refused(path: &Path, error: &std::io::Error) -> Stop {
        Stop::Refused(Refusal {
            exit: Exit::Failed,
            message: format!("{} cannot be written: {error}", path.display()),
            hint: "name a file that does not exist, in a directory that can be written".into(),
        })
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if !self.written {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A name as one word of a shell, without quotes where it needs none.
fn word(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let needs_none = name.bytes().all(plain) && !name.starts_with('-');
    if needs_none { name.to_owned() } else { quoted(name) }
}

impl Sheet<'_> {
    fn text(&self) -> Zeroizing<String> {
        let key = self.key.map(RawKey::to_text);
        let secret_line = match &key {
            Some(key) => format!("export LIFEBOAT_KEY='{}'", **key),
            None => "export LIFEBOAT_PASSPHRASE='                                        '".into(),
        };
        let repository_line = format!("export LIFEBOAT_REPOSITORY={}", quoted(&self.place));
        let lines = Zeroizing::new(format!("{repository_line}\n{secret_line}\n"));
        let name = self.databases.first().map_or_else(|| "NAME".into(), |name| word(name));
        let databases = if self.databases.is_empty() {
            "none yet".to_owned()
        } else {
            self.databases.join(", ")
        };
        let mut text = Zeroizing::new(String::new());
        text.push_str(&format!(
            "LIFEBOAT RECOVERY SHEET\n\
             Keep it in a safe. Whoever has it and can read the storage can read the backups;\n\
             if every copy of the key is lost, nobody can.\n\n\
             repository   {}\n\
             id           {}\n\
             key id       {}\n\
             databases    {databases}\n\
             printed      {}\n\n\
             1. On any machine: install lifeboat (one file; or Python and the reader of\n   \
                docs/format.md, which needs no lifeboat).\n\
             2. Give it access to the storage. Where the credentials are kept:\n\n   \
                ......................................................................\n\n\
             3. Type, or scan:\n\n",
            self.place,
            self.repository,
            self.holder,
            utc(self.printed.replace_nanosecond(0).unwrap_or(self.printed)),
        ));
        for line in lines.lines() {
            text.push_str(&format!("   {line}\n"));
        }
        if self.key.is_none() {
            text.push_str("   (write the passphrase between the quotes by hand)\n");
        }
        text.push_str(&format!(
            "\n   lifeboat snapshots\n   \
                lifeboat restore {name} --target restored.db --check\n\n"
        ));
        if let Ok(code) = QrCode::new(lines.as_bytes()) {
            // Dark modules as ink: this is for paper.
            let drawing = code
                .render::<unicode::Dense1x2>()
                .dark_color(unicode::Dense1x2::Dark)
                .light_color(unicode::Dense1x2::Light)
                .build();
            text.push_str(&drawing);
            text.push('\n');
        }
        text
    }
}
