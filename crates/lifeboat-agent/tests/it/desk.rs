//! What is told, and when, by a clock that only the tests know.

use std::time::Duration as Span;

use lifeboat_agent::notify::{Desk, Kind, Message, Rules};
use lifeboat_agent::{Backed, Event, Job, Level, Reason, What};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const START: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

/// A desk, and everything that it told.
struct Told {
    desk: Desk,
    now: OffsetDateTime,
    all: Vec<(Duration, Kind, String)>,
}

impl Told {
    fn new(on: &[Kind]) -> Self {
        let mut rules = Rules::new("web-1");
        rules.on = on.iter().copied().collect();
        Self { desk: Desk::new(rules), now: START, all: Vec::new() }
    }

    fn usual() -> Self {
        Self::new(&[Kind::Failure, Kind::Warning, Kind::Recovery])
    }

    fn hear(&mut self, database: &str, what: What) -> &mut Self {
        self.desk.hear(&Event::of(database, self.now, what));
        self
    }

    /// Lets time go by, waking up when the desk wants to.
    fn wait(&mut self, span: Duration) -> &mut Self {
        let until = self.now + span;
        while let Some(at) = self.desk.wake_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.poll();
        }
        self.now = until;
        self.poll();
        self
    }

    fn poll(&mut self) {
        for message in self.desk.poll(self.now) {
            self.all.push((self.now - START, message.kind, message.subject()));
        }
    }

    #[track_caller]
    fn told(&mut self, expected: &[&str]) {
        let all: Vec<String> = self
            .all
            .drain(..)
            .map(|(at, _, subject)| format!("{} {subject}", at.whole_seconds()))
            .collect();
        assert_eq!(all, expected);
    }
}

fn failed(failures: u32) -> What {
    What::Failed {
        job: Job::Backup,
        took: Span::from_secs(1),
        error: "reach the store: no route to host".into(),
        hint: Some("look at the network".into()),
        data_is_safe: true,
        failures,
    }
}

fn backed_up(fallback: Option<&str>) -> What {
    let mut backed = Backed::default();
    backed.snapshot = "20261121T100000Z-00112233".into();
    backed.record = 7;
    backed.digest = "ab".repeat(32);
    backed.destination = if fallback.is_some() { "disk" } else { "bucket" }.into();
    backed.fallback_reason = fallback.map(Into::into);
    backed.bytes_sent = 10;
    What::BackedUp(backed)
}

fn health(now: Level, reasons: Vec<Reason>) -> What {
    What::Health { before: None, now, reasons }
}

fn old() -> Reason {
    Reason::Old { age: Duration::hours(49), limit: Duration::hours(48) }
}

/// At once, then once a day, and when it is over.
#[test]
fn a_failure_is_told_once_a_day() {
    let mut told = Told::usual();
    told.hear("app", failed(1)).wait(Duration::minutes(1));
    told.told(&["5 [lifeboat web-1] failure: app: the backup failed"]);
    for hour in 1..=30 {
        told.wait(Duration::HOUR).hear("app", failed(hour + 1));
    }
    told.told(&[
        "86410 [lifeboat web-1] failure: app: still, since 2026-11-21 10:00:00 UTC: the backup failed",
    ]);
    told.hear("app", backed_up(None)).wait(Duration::minutes(1));
    told.told(&["108065 [lifeboat web-1] recovery: app: the backup works again"]);
    told.hear("app", backed_up(None)).wait(Duration::days(3));
    told.told(&[]);
}

/// Nobody hears of what was over before it was told, nor of a recovery that was none.
#[test]
fn what_comes_and_goes_is_not_told_each_time() {
    let mut told = Told::usual();
    told.hear("app", failed(1)).wait(Duration::seconds(2));
    told.hear("app", backed_up(None)).wait(Duration::HOUR);
    told.told(&[]);
    told.hear("app", failed(1)).wait(Duration::minutes(1));
    told.told(&["3607 [lifeboat web-1] failure: app: the backup failed"]);
    told.hear("app", backed_up(None)).wait(Duration::seconds(1));
    told.hear("app", failed(1)).wait(Duration::HOUR);
    told.told(&[]);
    // It still counts as told: its end is.
    told.hear("app", backed_up(None)).wait(Duration::HOUR);
    told.told(&["7268 [lifeboat web-1] recovery: app: the backup works again"]);
}

/// A store that is out takes a thousand databases with it, and not a thousand
/// messages.
#[test]
fn many_at_once_are_one_message() {
    let mut told = Told::usual();
    for number in 0..1000 {
        told.hear(&format!("db{number}"), failed(1)).wait(Duration::seconds(1));
    }
    told.wait(Duration::HOUR);
    told.told(&[
        "5 [lifeboat web-1] failure: db0: the backup failed (and 4 more)",
        "605 [lifeboat web-1] failure: db5: the backup failed (and 599 more)",
        "1205 [lifeboat web-1] failure: db605: the backup failed (and 394 more)",
    ]);
    for number in 0..1000 {
        told.hear(&format!("db{number}"), backed_up(None));
    }
    told.wait(Duration::HOUR);
    assert_eq!(told.all.len(), 1, "{:?}", told.all);
}

#[test]
fn only_what_is_wanted() {
    let check = |on: &[Kind], expected: &[Kind]| {
        let mut told = Told::new(on);
        told.hear("app", failed(1)).wait(Duration::HOUR);
        told.hear("app", backed_up(Some("down"))).wait(Duration::HOUR);
        told.hear("app", backed_up(None)).wait(Duration::HOUR);
        let kinds: Vec<Kind> = told.all.iter().map(|(_, kind, _)| *kind).collect();
        assert_eq!(kinds, expected, "{on:?}");
    };
    use Kind::{Failure, Recovery, Success, Warning};
    check(&[], &[]);
    check(&[Failure], &[Failure]);
    check(&[Warning], &[Warning]);
    check(&[Failure, Recovery], &[Failure, Recovery]);
    check(&[Warning, Recovery], &[Warning, Recovery]);
    // Of the failure, and of the fallback.
    check(&[Recovery], &[Recovery, Recovery]);
    check(&[Success], &[Success, Success]);
    check(&[Failure, Warning, Recovery], &[Failure, Warning, Recovery, Recovery]);
}

/// A missed interval is told although nothing failed; what failed is not told twice.
#[test]
fn health_that_changes() {
    let mut told = Told::usual();
    told.hear("app", health(Level::Healthy, vec![])).wait(Duration::MINUTE);
    told.told(&[]);
    let failing = Reason::Failing { failures: 1, last: None };
    told.hear("app", health(Level::Warning, vec![failing.clone()])).wait(Duration::MINUTE);
    told.told(&[]);
    told.hear("app", health(Level::Warning, vec![failing.clone(), old()])).wait(Duration::MINUTE);
    told.told(&["125 [lifeboat web-1] warning: app: the backups are not as they should be"]);
    // Worse is news, better is not until it is well.
    told.hear("app", health(Level::Critical, vec![old()])).wait(Duration::MINUTE);
    told.told(&["185 [lifeboat web-1] failure: app: the backups are in a critical state"]);
    told.hear("app", health(Level::Warning, vec![failing, old()])).wait(Duration::MINUTE);
    told.told(&[]);
    told.hear("app", health(Level::Healthy, vec![])).wait(Duration::MINUTE);
    told.told(&["305 [lifeboat web-1] recovery: app: healthy again"]);
}

/// After a restart nobody is told again what is known, and everybody of the end.
#[test]
fn what_was_told_is_remembered() {
    let mut told = Told::usual();
    told.hear("app", failed(1)).wait(Duration::MINUTE);
    told.hear("other", failed(1));
    told.all.clear();
    let memory = told.desk.memory();
    let mut told = Told::usual();
    told.desk.recall(&memory);
    told.hear("app", failed(1)).hear("other", failed(1)).wait(Duration::MINUTE);
    told.told(&["5 [lifeboat web-1] failure: other: the backup failed"]);
    told.hear("app", backed_up(None)).wait(Duration::MINUTE);
    told.told(&["65 [lifeboat web-1] recovery: app: the backup works again"]);
    use serde_json::json;
    for broken in [json!(null), json!({}), json!([{ "topic": "backup" }]), json!([3])] {
        let mut told = Told::usual();
        told.desk.recall(&broken);
        told.hear("app", failed(1)).wait(Duration::MINUTE);
        assert_eq!(told.all.len(), 1, "{broken}");
    }
}

#[test]
fn databases_that_are_gone_are_not_told_of() {
    let mut told = Told::usual();
    told.hear("app", failed(1)).hear("gone", failed(1)).wait(Duration::MINUTE);
    told.all.clear();
    told.desk.retain(|name| name == "app");
    told.wait(Duration::days(1));
    assert_eq!(told.all.len(), 1, "{:?}", told.all);
    assert!(
        told.all[0].2.ends_with("app: still, since 2026-11-21 10:00:00 UTC: the backup failed")
    );
}

/// A clock that is set back a year silences nothing for a year.
#[test]
fn a_clock_that_is_set_back() {
    let mut told = Told::usual();
    told.hear("app", failed(1)).wait(Duration::MINUTE);
    told.all.clear();
    told.now -= Duration::days(365);
    told.poll();
    told.hear("other", failed(1)).wait(Duration::HOUR);
    assert_eq!(told.all.len(), 1, "{:?}", told.all);
    told.all.clear();
    told.wait(Duration::days(1));
    assert!(told.all.iter().any(|(_, _, subject)| subject.contains("app")), "{:?}", told.all);
}

#[test]
fn a_message_for_people_and_for_programs() {
    let mut desk = Desk::new(Rules::new("web-1"));
    desk.hear(&Event::of("app\nBcc: x", START, failed(3)));
    let [message]: [Message; 1] = desk.finish(START).try_into().expect("one");
    assert_eq!(message.subject(), "[lifeboat web-1] failure: app Bcc: x: the backup failed");
    assert_eq!(
        message.text(),
        "app Bcc: x: the backup failed\n  reach the store: no route to host\n  HINT: look at the \
         network\n  What was stored before is untouched.\n  at 2026-11-21 10:00:00 UTC\n"
    );
    let json: serde_json::Value = serde_json::from_str(&message.json()).expect("JSON");
    assert_eq!(json["kind"], "failure");
    assert_eq!(json["source"], "web-1");
    assert_eq!(json["items"][0]["database"], "app\nBcc: x");
    assert_eq!(json["items"][0]["failures"], 3);
    assert_eq!(json["items"][0]["data_is_safe"], true);
    assert_eq!(json["items"][0]["at"], "2026-11-21T10:00:00Z");
    assert_eq!(json["id"].as_str().expect("a text").len(), 32);
}
