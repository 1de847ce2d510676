//! `lifeboat storage probe`: what a storage really does.

use std::time::{Instant, SystemTime};

use lifeboat::Error;
use lifeboat::remote::{
    Absence, Creates, Deletes, Fencing, Listings, ProbeOptions, Probed, Remote, RemoteOptions,
    without_secrets,
};
use serde_json::json;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::several;
use lifeboat::hint::About;

/// What keeps two writers apart, in a word for programs.
pub(crate) fn fencing(fencing: Fencing) -> &'static str {
    match fencing {
        Fencing::Create => "create",
        Fencing::Rounds => "rounds",
        Fencing::Nothing => "none",
    }
}

pub(crate) async fn probe(arguments: &Arguments, url: Option<&str>, reporter: &Reporter) -> Exit {
    let places = arguments.setup().places();
    let (url, options) = match url {
        // A place of the settings is reached as they say.
        Some(url) => match places.iter().find(|place| place.url == url || place.name == url) {
            Some(place) => (place.url.as_str(), place.options.clone()),
            None => (url, RemoteOptions::default()),
        },
        None => (places[0].url.as_str(), places[0].options.clone()),
    };
    let started = Instant::now();
    let probed = async {
        let opened = Remote::open_with(url, options);
        let remote =
            opened.map_err(|source| Error::Destination { place: without_secrets(url), source })?;
        let probed = remote.probe(ProbeOptions::thorough(SystemTime::now())).await?;
        Ok::<_, Error>((remote, probed))
    };
    match probed.await {
        Ok((remote, probed)) => {
            let exit = if probed.is_usable() { Exit::Ok } else { Exit::Failed };
            tell(&remote, &probed, started.elapsed().as_secs_f64(), exit, reporter);
            exit
        }
        Err(error) => reporter.error("", &error, About::Reading),
    }
}

fn tell(remote: &Remote, probed: &Probed, seconds: f64, exit: Exit, reporter: &Reporter) {
    let (creates, creates_text) = match probed.creates {
        Creates::Once => ("once", "once: of several at once, exactly one succeeded every time"),
        Creates::Racy => ("racy", "RACY: of several at once, more than one was told that it had"),
        Creates::Ignored => ("ignored", "IGNORED: asked not to, it wrote over what was there"),
        Creates::Refused => ("refused", "REFUSED: it cannot be asked not to write over anything"),
    };
    let (listings, listings_text) = match probed.listings {
        Listings::Consistent => ("consistent", "at once what was put, and not what was deleted"),
        Listings::Stale => ("stale", "STALE: not what was just put, or what was deleted"),
    };
    let (deletes, deletes_text) = match probed.deletes {
        Deletes::Done => ("done", "what was deleted is gone"),
        Deletes::Refused => ("refused", "refused: prune has to run with other credentials"),
        Deletes::Kept => ("kept", "accepted, and the objects stay"),
    };
    let reads = if probed.reads_back { "what was put, whole and in ranges" } else { "WRONG" };
    let (absence, absence_text) = match probed.absence {
        Absence::Told => ("told", "told"),
        Absence::Denied => ("denied", "DENIED: allow to list, else no end of backups is found"),
    };
    let clock = match probed.clock_ahead {
        None => "not known".to_owned(),
        Some(0) => "the same as here".to_owned(),
        Some(ahead) => {
            let direction = if ahead > 0 { "ahead" } else { "behind" };
            format!("{} {direction}", several(ahead.unsigned_abs(), "second"))
        }
    };
    let verdict = match (probed.is_usable(), probed.fencing()) {
        (false, _) => "backups cannot lie here",
        (_, Fencing::Create) => "two writers are kept apart",
        (_, Fencing::Rounds) => {
            "two writers are kept apart: they agree in rounds, which takes more requests"
        }
        (_, Fencing::Nothing) => {
            "unfenced: have one writer only; of two, one would undo what the other did"
        }
    };
    let object = json!({
        "destination": remote.shown(),
        "creates": creates,
        "listings": listings,
        "deletes": deletes,
        "reads_back": probed.reads_back,
        "absence": absence,
        "clock_ahead_seconds": probed.clock_ahead,
        "fencing": fencing(probed.fencing()),
        "usable": probed.is_usable(),
        "requests": probed.requests,
        "duration_seconds": seconds,
        "code": exit.code(),
    });
    let lines = [
        remote.shown().to_owned(),
        format!("  create      {creates_text}"),
        format!("  list        {listings_text}"),
        format!("  read        {reads}"),
        format!("  delete      {deletes_text}"),
        format!("  absence     {absence_text}"),
        format!("  clock       {clock}"),
        format!("  {verdict} ({}, {seconds:.1} s)", several(probed.requests, "request")),
    ];
    reporter.told(object, &lines);
}
