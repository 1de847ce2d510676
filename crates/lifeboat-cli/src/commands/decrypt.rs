//! `lifeboat decrypt`: a single file, opened without any repository.

use std::path::Path;

use lifeboat::{Error, FileForm};
use serde_json::json;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::report::Reporter;
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    file: &Path,
    output: &Path,
    reporter: &Reporter,
) -> Exit {
    let (from, to, secret) = (file.to_owned(), output.to_owned(), arguments.secret.clone());
    let work = tokio::task::spawn_blocking(move || lifeboat::decrypt(&from, &to, secret.as_ref()));
    let done = match work.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    match done {
        Ok(form) => {
            let what = match form {
                FileForm::Archive => "archive",
                FileForm::Zstd => "zstd",
                _ => "nonce-and-tag",
            };
            let file = output.display().to_string();
            let line = format!("{file} is written, and whole");
            reporter.told(json!({ "file": file, "form": what }), &[line]);
            Exit::Ok
        }
        Err(error) => reporter.error("", &Error::from(error), About::Restore),
    }
}
