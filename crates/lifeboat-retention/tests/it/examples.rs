//! Timelines whose outcome can be worked out on paper.

use lifeboat_retention::{Class, Period, PlanError, Reason, Tag, Unit};
use time::Duration;
use time::macros::datetime;

use super::*;

/// One a day at noon, numbered from 1; the last one is of 2026-11-20.
fn daily(count: u64) -> Vec<Candidate> {
    let last = datetime!(2026-11-20 12:00 UTC);
    (1..=count).map(|n| Candidate::new(n, last - Duration::days((count - n) as i64))).collect()
}

const NOW: OffsetDateTime = datetime!(2026-11-20 18:00 UTC);

#[test]
fn the_newest_few() {
    for count in [7, 10] {
        let policy = Policy::of_count(count).expect("not zero");
        let plan = planned(&daily(30), &policy, NOW);
        assert_eq!(kept(&plan), (31 - u64::from(count)..=30).collect::<Vec<_>>());
        assert_eq!(plan.decisions[29].reasons, [Reason::Latest, Reason::Last(1)]);
        assert_eq!(plan.decisions[0].reasons, [Reason::NoRule]);
    }
}

/// By hand: the last 7 days whole; days 8 to 16 (all, one a day); then the newest
/// of each week, month, year.
#[test]
fn the_preset() {
    let plan = planned(&daily(400), &Policy::preset(), NOW);
    let dates: Vec<String> =
        plan.kept().map(|decision| decision.taken_at.date().to_string()).collect();
    let mut expected = vec!["2025-12-31", "2026-07-31", "2026-08-31"];
    // The Sundays of eight weeks, from the 25th of September on; monthly keeps
    // the ends of months; daily goes back to the 4th of November.
    expected.extend(["2026-09-27", "2026-09-30", "2026-10-04", "2026-10-11", "2026-10-18"]);
    expected.extend(["2026-10-25", "2026-10-31", "2026-11-01"]);
    let days: Vec<String> = (4..=20).map(|day| format!("2026-11-{day:02}")).collect();
    expected.extend(days.iter().map(String::as_str));
    assert_eq!(dates, expected);
}

#[test]
fn every_reason_is_given() {
    let mut all = daily(3);
    all[2].pinned = true;
    all[2].verified = true;
    all[2].tags.insert("release".into(), "1".into());
    let rules = Rules {
        keep_last: Some(1),
        keep_daily: Some(1),
        keep_within: Some(Period::days(1)),
        keep_within_weekly: Some(Period::weeks(1)),
        keep_tag: vec!["release".parse().expect("a tag")],
        min_snapshots: Some(1),
        ..Rules::default()
    };
    let plan = planned(&all, &policy(rules), NOW);
    let tag: Tag = "release".parse().expect("a tag");
    assert_eq!(
        plan.decisions[2].reasons,
        [
            Reason::Latest,
            Reason::LatestVerified,
            Reason::Pinned,
            Reason::Last(1),
            Reason::Within(Period::days(1)),
            Reason::Newest { unit: Unit::Day, of: "2026-11-20".into() },
            Reason::NewestWithin {
                unit: Unit::Week,
                of: "2026-W47".into(),
                period: Period::weeks(1)
            },
            Reason::Tagged(tag),
            Reason::Minimum(1),
        ]
    );
    assert_eq!(plan.decisions[1].reasons, [Reason::Within(Period::days(1))]);
    assert_eq!(plan.decisions[0].reasons, [Reason::StartOf(Period::days(1))]);
}

/// Nothing changed for a year, and then somebody overwrote everything: the only
/// good snapshot is what the database was when the week began.
#[test]
fn the_only_good_one_stays() {
    let mut all = daily(3);
    all.push(Candidate::new(4, NOW + Duration::days(365)));
    let rules = Rules { keep_within: Some(Period::days(7)), ..Rules::default() };
    let plan = planned(&all, &policy(rules), NOW + Duration::days(366));
    assert_eq!(kept(&plan), [3, 4]);
}

/// 2026-10-25 has 25 hours in Berlin, and 2:30 twice: both are hours of their own.
#[test]
fn the_hour_that_comes_twice() {
    let start = datetime!(2026-10-24 23:30 UTC);
    let all: Vec<Candidate> =
        (1..=6).map(|n| Candidate::new(n, start + Duration::minutes(30 * n as i64))).collect();
    let rules = Rules { keep_hourly: Some(3), ..Rules::default() };
    let plan = planned(&all, &policy(rules), NOW);
    // 00:00, 00:30 UTC is 2h summer; 01:00, 01:30 is 2h winter; 02:00, 02:30 is 3h.
    assert_eq!(kept(&plan), [2, 4, 6]);
    // By days: midnight in Berlin is 22:00 UTC in summer and 23:00 in winter.
    let edges = [
        datetime!(2026-10-24 21:59 UTC),
        datetime!(2026-10-24 22:00 UTC),
        datetime!(2026-10-25 22:59 UTC),
        datetime!(2026-10-25 23:00 UTC),
    ];
    let all: Vec<Candidate> = (1..).zip(edges).map(|(n, at)| Candidate::new(n, at)).collect();
    let rules = Rules { keep_daily: Some(9), ..Rules::default() };
    assert_eq!(kept(&planned(&all, &policy(rules), NOW)), [1, 3, 4]);
}

#[test]
fn leap_days() {
    let now = datetime!(2028-02-29 12:00 UTC);
    let all = [
        Candidate::new(1, datetime!(2027-02-28 11:58 UTC)),
        Candidate::new(2, datetime!(2027-02-28 11:59 UTC)),
        Candidate::new(3, datetime!(2027-02-28 12:00 UTC)),
        Candidate::new(4, now),
    ];
    let rules = Rules { keep_within: Some(Period::years(1)), ..Rules::default() };
    let plan = planned(&all, &policy(rules), now);
    assert_eq!(kept(&plan), [2, 3, 4]);
    assert_eq!(plan.decisions[1].reasons, [Reason::StartOf(Period::years(1))]);
}

/// What bears a time in the future is kept and named, and ages nothing else.
#[test]
fn the_future() {
    let mut all = daily(10);
    all.push(Candidate::new(11, datetime!(2031-01-01 0:00 UTC)));
    all.push(Candidate::new(12, datetime!(2031-01-02 0:00 UTC)));
    let rules =
        Rules { keep_within: Some(Period::days(2)), keep_last: Some(1), ..Rules::default() };
    let plan = planned(&all, &policy(rules), NOW);
    assert_eq!(kept(&plan), [7, 8, 9, 10, 11, 12]);
    assert_eq!(plan.future().map(|one| one.number).collect::<Vec<_>>(), [11, 12]);
    assert_eq!(plan.decisions[10].reasons, [Reason::Future]);
}

/// Whoever can only add snapshots must not be able to push the good ones out:
/// by a count they can, within a time they cannot.
#[test]
fn added_snapshots_do_not_push_the_good_ones_out() {
    let mut all = daily(20);
    let good: Vec<u64> = (14..=20).collect();
    // A thousand in one afternoon, a hundred with times of the past days, and a
    // hundred of the future.
    for n in 0..1000 {
        all.push(Candidate::new(1000 + n, NOW - Duration::seconds(2000 - n as i64)));
    }
    for n in 0..100 {
        all.push(Candidate::new(2000 + n, NOW - Duration::hours(n as i64)));
        all.push(Candidate::new(3000 + n, NOW + Duration::days(n as i64 + 1)));
    }
    let last = Rules { keep_last: Some(10), ..Rules::default() };
    let pushed = kept(&planned(&all, &policy(last), NOW));
    assert!(good.iter().all(|n| !pushed.contains(n)), "a count alone is no protection");
    let within =
        Rules { keep_last: Some(10), keep_within: Some(Period::days(7)), ..Rules::default() };
    let safe = kept(&planned(&all, &policy(within.clone()), NOW));
    assert!(good.iter().all(|n| safe.contains(n)));
    // Nor does a limit of size, however much the added ones claim to weigh.
    all.iter_mut().for_each(|one| one.bytes = u64::MAX / 4);
    let small = Rules { max_bytes: Some(1), ..within };
    let safe = planned(&all, &policy(small), NOW);
    assert!(good.iter().all(|n| kept(&safe).contains(n)) && safe.bytes_over > 0);
}

#[test]
fn sizes() {
    let mut all = daily(10);
    all.iter_mut().for_each(|one| one.bytes = 100);
    all[1].pinned = true;
    let check = |rules: Rules, expected: &[u64], over: u64| {
        let plan = planned(&all, &policy(rules), NOW);
        assert_eq!((kept(&plan).as_slice(), plan.bytes_over), (expected, over));
    };
    let most = |bytes| Rules { max_bytes: Some(bytes), ..Rules::default() };
    check(most(350), &[2, 9, 10], 0);
    check(most(150), &[2, 10], 50);
    check(Rules { min_snapshots: Some(4), ..most(150) }, &[2, 7, 8, 9, 10], 350);
    check(Rules { keep_last: Some(5), ..most(400) }, &[2, 8, 9, 10], 0);
    check(Rules { keep_within: Some(Period::days(2)), ..most(100) }, &[2, 7, 8, 9, 10], 400);
}

#[test]
fn a_mistyped_tag_is_no_plan() {
    let mut all = daily(10);
    all[1].tags.insert("release".into(), "1".into());
    let rules = |tag: &str| Rules {
        keep_last: Some(1),
        keep_tag: vec![tag.parse().expect("a tag")],
        ..Rules::default()
    };
    let error = plan(&all, &policy(rules("relaese")), NOW, &berlin()).expect_err("mistyped");
    assert!(matches!(error, PlanError::NoSuchTag { .. }), "{error}");
    assert_eq!(kept(&planned(&all, &policy(rules("release=1")), NOW)), [2, 10]);
}

/// A clock that ran backwards: generations say what is the latest, and an hour
/// is not counted twice.
#[test]
fn a_clock_that_ran_backwards() {
    let all = [
        Candidate::new(1, datetime!(2026-11-19 12:00 UTC)),
        Candidate::new(2, datetime!(2026-11-18 12:00 UTC)),
        Candidate::new(3, datetime!(2026-11-19 13:00 UTC)),
        Candidate::new(4, datetime!(2026-11-18 13:00 UTC)),
    ];
    let rules = Rules { keep_daily: Some(1), ..Rules::default() };
    let plan = planned(&all, &policy(rules), NOW);
    assert_eq!(kept(&plan), [3, 4], "the newest of the 19th, and the latest");
}

/// Ten before operations, in the last hour; the seven of the schedule stay all the same.
fn burst(regular: u64, before: u64) -> Vec<Candidate> {
    let mut all = daily(regular);
    for n in 1..=before {
        let at = datetime!(2026-11-20 17:00 UTC) + Duration::minutes(n as i64);
        let mut one = Candidate::new(regular + n, at);
        one.class = Class::Before;
        one.bytes = 100;
        all.push(one);
    }
    all
}

#[test]
fn a_burst_pushes_nothing_out() {
    let rules = [
        Rules { keep_last: Some(7), ..Rules::default() },
        Rules { keep_daily: Some(7), ..Rules::default() },
        Rules { keep_hourly: Some(7), ..Rules::default() },
        Rules { keep_within_daily: Some(Period::days(7)), ..Rules::default() },
        Rules {
            keep_last: Some(1),
            min_snapshots: Some(7),
            keep_yearly: Some(1),
            ..Rules::default()
        },
    ];
    for rules in rules {
        let regular = |plan: &Plan| -> Vec<u64> {
            kept(plan).into_iter().filter(|number| *number <= 30).collect()
        };
        let alone = planned(&daily(30), &policy(rules.clone()), NOW);
        let beside = planned(&burst(30, 50), &policy(rules.clone()), NOW);
        assert_eq!(regular(&beside), regular(&alone), "{rules:?}");
        let of_the_burst = kept(&beside).len() - regular(&beside).len();
        assert!((1..=7).contains(&of_the_burst), "{rules:?} keeps {of_the_burst} of the burst");
    }
    // By hand: the last seven of each.
    let plan = planned(&burst(30, 50), &Policy::of_count(7).expect("not zero"), NOW);
    assert_eq!(kept(&plan), (24..=30).chain(74..=80).collect::<Vec<_>>());
}

/// Where there is too little room, what was taken before operations goes first; the
/// latest of both stays.
#[test]
fn too_little_room() {
    let mut all = burst(5, 5);
    all.iter_mut().for_each(|one| one.bytes = 100);
    let rules = Rules { keep_last: Some(5), max_bytes: Some(500), ..Rules::default() };
    let plan = planned(&all, &policy(rules), NOW);
    assert_eq!(kept(&plan), [2, 3, 4, 5, 10]);
    assert_eq!(plan.decisions[4].reasons, [Reason::Latest, Reason::Last(1)]);
    let rules = Rules { keep_last: Some(5), max_bytes: Some(1), ..Rules::default() };
    let plan = planned(&all, &policy(rules), NOW);
    assert_eq!((kept(&plan), plan.bytes_over), (vec![5, 10], 199));
}

/// Without any other they are what there is.
#[test]
fn nothing_but_operations() {
    let mut all = daily(10);
    all.iter_mut().for_each(|one| one.class = Class::Before);
    let within = Rules { keep_within: Some(Period::days(2)), ..Rules::default() };
    let same = |plan: Plan| kept(&plan);
    let expected = same(planned(&daily(10), &policy(within.clone()), NOW));
    assert_eq!(same(planned(&all, &policy(within), NOW)), expected);
}
