//! `lifeboat doctor`: whether backups can work here, on one page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat::config::{Place::Argument, Verdict};
use lifeboat::crypto::Secret;
use lifeboat::doctor::{self, Ages, Finding, Level, PlaceProbe};
use lifeboat::remote::{Remote, without_secrets};
use lifeboat::{Destination, Error, Missing};
use serde_json::json;
use time::OffsetDateTime;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::report::{Reporter, causes};
use crate::secrets;
use crate::text::{age, several};
use lifeboat::setup::{Place, Setup};

/// The time that each request to a place has, tries included: a page is read by
/// somebody who waits.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(arguments: &Arguments, typed: &[PathBuf], reporter: &Reporter) -> Exit {
    let setup = arguments.setup();
    // What is to be copied means the same place as the page.
    let typed_place = match setup.configuration().place("repository") {
        Argument(_) => setup.places().first().map(|place| without_secrets(&place.url)),
        _ => None,
    };
    let mut page = Page { reporter, typed_place, counts: [0; 3] };
    examine(arguments, typed, &mut page).await;
    let [ok, warnings, problems] = page.counts;
    let exit = if problems > 0 { Exit::Failed } else { Exit::Ok };
    let line = format!(
        "{ok} ok, {}, {}",
        several(warnings.into(), "warning"),
        several(problems.into(), "problem")
    );
    let summary =
        json!({ "ok": ok, "warnings": warnings, "problems": problems, "code": exit.code() });
    reporter.told(summary, &[line]);
    exit
}

/// Counts what it prints.
struct Page<'a> {
    reporter: &'a Reporter,
    typed_place: Option<String>,
    counts: [u32; 3],
}

impl Page<'_> {
    fn add(&mut self, finding: &Finding) {
        self.counts[match finding.level {
            Level::Ok => 0,
            Level::Warning => 1,
            _ => 2,
        }] += 1;
        let command = finding.fix.as_ref().and_then(|fix| fix.strip_prefix("lifeboat "));
        match (command, &self.typed_place) {
            (Some(command), Some(place)) if !command.contains("-r ") => {
                let mut finding = finding.clone();
                finding.fix = Some(format!("lifeboat -r '{place}' {command}"));
                self.reporter.diagnosed(&finding);
            }
            _ => self.reporter.diagnosed(finding),
        }
    }
}

async fn examine(arguments: &Arguments, typed: &[PathBuf], page: &mut Page<'_>) {
    let setup = arguments.setup();
    page.add(&settings(setup));
    for notice in setup.configuration().notices() {
        page.add(&Finding::ok("settings", notice));
    }
    if let Some(reason) = setup.configuration().fallback_reason() {
        let fix = "export BACKUP_S3_BUCKET=my-backups    # or set BACKUP_USE_AWS=false";
        page.add(&Finding::bad(Level::Warning, "settings", reason, fix));
    }
    let directories = setup.directories();
    let databases = match setup.named(typed) {
        Ok(databases) => databases,
        Err(refusal) => {
            page.add(&Finding::bad(Level::Problem, "databases", refusal.message, refusal.hint));
            Vec::new()
        }
    };
    if databases.is_empty() {
        page.add(&Finding::bad(
            Level::Warning,
            "databases",
            "none is named or configured, so that none was looked at",
            "lifeboat doctor app.db",
        ));
    }
    let mut size = 0;
    for target in &databases {
        if target.is_motherduck() {
            page.add(&Finding::bad(
                Level::Warning,
                format!("database {}", target.path.display()),
                "is in MotherDuck, and no file of this machine: backups of it are disabled",
                "look at the snapshots that MotherDuck makes itself",
            ));
            continue;
        }
        for finding in doctor::database(&target.path, &directories.cache).await {
            page.add(&finding);
        }
        size += std::fs::metadata(&target.path).map_or(0, |metadata| metadata.len());
    }
    page.add(&doctor::directory("state directory", &directories.state));
    page.add(&doctor::directory("cache directory", &directories.cache));
    let wanted = setup.configuration().settings().health.min_free_space;
    page.add(&doctor::space("cache directory", &directories.cache, size, wanted));
    page.add(&doctor::descriptors());
    let paths: Vec<PathBuf> = databases.iter().map(|target| target.path.clone()).collect();
    page.add(&environment(setup, &paths));
    let secret = match setup.secret() {
        Ok(secret) => {
            page.add(&key(setup, secret.is_some()));
            if let Some(finding) = setup.secret_file().and_then(open_key_file) {
                page.add(&finding);
            }
            if let Some(why) = secret.as_ref().and_then(secrets::weakness) {
                let fix = "lifeboat key generate > key && chmod 600 key && \
                           lifeboat key rotate --new-key-file key";
                page.add(&Finding::bad(Level::Warning, "key", why, fix));
            }
            secret
        }
        Err(refusal) => {
            page.add(&Finding::bad(Level::Problem, "key", refusal.message, refusal.hint));
            None
        }
    };
    for place in setup.places().iter().chain(setup.mirrors()) {
        examine_place(setup, place, secret.as_ref(), size, page).await;
    }
}

fn settings(setup: &Setup) -> Finding {
    if let Some(reason) = setup.configuration().switched_off() {
        let text = format!("backups are switched off: {reason}");
        return Finding::bad(Level::Problem, "settings", text, "lifeboat config show --origin");
    }
    Finding::ok(
        "settings",
        match setup.configuration().file() {
            Some(file) => format!("{} and the environment are understood", file.display()),
            None => "there is no file of settings; the environment is understood".to_owned(),
        },
    )
}

fn environment(setup: &Setup, databases: &[PathBuf]) -> Finding {
    let about = "environment";
    let all_local = setup.places().iter().all(Place::is_local);
    match setup.verdict(databases) {
        Verdict::SaidToLast { by } => Finding::ok(about, format!("the local disk lasts: {by}")),
        Verdict::Vanishes { reason, .. } if all_local => Finding::bad(
            Level::Problem,
            about,
            format!("{reason}, and backups go nowhere else"),
            "lifeboat init -r s3://BUCKET/PREFIX    # and set LIFEBOAT_REPOSITORY to that",
        ),
        Verdict::Vanishes { reason, .. } => {
            Finding::ok(about, format!("{reason}; backups go elsewhere"))
        }
        _ => Finding::ok(about, "nothing says that the local disk vanishes"),
    }
}

fn key(setup: &Setup, is_there: bool) -> Finding {
    let all_local = setup.places().iter().all(Place::is_local);
    if is_there {
        return Finding::ok("key", "can be read and is one; keep a copy: lifeboat key kit");
    }
    let is_off = setup.configuration().settings().encryption.enabled == Some(false);
    if all_local || is_off {
        return Finding::ok("key", "none is configured: backups are not encrypted");
    }
    Finding::bad(
        Level::Warning,
        "key",
        "none is configured: whoever can read the storage can read the backups",
        "lifeboat key generate > key && chmod 600 key    # and set LIFEBOAT_KEY_FILE to that",
    )
}

/// Whether others can read the file that holds the key.
fn open_key_file(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let text = format!("others than its owner can use {} (mode {mode:03o})", path.display());
        Finding::bad(Level::Warning, "key", text, format!("chmod 600 '{}'", path.display()))
    })
}

async fn examine_place(
    setup: &Setup,
    place: &Place,
    secret: Option<&Secret>,
    size: u64,
    page: &mut Page<'_>,
) {
    let shown = without_secrets(&place.url);
    let about = format!("destination {shown}");
    if place.is_local() {
        let path = place.url.strip_prefix("file://").unwrap_or(&place.url);
        page.add(&doctor::directory(&about, Path::new(path)));
        let wanted = setup.configuration().settings().health.min_free_space;
        page.add(&doctor::space(&about, Path::new(path), size, wanted));
        if !Path::new(path).is_dir() {
            return;
        }
    }
    let mut options = place.options.clone();
    if !place.is_local() {
        options.connect_timeout = options.connect_timeout.min(PATIENCE);
        options.request_timeout = options.request_timeout.min(PATIENCE);
        options.retry_budget = options.retry_budget.min(PATIENCE);
    }
    match Remote::open_with(&place.url, options.clone()) {
        Ok(remote) => {
            if let Err(finding) = doctor::answers(&about, &remote).await {
                page.add(&finding);
                return;
            }
            let probe = PlaceProbe::new(&about, OffsetDateTime::now_utc());
            for finding in doctor::place(&remote, &probe).await {
                page.add(&finding);
            }
            for finding in doctor::protection(&about, &place.url, &remote).await {
                page.add(&finding);
            }
            if let Some(finding) = doctor::open_to_all(&about, &place.url, &options).await {
                page.add(&finding);
            }
        }
        Err(error) => {
            let text = format!("failed to {}", causes(&error));
            page.add(&Finding::bad(Level::Problem, &about, text, "lifeboat config show --origin"));
            return;
        }
    }
    match Destination::open_as(&place.url, options, setup.installation(), Missing::Refuse, secret)
        .await
    {
        Ok(destination) => {
            let how =
                if destination.repository().is_sealed() { "encrypted" } else { "not encrypted" };
            page.add(&Finding::ok(&about, format!("the repository can be read; it is {how}")));
            backups(setup, &destination, &about, page).await;
        }
        Err(Error::NoRepository { .. }) if place.is_local() => {
            page.add(&Finding::ok(&about, "there is no repository yet; the first backup makes it"));
        }
        Err(Error::NoRepository { .. }) => page.add(&Finding::bad(
            Level::Problem,
            &about,
            "there is no repository",
            format!("lifeboat init -r '{shown}'"),
        )),
        Err(error) => {
            let fix = lifeboat::hint::hint(&error).unwrap_or_else(|| "lifeboat snapshots".into());
            let text = format!("failed to {}", causes(&error));
            page.add(&Finding::bad(Level::Problem, &about, text, fix));
        }
    }
}

/// When each database was last backed up, verified and drilled.
async fn backups(setup: &Setup, destination: &Destination, about: &str, page: &mut Page<'_>) {
    let names = match destination.databases().await {
        Ok(names) => names,
        Err(error) => {
            let text = format!("failed to {}", causes(&error));
            page.add(&Finding::bad(Level::Problem, about, text, "lifeboat snapshots"));
            return;
        }
    };
    if names.is_empty() {
        let text = "there are no backups yet";
        page.add(&Finding::bad(Level::Warning, about, text, "lifeboat backup app.db"));
    }
    let (now, ages) = (OffsetDateTime::now_utc(), ages(setup));
    for name in names {
        let looked = async {
            let inventory = destination.inventory(name.as_str(), None).await?;
            let beat = destination.database(name.as_str())?.last_heartbeat().await?;
            let last = inventory.listing.snapshots.last();
            // One that speaks of an older snapshot was overtaken.
            let of_the_last =
                beat.filter(|beat| last.is_some_and(|one| *one.id() == beat.snapshot_id));
            Ok::<_, Error>((inventory, of_the_last.map(|beat| beat.at)))
        };
        let (inventory, unchanged) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                let about = format!("{name} in {}", destination.shown());
                let text = format!("failed to {}", causes(&error));
                let fix =
                    lifeboat::hint::hint(&error).unwrap_or_else(|| "lifeboat snapshots".into());
                page.add(&Finding::bad(Level::Problem, about, text, fix));
                continue;
            }
        };
        let shown = destination.shown();
        let findings =
            doctor::backups(name.as_str(), shown, &inventory, unchanged, ages, now, |at| {
                age(at, now)
            });
        findings.iter().for_each(|finding| page.add(finding));
    }
}

/// The ages from which on something is said, as the settings have them.
fn ages(setup: &Setup) -> Ages {
    let health = &setup.configuration().settings().health;
    let set = |to: &mut time::Duration, age: Option<std::time::Duration>| {
        if let Some(age) = age.and_then(|age| time::Duration::try_from(age).ok()) {
            *to = age;
        }
    };
    let mut ages = Ages::default();
    set(&mut ages.backup, health.warn_age.or(health.max_age));
    set(&mut ages.verification, health.max_verify_age);
    set(&mut ages.drill, health.max_drill_age);
    ages
}
