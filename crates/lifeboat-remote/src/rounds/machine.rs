//! One writer's way to a decision, as a pure thing: it says what to do next, and
//! is told what was seen.

use std::collections::BTreeMap;

use super::{Mark, Phase, Token};

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Put this mark; then say [`Decision::put`]. Doing it twice is harmless.
    Put(Mark),
    /// List this round, beginning after the put has succeeded; then say
    /// [`Decision::seen`].
    List {
        /// The round.
        round: u32,
    },
    /// It is decided. Tell readers, then whoever asked.
    Done(Token),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum At {
    Propose,
    LookAtProposals,
    Say(Phase),
    LookAtWords,
    Decided,
}

/// A writer on its way to a decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decision {
    writer: Token,
    value: Token,
    round: u32,
    at: At,
}

impl Decision {
    /// Begins with a proposal. `writer` is drawn at random for this one decision:
    /// nobody else may use it, nor the same process a second time.
    pub fn new(writer: Token, proposal: Token) -> Self {
        Self { writer, value: proposal, round: 0, at: At::Propose }
    }

    /// The round it is in, from 0.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// What is to be done next.
    pub fn step(&self) -> Step {
        match self.at {
            At::Propose => Step::Put(self.mark(Phase::Propose)),
            At::Say(phase) => Step::Put(self.mark(phase)),
            At::LookAtProposals | At::LookAtWords => Step::List { round: self.round },
            At::Decided => Step::Done(self.value.clone()),
        }
    }

    /// The mark of this step is put.
    pub fn put(&mut self) {
        self.at = match self.at {
            At::Propose => At::LookAtProposals,
            At::Say(_) => At::LookAtWords,
            at => at,
        };
    }

    /// The listing of this step showed these marks, one's own among them.
    pub fn seen(&mut self, marks: &[Mark]) {
        let mut round = marks.iter().filter(|mark| mark.round == self.round);
        match self.at {
            At::LookAtProposals => {
                let other =
                    round.any(|mark| mark.phase == Phase::Propose && mark.value != self.value);
                self.at = At::Say(if other { Phase::Adopt } else { Phase::Commit });
            }
            At::LookAtWords => {
                let words: Vec<&Mark> = round.filter(|m| m.phase != Phase::Propose).collect();
                let committed = words.iter().find(|mark| mark.phase == Phase::Commit);
                if let Some(mark) = committed {
                    self.value = mark.value.clone();
                }
                let all = words.iter().all(|mark| mark.phase == Phase::Commit);
                if committed.is_some() && all {
                    self.at = At::Decided;
                } else {
                    (self.round, self.at) = (self.round + 1, At::Propose);
                }
            }
            At::Propose | At::Say(_) | At::Decided => {}
        }
    }

    fn mark(&self, phase: Phase) -> Mark {
        let (value, writer) = (self.value.clone(), self.writer.clone());
        Mark { round: self.round, phase, value, writer }
    }
}

/// What somebody who only looks can tell from one listing of all rounds.
///
/// If all words of a round say commit, whoever speaks later in that round sees
/// them, and takes their value along. Nothing may be concluded where a word says
/// adopt: it may have gone on with a value of its own.
pub fn decided_in(marks: &[Mark]) -> Option<Token> {
    let mut rounds: BTreeMap<u32, (bool, &Token)> = BTreeMap::new();
    for mark in marks.iter().filter(|mark| mark.phase != Phase::Propose) {
        let commit = mark.phase == Phase::Commit;
        let round = rounds.entry(mark.round).or_insert((true, &mark.value));
        round.0 &= commit;
    }
    rounds.values().find(|(all, _)| *all).map(|(_, value)| (*value).clone())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).expect("is one")
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        store: BTreeSet<Mark>,
        /// What the store was when each listing may still show it, if listings
        /// are stale.
        writers: Vec<Option<Decision>>,
        /// What an onlooker has concluded at any moment so far.
        concluded: Option<Token>,
    }

    #[derive(Debug, Default)]
    struct Found {
        states: usize,
        decisions: BTreeSet<Token>,
        broken: BTreeSet<&'static str>,
        stuck: usize,
    }

    /// Every interleaving of the steps of some writers up to a round, each of
    /// which may die before every step, with an onlooker at every moment.
    fn explore(writers: u32, rounds: u32, stale: bool) -> Found {
        let begin = |i: u32| {
            let writer = token(&format!("w{i}"));
            Some(Decision::new(writer, token(&format!("v{i}"))))
        };
        let start = World {
            store: BTreeSet::new(),
            writers: (0..writers).map(begin).collect(),
            concluded: None,
        };
        let (mut seen, mut open, mut found) = (HashSet::new(), vec![start], Found::default());
        while let Some(mut world) = open.pop() {
            let marks: Vec<Mark> = world.store.iter().cloned().collect();
            if let Some(value) = decided_in(&marks) {
                match &world.concluded {
                    Some(other) if *other != value => {
                        found.broken.insert("an onlooker erred");
                    }
                    _ => world.concluded = Some(value),
                }
            }
            if !seen.insert(world.clone()) {
                continue;
            }
            let decided: BTreeSet<Token> = world
                .writers
                .iter()
                .flatten()
                .filter_map(|writer| match writer.step() {
                    Step::Done(value) => Some(value),
                    _ => None,
                })
                .chain(world.concluded.clone())
                .collect();
            if decided.len() > 1 {
                found.broken.insert("two decisions");
            }
            found.decisions.extend(decided);
            for i in 0..world.writers.len() {
                let Some(writer) = world.writers[i].clone() else { continue };
                if matches!(writer.step(), Step::Done(_)) || writer.round() >= rounds {
                    continue;
                }
                if !finishes_alone(&world.store, writer.clone()) {
                    found.stuck += 1;
                }
                let mut dead = world.clone();
                dead.writers[i] = None;
                open.push(dead);
                for view in views(&world.store, &writer, stale) {
                    let mut next = world.clone();
                    let mut moved = writer.clone();
                    advance(&mut moved, &mut next.store, &view);
                    next.writers[i] = Some(moved);
                    open.push(next);
                }
            }
        }
        found.states = seen.len();
        found
    }

    /// What a listing may show: everything, or, where it is stale, only one's
    /// own marks.
    fn views(store: &BTreeSet<Mark>, writer: &Decision, stale: bool) -> Vec<Vec<Mark>> {
        let all: Vec<Mark> = store.iter().cloned().collect();
        let own = all.iter().filter(|mark| mark.writer == writer.writer).cloned().collect();
        if stale { vec![all, own] } else { vec![all] }
    }

    fn advance(writer: &mut Decision, store: &mut BTreeSet<Mark>, view: &[Mark]) {
        match writer.step() {
            Step::Put(mark) => {
                store.insert(mark);
                writer.put();
            }
            Step::List { .. } => writer.seen(view),
            Step::Done(_) => {}
        }
    }

    fn finishes_alone(store: &BTreeSet<Mark>, mut writer: Decision) -> bool {
        let mut store = store.clone();
        for _ in 0..40 {
            let view: Vec<Mark> = store.iter().cloned().collect();
            advance(&mut writer, &mut store, &view);
            if matches!(writer.step(), Step::Done(_)) {
                return true;
            }
        }
        false
    }

    fn check(writers: u32, rounds: u32) {
        let found = explore(writers, rounds, false);
        assert!(found.broken.is_empty(), "{found:?}");
        assert_eq!(found.stuck, 0, "whoever is alone finishes: {found:?}");
        assert_eq!(found.decisions.len(), writers as usize, "anybody may win: {found:?}");
        assert!(found.states > 1_000, "{found:?}");
    }

    #[test]
    fn two_writers_decide_alike_however_they_meet_and_die() {
        check(2, 3);
    }

    #[test]
    fn three_writers_decide_alike_however_they_meet_and_die() {
        check(3, 2);
    }

    #[test]
    fn stale_listings_break_it_and_the_model_sees_that() {
        // Writers that see only themselves decide alone, and an onlooker who sees
        // one decision after the other says one thing first and another later.
        let broken: Vec<&str> = explore(2, 2, true).broken.into_iter().collect();
        assert_eq!(broken, ["an onlooker erred", "two decisions"]);
    }

    #[test]
    fn one_writer_needs_one_round() {
        let mut store = BTreeSet::new();
        let mut writer = Decision::new(token("w"), token("v"));
        let mut steps = 0;
        while !matches!(writer.step(), Step::Done(_)) {
            let view: Vec<Mark> = store.iter().cloned().collect();
            advance(&mut writer, &mut store, &view);
            steps += 1;
        }
        assert_eq!((steps, writer.round()), (4, 0));
        let marks: Vec<Mark> = store.into_iter().collect();
        assert_eq!(decided_in(&marks), Some(token("v")));
    }
}
