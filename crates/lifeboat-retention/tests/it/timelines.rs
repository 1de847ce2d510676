//! Properties over random timelines: times that cluster, jump and run
//! backwards, pins, tags, sizes, and random policies.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_retention::{Period, Reason};
use time::Duration;
use time::macros::datetime;

use super::*;

/// So many, in parts that run side by side.
const TIMELINES: u64 = 100_000;
const PARTS: u64 = 4;

/// A generator of numbers (xorshift64*); the seed says all.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

const NOW: OffsetDateTime = datetime!(2028-03-05 9:00 UTC);

fn timeline(random: &mut Random) -> Vec<Candidate> {
    let count = random.below(40);
    let mut at = NOW - Duration::hours(random.below(24 * 900) as i64);
    let mut all = Vec::new();
    for number in 1..=count {
        let seconds = match random.below(8) {
            0 => 1,
            1..=3 => random.below(3600 * 3),
            4 | 5 => random.below(3600 * 40),
            _ => random.below(3600 * 24 * 40),
        };
        let back = random.chance(12);
        at += Duration::seconds(if back { -(seconds as i64) } else { seconds as i64 });
        let mut one = Candidate::new(number, at);
        one.generation = number.saturating_sub(random.below(2));
        one.bytes = random.below(1000);
        one.pinned = random.chance(15);
        one.verified = random.chance(6);
        if random.chance(4) {
            one.tags = BTreeMap::from([("t".to_owned(), random.below(2).to_string())]);
        }
        all.push(one);
    }
    all
}

fn rules(random: &mut Random, tagged: bool) -> Rules {
    let mut count = |most| random.chance(3).then(|| 1 + random.below(most) as u32);
    let [keep_last, keep_hourly, keep_daily] = [count(12), count(20), count(20)];
    let [keep_weekly, keep_monthly, keep_yearly] = [count(9), count(9), count(3)];
    let min_snapshots = count(9);
    let mut within = |least: u32, most: u64| {
        random.chance(4).then(|| Period::days(least + random.below(most) as u32))
    };
    let keep_within = within(1, 20);
    let [keep_within_hourly, keep_within_daily] = [within(21, 30), within(21, 60)];
    let [keep_within_weekly, keep_within_monthly] = [within(21, 100), within(21, 300)];
    let keep_within_yearly = within(21, 900);
    let keep_tag =
        if tagged && random.chance(3) { vec!["t".parse().expect("a tag")] } else { Vec::new() };
    let max_bytes = random.chance(4).then(|| 1 + random.below(20_000));
    Rules {
        keep_last,
        keep_hourly,
        keep_daily,
        keep_weekly,
        keep_monthly,
        keep_yearly,
        keep_within,
        keep_within_hourly,
        keep_within_daily,
        keep_within_weekly,
        keep_within_monthly,
        keep_within_yearly,
        keep_tag,
        max_bytes,
        min_snapshots,
    }
}

fn set(plan: &Plan) -> BTreeSet<u64> {
    plan.kept().map(|decision| decision.number).collect()
}

/// Checks one timeline; false if the rules were no policy.
fn check(seed: u64) -> bool {
    let random = &mut Random::new(seed);
    let all = timeline(random);
    let tagged = all.iter().any(|one| !one.tags.is_empty());
    let rules = rules(random, tagged);
    let Ok(policy) = Policy::new(rules.clone()) else {
        return false;
    };
    let plan = planned(&all, &policy, NOW);
    let keeps = set(&plan);
    let context = || format!("seed {seed}: {rules:?}\n{all:#?}\n{plan:#?}");
    let holds = |what: bool, name: &str| assert!(what, "{name}: {}", context());

    let numbers: BTreeSet<u64> = plan.decisions.iter().map(|one| one.number).collect();
    holds(numbers.len() == all.len() && plan.decisions.len() == all.len(), "each once");
    holds(plan.decisions.iter().all(|one| !one.reasons.is_empty()), "a reason for each");

    // What is never forgotten.
    let latest = all.iter().max_by_key(|one| (one.generation, one.number));
    let verified = all.iter().filter(|one| one.verified);
    let verified = verified.max_by_key(|one| (one.generation, one.number));
    for one in latest.into_iter().chain(verified) {
        holds(keeps.contains(&one.number), "the latest, and the latest verified");
    }
    for one in &all {
        let protected = one.pinned || one.taken_at > NOW;
        holds(!protected || keeps.contains(&one.number), "pinned and future");
        let future = plan.future().any(|decision| decision.number == one.number);
        holds(future == (one.taken_at > NOW), "the future is named");
    }

    // What the rules promise, worked out another way.
    let present: Vec<&Candidate> = all.iter().filter(|one| one.taken_at <= NOW).collect();
    let mut by_generation = present.clone();
    by_generation.sort_by_key(|one| std::cmp::Reverse((one.generation, one.number)));
    let least = rules.min_snapshots.unwrap_or(0) as usize;
    for one in by_generation.iter().take(least) {
        holds(keeps.contains(&one.number), "min_snapshots");
    }
    if rules.max_bytes.is_none() {
        for one in by_generation.iter().take(rules.keep_last.unwrap_or(0) as usize) {
            holds(keeps.contains(&one.number), "keep_last");
        }
    }
    let newest = present.iter().map(|one| one.taken_at).max();
    if let (Some(period), Some(newest)) = (rules.keep_within, newest) {
        // Days of at least 23 hours: on the safe side of a change of the clock.
        let sure = Duration::hours(period.rough_hours() as i64 - 1);
        for one in present.iter().filter(|one| newest - one.taken_at <= sure) {
            holds(keeps.contains(&one.number), "keep_within");
        }
    }
    if !rules.keep_tag.is_empty() {
        for one in all.iter().filter(|one| !one.tags.is_empty()) {
            holds(keeps.contains(&one.number), "keep_tag");
        }
    }
    if let Some(most) = rules.max_bytes {
        let bytes: u64 = all.iter().filter(|o| keeps.contains(&o.number)).map(|o| o.bytes).sum();
        holds(bytes <= most + plan.bytes_over, "max_bytes");
    }

    // Days of a zone without changes are days of 86,400 seconds.
    if let (Some(count), None) = (rules.keep_daily, rules.max_bytes) {
        let day = |one: &Candidate| one.taken_at.unix_timestamp().div_euclid(86_400);
        let in_utc = plan_in_utc(&all, &policy);
        let days: BTreeSet<i64> = present.iter().map(|one| day(one)).collect();
        for wanted in days.iter().rev().take(count as usize) {
            let of_day = present.iter().filter(|one| day(one) == *wanted);
            let last = of_day.max_by_key(|one| (one.taken_at, one.generation, one.number));
            let last = last.expect("the day has one").number;
            holds(set(&in_utc).contains(&last), "keep_daily");
        }
    }

    // Forgetting twice forgets nothing more: a policy does not eat itself up.
    let rest: Vec<Candidate> =
        all.iter().filter(|one| keeps.contains(&one.number)).cloned().collect();
    if rules.max_bytes.is_none() && (rules.keep_tag.is_empty() || !rest.is_empty()) {
        holds(set(&planned(&rest, &policy, NOW)) == keeps, "twice is as good as once");
    }

    // Keeping more of one kind never forgets anything.
    if let (Some(last), None) = (rules.keep_last, rules.max_bytes) {
        let more = Rules { keep_last: Some(last + 1), ..rules.clone() };
        let more = set(&planned(&all, &super::policy(more), NOW));
        holds(more.is_superset(&keeps), "more keeps more");
    }

    // What is within the time is not pushed out by what is added.
    if rules.keep_within.is_some() && !all.is_empty() {
        let within: BTreeSet<u64> = plan
            .kept()
            .filter(|one| {
                one.reasons
                    .iter()
                    .any(|reason| matches!(reason, Reason::Within(_) | Reason::StartOf(_)))
            })
            .map(|one| one.number)
            .collect();
        let mut flooded = all.clone();
        for n in 0..30 {
            let at = NOW + Duration::days(1 + random.below(60) as i64);
            let at = if random.chance(2) { newest.unwrap_or(at) } else { at };
            let mut one = Candidate::new(10_000 + n, at);
            one.bytes = 5000;
            flooded.push(one);
        }
        holds(set(&planned(&flooded, &policy, NOW)).is_superset(&within), "not pushed out");
    }
    true
}

fn plan_in_utc(all: &[Candidate], policy: &Policy) -> Plan {
    plan(all, policy, NOW, &TimeZone::UTC).expect("a plan")
}

#[test]
fn random_timelines() {
    let checked: u64 = std::thread::scope(|scope| {
        let part = |part| {
            move || {
                (0..)
                    .map(|n| n * PARTS + part)
                    .filter(|n| check(*n))
                    .take((TIMELINES / PARTS) as usize)
                    .count()
            }
        };
        let parts: Vec<_> = (0..PARTS).map(|n| scope.spawn(part(n))).collect();
        parts.into_iter().map(|part| part.join().expect("holds") as u64).sum()
    });
    assert_eq!(checked, TIMELINES);
}
