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
    match output {
        Some(path) => {
            write_for_the_owner(path, &text)?;
            let line = format!("wrote {}; print it, put it in a safe, delete it", path.display());
            reporter.told(json!({ "file": path.display().to_string() }), &[line]);
        }
        None => reporter.told(json!({ "sheet": *text }), &[text.to_string()]),
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

/// Only the owner may read it, and nothing is overwritten.
fn write_for_the_owner(path: &Path, text: &str) -> Result<(), Stop> {
    use std::os::unix::fs::OpenOptionsExt;
    let refused = |error: std::io::Error| {
        Stop::Refused(Refusal {
            exit: Exit::Failed,
            message: format!("{} cannot be written: {error}", path.display()),
            hint: "name a file that does not exist, in a directory that can be written".into(),
        })
    };
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(refused)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(refused)
}

impl Sheet<'_> {
    fn text(&self) -> Zeroizing<String> {
        let key = self.key.map(RawKey::to_text);
        let secret_line = match &key {
            Some(key) => format!("export LIFEBOAT_KEY='{}'", **key),
            None => "export LIFEBOAT_PASSPHRASE='                                        '".into(),
        };
        let repository_line = format!("export LIFEBOAT_REPOSITORY='{}'", self.place);
        let lines = Zeroizing::new(format!("{repository_line}\n{secret_line}\n"));
        let name = self.databases.first().map_or("NAME", String::as_str);
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
            utc(self.printed),
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
