//! `lifeboat init`: make a repository.

use lifeboat::Missing;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::hint::About;
use crate::report::Reporter;
use crate::secrets;

pub(crate) async fn run(arguments: &Arguments, reporter: &Reporter) -> Exit {
    // Another place than the first is named with -r.
    let first = arguments.setup().places()[0].name.clone();
    match super::choose(arguments, Missing::Create, &[first]).await {
        Ok(chosen) => {
            let destination = chosen.destination;
            let repository = destination.repository();
            let id = repository.info().repository.to_string();
            if destination.is_new()
                && let Some(why) = arguments.secret.as_ref().and_then(secrets::weakness)
            {
                reporter.warn(&why);
            }
            reporter.initialised(destination.shown(), &id, repository.is_sealed());
            Exit::Ok
        }
        Err(error) => reporter.error("", &error, About::Reading),
    }
}
