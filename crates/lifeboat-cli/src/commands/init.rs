//! `lifeboat init`: make a repository.

use lifeboat::doctor::{Level, open_to_all};
use lifeboat::remote::{MadeBucket, Remote, without_secrets};
use lifeboat::{Destination, Error};

use crate::arguments::{Arguments, InitArguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::secrets;
use lifeboat::hint::About;
use lifeboat::setup::Place;

pub(crate) async fn run(arguments: &Arguments, init: &InitArguments, reporter: &Reporter) -> Exit {
    let meant = match place(arguments, init) {
        Ok(meant) => meant,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    if init.no_encryption && arguments.secret.is_some() {
        reporter.refuse(&Refusal {
            exit: Exit::Usage,
            message: "a key is set, and --no-encryption is to do without one".into(),
            hint: "leave one of them out: with the key the repository is encrypted".into(),
        });
        return Exit::Usage;
    }
    if init.create_bucket
        && let Err(exit) = make_bucket(meant, reporter).await
    {
        return exit;
    }
    let made = async {
        let destination = super::destinations(arguments).begin(&meant.name).await?;
        find_out(&destination).await?;
        Ok(destination)
    };
    match made.await {
        Ok(destination) => {
            let repository = destination.repository();
            let id = repository.info().repository.to_string();
            if destination.is_new()
                && let Some(why) = arguments.secret.as_ref().and_then(secrets::weakness)
            {
                reporter.warn(&why);
            }
            let fencing = repository.fencing();
            reporter.initialised(destination.shown(), &id, repository.is_sealed(), fencing);
            if destination.is_adopted() {
                reporter.say(
                    "  it belongs to the repository of the other destinations: `lifeboat sync` \
                     copies here what they have",
                );
            }
            Exit::Ok
        }
        Err(error) => reporter.error("", &error, About::Reading),
    }
}

/// The destination that is meant: a mirror only by its name.
fn place<'a>(arguments: &'a Arguments, init: &InitArguments) -> Result<&'a Place, Refusal> {
    let setup = arguments.setup();
    let Some(name) = &init.destination else { return Ok(&setup.places()[0]) };
    let all = || setup.places().iter().chain(setup.mirrors());
    all().find(|place| place.name == *name).ok_or_else(|| {
        let names: Vec<&str> = all().map(|place| place.name.as_str()).collect();
        Refusal {
            exit: Exit::Usage,
            message: format!("no destination is called {name:?}"),
            hint: format!("there are: {}; -r takes any directory or URL", names.join(", ")),
        }
    })
}

/// A repository that was there, and that nobody probed the store of: one that was
/// copied there by other means.
async fn find_out(destination: &Destination) -> Result<(), Error> {
    let repository = destination.repository();
    if !destination.is_new() && repository.finding().is_none() {
        repository.probe_store().await?;
    }
    Ok(())
}

async fn make_bucket(place: &Place, reporter: &Reporter) -> Result<(), Exit> {
    match Remote::create_bucket(&place.url, place.options.clone()).await {
        Ok(MadeBucket::New) => {
            reporter.say(&format!("made the bucket of {}", without_secrets(&place.url)))
        }
        Ok(MadeBucket::WasThere) => {
            reporter.say(&format!(
                "the bucket of {} was there, and stays as it is",
                without_secrets(&place.url)
            ));
        }
        Err(error) => return Err(reporter.error("", &error.into(), About::Reading)),
    }
    match open_to_all("the bucket", &place.url, &place.options).await {
        // An emulator on this machine asks nobody who they are.
        Some(finding) if finding.level == Level::Problem && is_on_this_machine(place) => {
            reporter.warn("this store answers anybody, which is right for an emulator only");
            Ok(())
        }
        Some(finding) if finding.level == Level::Problem => {
            reporter.refuse(&Refusal {
                exit: Exit::Failed,
                message: format!("the bucket is there, but not used: {}", finding.text),
                hint: finding.fix.unwrap_or_default(),
            });
            Err(Exit::Failed)
        }
        _ => Ok(()),
    }
}

/// Whether the endpoint is one of this machine, as those of emulators are.
fn is_on_this_machine(place: &Place) -> bool {
    let variables = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
    let endpoint = place
        .options
        .endpoint
        .clone()
        .or_else(|| variables.iter().find_map(|name| std::env::var(name).ok()));
    let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let is_here = |endpoint: &str, prefix: &str| {
        let rest = endpoint.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    };
    endpoint.is_some_and(|endpoint| here.iter().any(|prefix| is_here(&endpoint, prefix)))
}
