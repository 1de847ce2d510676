//! Crash points: every operation, disturbed at each of its calls to the store, in
//! every way that makes a difference there; and what is there afterwards.
//!
//! A point is a distinct operation, kind of call, role of the key, fault, and
//! which of the calls of that kind and role it was. Calls that only read meet fewer
//! faults: whether a read was applied makes no difference.
//!
//! At each point: every earlier snapshot restores to its bytes; a check finds
//! nothing; nothing secret lies in the open; the operation runs to its end when it
//! is run again; and then a backup, a collection and a check of every byte find
//! nothing wrong and nothing left over.

mod operation;
mod scene;
mod table;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use lifeboat_remote::Fencing;
use lifeboat_testing::script::{Call, Op, World};

use crate::world::Host;
use operation::Operation;
use scene::Scene;

/// Whoever is disturbed, whoever comes next, and whoever looks.
const DISTURBED: &str = "W";
const NEXT: &str = "N";
const READER: &str = "R";

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// The process is dead; the call is not applied.
    Died,
    /// The process is dead; the call is applied.
    DiedApplied,
    /// The same, and no listing shows anything of what it did, until after the next
    /// run.
    DiedUnseen,
    /// The call fails, and is not applied.
    Failed,
    /// The call is applied, and its answer is lost.
    AnswerLost,
    /// This call and all after it are refused.
    Refused,
    /// The process stands still before the call while another one runs the
    /// operation, and goes on afterwards.
    Slept,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Died,
        Self::DiedApplied,
        Self::DiedUnseen,
        Self::Failed,
        Self::AnswerLost,
        Self::Refused,
        Self::Slept,
    ];

    /// Whether it differs from others only where the call changes something.
    fn is_of_changes(self) -> bool {
        matches!(self, Self::DiedApplied | Self::DiedUnseen | Self::AnswerLost)
    }

    /// Whether it can be where conditions are ignored: there, listings are what
    /// writers agree by, and a store whose listings lag has one writer only.
    fn is_possible(self, fencing: Fencing) -> bool {
        self != Self::DiedUnseen || fencing == Fencing::Create
    }
}

/// A place in the middle of an operation, and what happened there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    call: Op,
    role: String,
    nth: usize,
    fault: Fault,
}

impl Point {
    /// The point that the last of these calls is.
    fn of(calls: &[Call], fault: Fault) -> Self {
        let last = calls.last().expect("there was a call");
        let alike = |call: &&Call| call.op == last.op && role(&call.key) == role(&last.key);
        let nth = calls.iter().filter(alike).count();
        Self { call: last.op, role: role(&last.key), nth, fault }
    }
}

/// What an object is for: its key without what is counted or drawn.
fn role(key: &str) -> String {
    let mut parts = key.split('/');
    let place = parts.next().unwrap_or_default();
    let kind = match parts.next() {
        Some("databases") => parts.nth(1).unwrap_or("databases"),
        Some(kind) => kind,
        None => "",
    };
    let last = parts.next_back().unwrap_or_default();
    // Of an agreement it matters which step it is.
    let step = if kind == "rounds" { last.split('-').next().unwrap_or_default() } else { "" };
    format!("{place} {kind} {step}")
}

/// Disturbs an operation at every call in every way, and says how many points that
/// were.
async fn crash_points(operation: Operation, fencing: Fencing) -> usize {
    let scene = Scene::of(operation, fencing).await;
    let clean = undisturbed(&scene).await;
    let mut points = BTreeSet::new();
    let only = std::env::var("LIFEBOAT_CRASH_POINT").ok();
    for fault in Fault::ALL.into_iter().filter(|fault| fault.is_possible(fencing)) {
        for n in 1.. {
            let known_read = clean.get(n - 1).is_some_and(|call| !call.op.changes());
            let name = format!("{fault:?}-{n}");
            let skipped = fault.is_of_changes() && known_read;
            if skipped || only.as_ref().is_some_and(|only| *only != name && n <= clean.len()) {
                continue;
            }
            let at = format!("{operation:?}, {fencing:?}, LIFEBOAT_CRASH_POINT={name}");
            let Some(point) = disturbed(&scene, fault, n, &at).await else { break };
            // Calls that are made at once may come in another order.
            if point.call.changes() || !fault.is_of_changes() {
                points.insert(point);
            }
        }
    }
    eprintln!("{operation:?}, {fencing:?}: {} calls, {} points", clean.len(), points.len());
    let mut by_role: BTreeMap<(Op, &str), usize> = BTreeMap::new();
    for point in &points {
        *by_role.entry((point.call, &point.role)).or_default() += 1;
    }
    eprintln!("{by_role:?}");
    points.len()
}

/// The operation as it is meant to run: what it calls, and that all is well
/// afterwards.
async fn undisturbed(scene: &Scene) -> Vec<Call> {
    let at = format!("{:?}, undisturbed", scene.operation);
    let (world, host) = (scene.world.fork(), scene.actor());
    let told = scene.run(&world, &host, DISTURBED, false).await;
    assert_eq!(told.is_ok(), !scene.operation.is_refused(), "{at}: {told:?}");
    let calls: Vec<Call> =
        world.calls().into_iter().filter(|call| call.client == DISTURBED).collect();
    scene.judge(&world, told.is_ok(), &at).await;
    scene.go_on(&world, &host, &at).await;
    calls
}

/// The operation with a fault at its `n`-th call, and all that follows. None where
/// it does not make so many calls.
async fn disturbed(scene: &Scene, fault: Fault, n: usize, at: &str) -> Option<Point> {
    let (world, host) = (scene.world.fork(), scene.actor());
    let mut acknowledged = false;
    let calls = if fault == Fault::Slept {
        let pause = world.pause_at(DISTURBED, n);
        let mut asleep = pin!(scene.run(&world, &host, DISTURBED, false));
        tokio::select! {
            _ = &mut asleep => return None,
            () = pause.reached() => {}
        }
        let calls = calls_until(&world, n)?;
        run_again(scene, &world, &host, at).await;
        pause.release();
        acknowledged |= asleep.await.is_ok();
        scene.judge(&world, acknowledged, at).await;
        calls
    } else {
        arm(&world, fault, n).await;
        acknowledged |= scene.run(&world, &host, DISTURBED, false).await.is_ok();
        let calls = calls_until(&world, n)?;
        world.revive(DISTURBED);
        scene.judge(&world, acknowledged, at).await;
        run_again(scene, &world, &host, at).await;
        for client in [NEXT, READER] {
            world.fresh_listing(client);
        }
        scene.judge_the_effect(&world, at).await;
        calls
    };
    scene.go_on(&world, &host, at).await;
    Some(Point::of(&calls, fault))
}

async fn arm(world: &World, fault: Fault, n: usize) {
    match fault {
        Fault::Died => world.crash_at(DISTURBED, n),
        Fault::DiedApplied => world.crash_at_applied(DISTURBED, n),
        Fault::DiedUnseen => {
            for client in [NEXT, READER] {
                world.freeze_listings(client).await;
            }
            world.crash_at_applied(DISTURBED, n);
        }
        Fault::Failed => world.fail_at(DISTURBED, n),
        Fault::AnswerLost => world.lose_answer_at(DISTURBED, n),
        Fault::Refused => world.refuse_from(DISTURBED, n),
        Fault::Slept => unreachable!("who sleeps is awaited elsewhere"),
    }
}

/// The same operation, by the next process of the same installation.
async fn run_again(scene: &Scene, world: &World, host: &Host, at: &str) {
    let again = scene.run(world, host, NEXT, true).await;
    assert_eq!(again.is_ok(), !scene.operation.is_refused(), "{at}, the next run: {again:?}");
}

/// The calls of the one that is disturbed, up to the `n`-th.
fn calls_until(world: &World, n: usize) -> Option<Vec<Call>> {
    let mut calls = world.calls();
    calls.retain(|call| call.client == DISTURBED);
    (calls.len() >= n).then(|| {
        calls.truncate(n);
        calls
    })
}
