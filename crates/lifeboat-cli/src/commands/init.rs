//! `lifeboat init`: make a repository.

use lifeboat::Missing;
use lifeboat::remote::is_local_path;

use crate::arguments::{Arguments, InitArguments, Refusal};
use crate::exit::Exit;
use crate::hint::About;
use crate::report::Reporter;

pub(crate) async fn run(arguments: &Arguments, init: &InitArguments, reporter: &Reporter) -> Exit {
    let place = arguments.repository();
    if !init.no_encryption && !is_local_path(place) {
        let refusal = Refusal {
            exit: Exit::Key,
            message: format!(
                "{place} is not a local directory, and there is no key to encrypt with"
            ),
            hint: "say --no-encryption if whoever can read it may read the backups".into(),
        };
        reporter.refuse(&refusal);
        return refusal.exit;
    }
    match super::open(arguments, Missing::Create).await {
        Ok(destination) => {
            let id = destination.repository().info().repository.to_string();
            reporter.initialised(destination.shown(), &id);
            Exit::Ok
        }
        Err(error) => reporter.error("", &error, About::Reading),
    }
}
