//! Whether a place for backups does what it must.

use lifeboat_remote::{
    Absence, Creates, Deletes, Failure, Fencing, Listings, ProbeOptions, Probed, Remote,
    RemoteError, RemoteOptions, is_local_path,
};
use time::OffsetDateTime;

use super::{Finding, Level, causes};

/// A difference of clocks from which on stores begin to refuse signatures.
const REFUSED_SECONDS: u64 = 15 * 60;
const NOTICED_SECONDS: u64 = 60;

/// How a place is tested.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlaceProbe {
    /// What to call the place.
    pub about: String,
    /// The time on this machine.
    pub now: OffsetDateTime,
}

impl PlaceProbe {
    /// A test of a place.
    pub fn new(about: impl Into<String>, now: OffsetDateTime) -> Self {
        Self { about: about.into(), now }
    }
}

/// Whether a place answers at all. Where it does not, nothing else need be asked,
/// and each question would wait as long again.
pub async fn answers(about: &str, remote: &Remote) -> Result<(), Finding> {
    let error = match remote.get("format/1", STRANGER_LIMIT).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let nobody = matches!(
        error.what,
        Failure::NoBucket | Failure::NoCredentials | Failure::Untrusted | Failure::WrongRegion
    );
    if !nobody && !error.is_transient() {
        return Ok(());
    }
    let text = format!("failed to {}", causes(&error));
    Err(Finding::bad(Level::Problem, about, text, error.hint()))
}

/// Tries out what the store does: writing, several at once at one object, reading,
/// listing, deleting.
///
/// Cancelled, it leaves objects of a few bytes below `probes/`.
pub async fn place(remote: &Remote, probe: &PlaceProbe) -> Vec<Finding> {
    let about = probe.about.as_str();
    let probed = match remote.probe(ProbeOptions::new(probe.now.into())).await {
        Ok(probed) => probed,
        Err(error) => return vec![refused(about, "tried out", &error)],
    };
    let mut findings = vec![Finding::ok(about, "can be written"), writers(about, &probed)];
    findings.push(match (probed.reads_back, probed.absence) {
        (true, Absence::Told) => Finding::ok(about, "can be read"),
        (true, Absence::Denied) => Finding::bad(
            Level::Problem,
            about,
            "says of what is not there that access is denied, so that no end of the backups can \
             be found",
            "allow s3:ListBucket or its like",
        ),
        (false, _) => Finding::bad(
            Level::Problem,
            about,
            "does not give back what was written",
            "look at the store, or ask its provider",
        ),
    });
    if probed.listings == Listings::Stale && probed.fencing() == Fencing::Create {
        findings.push(Finding::bad(
            Level::Warning,
            about,
            "does not list what was just written, or lists what was deleted",
            "nothing to do: Lifeboat does not rely on it, but prune later than usual",
        ));
    }
    findings.extend(probed.clock_ahead.map(|seconds| clock(about, seconds.unsigned_abs())));
    findings.push(match probed.deletes {
        Deletes::Done => Finding::ok(about, "allows to delete"),
        Deletes::Kept => Finding::bad(
            Level::Warning,
            about,
            "keeps what is deleted: prune frees nothing",
            "nothing to do if the bucket is meant to be written once",
        ),
        Deletes::Refused => Finding::bad(
            Level::Warning,
            about,
            "does not allow to delete",
            "nothing to do if that is meant (backups are then safe from this machine, and prune \
             runs elsewhere); else allow s3:DeleteObject or its like",
        ),
    });
    findings
}

/// What keeps two writers apart.
fn writers(about: &str, probed: &Probed) -> Finding {
    let does = match probed.creates {
        Creates::Once => "refuses to write over what is there, also where several try at once",
        Creates::Racy => "lets several writers at once believe that they were first",
        Creates::Ignored => "writes over what is there, although it is asked not to",
        Creates::Refused => "cannot be asked not to write over what is there",
    };
    match probed.fencing() {
        Fencing::Create => Finding::ok(about, does),
        Fencing::Rounds => Finding::ok(about, format!("{does}; writers agree in rounds instead")),
        Fencing::Nothing => Finding::bad(
            Level::Warning,
            about,
            format!(
                "is unfenced: it {does}, and its listings are stale; of two writers one would \
                     undo the other"
            ),
            "have one writer only, or use a store that honours If-None-Match",
        ),
    }
}

/// Whether everybody can read what lies at a place, credentials or not. Nothing
/// for a local directory.
pub async fn open_to_all(about: &str, url: &str, options: &RemoteOptions) -> Option<Finding> {
    if is_local_path(url) {
        return None;
    }
    let mut stranger = options.clone();
    stranger.anonymous = true;
    stranger.access_key_id = None;
    stranger.secret_access_key = None;
    stranger.session_token = None;
    stranger.profile = None;
    stranger.role_arn = None;
    let unknown = |why: String| {
        Finding::bad(
            Level::Warning,
            about,
            format!("whether everybody can read it is not known: failed to {why}"),
            "look at the access settings of the bucket",
        )
    };
    let remote = match Remote::open_with(url, stranger) {
        Ok(remote) => remote,
        Err(error) => return Some(unknown(causes(&error))),
    };
    let open = |what: &str| {
        Finding::bad(
            Level::Problem,
            about,
            format!("everybody can {what} it, without credentials"),
            "take public access from the bucket; until then: lifeboat key generate",
        )
    };
    // A missing object is told to whoever may read, or may list, and to nobody else.
    Some(match (remote.get("format/1", STRANGER_LIMIT).await, remote.list("format").await) {
        (Ok(Some(_)), _) => open("read"),
        (Err(error), _) if error.what == Failure::TooLarge => open("read"),
        (_, Ok(_)) => open("list"),
        (Err(error), Err(_)) if is_refusal(&error) => {
            Finding::ok(about, "cannot be read without credentials")
        }
        (Ok(None), Err(_)) => Finding::ok(about, "cannot be listed without credentials"),
        (Err(error), Err(_)) => unknown(causes(&error)),
    })
}

/// More than a format object has.
const STRANGER_LIMIT: u64 = 64 * 1024;

fn is_refusal(error: &RemoteError) -> bool {
    matches!(error.what, Failure::Denied | Failure::NoCredentials | Failure::Refused)
}

fn refused(about: &str, what: &str, error: &RemoteError) -> Finding {
    Finding::bad(
        Level::Problem,
        about,
        format!("cannot be {what}: failed to {}", causes(error)),
        "check the credentials and what they allow: list, read, write and delete below the prefix",
    )
}

/// How far the clocks are apart. The store's is told in whole seconds.
fn clock(about: &str, apart: u64) -> Finding {
    let text = format!("its clock and this one are {apart} seconds apart");
    let fix = "timedatectl set-ntp true";
    match apart {
        REFUSED_SECONDS.. => Finding::bad(Level::Problem, about, text, fix),
        NOTICED_SECONDS.. => Finding::bad(Level::Warning, about, text, fix),
        _ => Finding::ok(about, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_that_works_and_what_is_left_there() {
        let remote = Remote::memory();
        let now = OffsetDateTime::now_utc();
        let check = async |now, level| {
            let findings = place(&remote, &PlaceProbe::new("here", now)).await;
            assert_eq!(findings.len(), 5, "{findings:?}");
            let worst = findings.iter().map(|finding| finding.level).max();
            assert_eq!(worst, Some(level), "{findings:?}");
            assert!(remote.list("probes").await.expect("lists").is_empty());
        };
        check(now, Level::Ok).await;
        check(now + time::Duration::seconds(90), Level::Warning).await;
        check(now - time::Duration::hours(1), Level::Problem).await;
    }
}
