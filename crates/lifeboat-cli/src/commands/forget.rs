//! `lifeboat forget`: snapshots to the trash, by a policy or by name.

use std::time::Duration;

use jiff::tz::TimeZone;
use lifeboat::format::numbers::RecordNo;
use lifeboat::repository::Snapshot;
use lifeboat::retention::{Outlook, Plan, Policy};
use lifeboat::{Destination, Error, Inventory, Missing};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::restore::{name_of, named};
use crate::arguments::{Arguments, ForgetArguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{length, local_time, several, utc};
use lifeboat::hint::About;
use lifeboat::setup::Kept;

pub(crate) async fn run(
    arguments: &Arguments,
    forget: &ForgetArguments,
    reporter: &Reporter,
) -> Exit {
    let name = name_of(arguments, &forget.name);
    let setup = arguments.setup();
    // A policy of the settings counts where nothing was typed.
    let wants_one = forget.snapshots.is_empty() && forget.keep.is_empty();
    let kept =
        if wants_one { setup.keeping(&name).map(Some) } else { Ok(setup.keeping(&name).ok()) };
    let kept = kept.map_err(Refusal::from);
    let kept = match kept.and_then(|kept| makes_sense(forget, kept).map(|()| kept)) {
        Ok(kept) => kept,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    let configured = kept.map(|kept| kept.zone.clone());
    let zone = forget.zone.clone().or(configured).unwrap_or_else(TimeZone::system);
    let policy = kept.and_then(|kept| kept.policy.as_ref()).filter(|_| wants_one);
    if let Some(policy) = policy {
        reporter.say(&format!("{name}: by the policy of the settings, {}", rules(policy)));
    }
    let trash = setup.collecting(&name).trash;
    let done = async {
        let destination = super::open(arguments, Missing::Refuse).await?;
        let inventory = destination.inventory(&name, None).await?;
        if inventory.listing.snapshots.is_empty() {
            // Which databases there are is said by the same error everywhere.
            destination.resolve(&name, &lifeboat::repository::Selector::Latest(0)).await?;
        }
        let verdict = if forget.snapshots.is_empty() {
            by_policy(forget, policy, &inventory, &zone)?
        } else {
            by_name(forget, &destination, &inventory, &name, &zone).await?
        };
        if !forget.dry_run && !verdict.gone.is_empty() {
            destination.database(&name)?.forget(&verdict.gone).await?;
        }
        Ok((inventory, verdict))
    };
    match done.await {
        Ok((inventory, verdict)) => {
            let told = Told { forget, name: &name, zone: &zone, trash };
            report(reporter, &told, &inventory, &verdict)
        }
        Err(error) => reporter.error(&name, &error, About::Reading),
    }
}

/// What becomes of the snapshots.
struct Verdict {
    gone: Vec<RecordNo>,
    plan: Option<Plan>,
    outlook: Outlook,
}

/// No policy must never mean "keep nothing".
fn makes_sense(forget: &ForgetArguments, kept: Option<&Kept>) -> Result<(), Refusal> {
    let refuse = |message: &str, hint: &str| {
        Err(Refusal { exit: Exit::Usage, message: message.into(), hint: hint.into() })
    };
    match (forget.snapshots.is_empty(), forget.keep.is_empty()) {
        (true, true) if kept.is_none_or(|kept| kept.policy.is_none()) => refuse(
            "nothing says what is to be forgotten: neither a snapshot nor a rule was given, and no \
             [retention] is set",
            "name snapshots, or say what is kept: --keep-last 7, --keep-within 30d, --keep-preset",
        ),
        (false, false) => refuse(
            "both snapshots and rules were given",
            "forget the one or the other in two commands",
        ),
        (true, false) if forget.keep.is_mixed() => refuse(
            "--keep-preset stands alone",
            "leave it out, or the other rules; --keep-within 7d --keep-within-daily 16d \
             --keep-within-weekly 8w --keep-within-monthly 4m --keep-within-yearly 2y is what it \
             says",
        ),
        _ => Ok(()),
    }
}

fn by_policy(
    forget: &ForgetArguments,
    configured: Option<&Policy>,
    inventory: &Inventory,
    zone: &TimeZone,
) -> Result<Verdict, Error> {
    let policy = match configured {
        Some(policy) => policy.clone(),
        None => forget.keep.policy()?,
    };
    let plan = inventory.plan(&policy, OffsetDateTime::now_utc(), zone)?;
    let gone = plan.forgotten().map(|one| RecordNo(one.number)).collect();
    let outlook = plan.outlook(zone);
    Ok(Verdict { gone, plan: Some(plan), outlook })
}

async fn by_name(
    forget: &ForgetArguments,
    destination: &Destination,
    inventory: &Inventory,
    name: &str,
    zone: &TimeZone,
) -> Result<Verdict, Error> {
    let mut gone = Vec::new();
    for word in &forget.snapshots {
        // The number of a record also names one that cannot be read.
        let broken = word.parse().ok().map(RecordNo);
        let is_broken = inventory.listing.broken.iter().any(|(n, _)| Some(*n) == broken);
        match (broken.filter(|_| is_broken), named(Some(word))) {
            (Some(number), _) => gone.push(number),
            (None, Ok(selector)) => gone.push(destination.resolve(name, &selector).await?.number()),
            (None, Err(_)) => {
                let nearest = Vec::new();
                let asked = word.clone();
                return Err(lifeboat::repository::ResolveError::NotFound { asked, nearest }.into());
            }
        }
    }
    gone.sort();
    gone.dedup();
    let outlook = inventory.outlook_without(&gone, zone);
    Ok(Verdict { gone, plan: None, outlook })
}

/// The rules as they would stand in a file, in one line.
pub(super) fn rules(policy: &Policy) -> String {
    let rules = serde_json::to_value(policy.rules()).unwrap_or_default();
    let all: Vec<String> = rules
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    all.join(", ")
}

/// What a report is about.
struct Told<'a> {
    forget: &'a ForgetArguments,
    name: &'a str,
    zone: &'a TimeZone,
    /// How long what goes can be brought back.
    trash: Duration,
}

fn report(reporter: &Reporter, told: &Told<'_>, inventory: &Inventory, verdict: &Verdict) -> Exit {
    let Told { forget, name, zone, trash } = *told;
    for snapshot in &inventory.listing.snapshots {
        let number = snapshot.number();
        let gone = verdict.gone.contains(&number);
        let reasons = reasons(verdict, number, gone);
        let word = if gone { "forget" } else { "keep" };
        let line = format!(
            "{word:<6}  {}  {}  {}",
            snapshot.id(),
            local_time(snapshot.body().taken_at),
            reasons.join(", ")
        );
        reporter.found("decision", decision(name, snapshot, !gone, &reasons), &line);
    }
    for (number, _) in &inventory.listing.broken {
        let fate = if verdict.gone.contains(number) { "forgotten" } else { "kept" };
        reporter.warn(&format!("{name}: snapshot {number} cannot be read; it is {fate}"));
    }
    let future: Vec<u64> =
        verdict.plan.iter().flat_map(Plan::future).map(|one| one.number).collect();
    if !future.is_empty() {
        reporter.warn(&format!(
            "{name}: {} taken in the future; a clock was or is wrong, and no rule about time \
             forgets them",
            several(future.len() as u64, "snapshot")
        ));
    }
    let over = verdict.plan.as_ref().map_or(0, |plan| plan.bytes_over);
    if over > 0 {
        reporter.warn(&format!(
            "{name}: what other rules keep has {} more than --max-bytes allows",
            crate::text::size(over)
        ));
    }
    let gone = verdict.gone.len();
    let kept = inventory.listing.snapshots.len() - gone.min(inventory.listing.snapshots.len());
    let mut lines = calendar(&verdict.outlook);
    let zone_name = zone.iana_name().unwrap_or("local");
    lines.insert(0, format!("what remains, by days of the zone {zone_name} (- goes):"));
    lines.extend(gap(&verdict.outlook));
    lines.push(match (forget.dry_run, gone) {
        (_, 0) => format!("{name}: nothing to forget, {} kept", several(kept as u64, "snapshot")),
        (true, _) => {
            format!("{name}: would forget {gone} of {}", several((kept + gone) as u64, "snapshot"))
        }
        (false, _) => format!(
            "{name}: {} forgotten, {kept} kept; `lifeboat undelete` brings them back from the \
             trash until `lifeboat prune` drops them, after {}",
            several(gone as u64, "snapshot"),
            length(i64::try_from(trash.as_secs()).unwrap_or(i64::MAX))
        ),
    });
    let exit = if inventory.listing.broken.is_empty() { Exit::Ok } else { Exit::Damage };
    let largest = verdict.outlook.largest_gap.map(|gap| {
        json!({
            "from": utc(gap.from),
            "to": utc(gap.to),
            "seconds": gap.length().whole_seconds(),
            "forgotten": gap.forgotten,
        })
    });
    let object = json!({
        "database": name,
        "kept": kept,
        "forgotten": gone,
        "dry_run": forget.dry_run,
        "largest_gap": largest,
        "bytes_over": over,
        "future": future.len(),
        "zone": zone.iana_name(),
        "code": exit.code(),
    });
    reporter.told(object, &lines);
    exit
}

fn reasons(verdict: &Verdict, number: RecordNo, gone: bool) -> Vec<String> {
    let decision = verdict
        .plan
        .iter()
        .flat_map(|plan| &plan.decisions)
        .find(|decision| decision.number == number.0);
    match decision {
        Some(decision) => decision.reasons.iter().map(ToString::to_string).collect(),
        None if gone => vec!["named".into()],
        None => vec!["not named".into()],
    }
}

fn decision(name: &str, snapshot: &Snapshot, keep: bool, reasons: &[String]) -> Value {
    json!({
        "database": name,
        "snapshot_id": snapshot.id().as_str(),
        "sequence": snapshot.number().0,
        "taken_at": utc(snapshot.body().taken_at),
        "keep": keep,
        "reasons": reasons,
    })
}

/// One line a month, one sign a day: how many remain, `-` where all go.
fn calendar(outlook: &Outlook) -> Vec<String> {
    let sign = |(kept, gone): &(u32, u32)| match (kept, gone) {
        (0, 0) => '·',
        (0, _) => '-',
        (1..=9, _) => char::from_digit(*kept, 10).unwrap_or('+'),
        _ => '+',
    };
    outlook
        .months
        .iter()
        .map(|month| {
            let days: String = month.days.iter().map(sign).collect();
            format!("  {:04}-{:02}  {days}", month.year, month.month)
        })
        .collect()
}

fn gap(outlook: &Outlook) -> Option<String> {
    let gap = outlook.largest_gap?;
    Some(format!(
        "the largest gap this makes: {}, from {} to {}",
        length(gap.length().whole_seconds()),
        local_time(gap.from),
        local_time(gap.to)
    ))
}
