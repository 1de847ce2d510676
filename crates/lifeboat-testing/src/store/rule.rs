//! Rules: what is to become of calls that have not been made yet.

use std::collections::BTreeSet;

use super::{Op, Pause, ScriptedStore};

#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    dead: BTreeSet<String>,
}

#[derive(Debug)]
struct Rule {
    client: String,
    calls: Calls,
    /// The key must contain this.
    key: String,
    /// So many matching calls pass first.
    skip: usize,
    times: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum Calls {
    All,
    Changes,
    Of(Op),
}

#[derive(Clone, Debug)]
enum What {
    PauseBefore(Pause),
    PauseAfter(Pause),
    Fault(Fault),
    Die { applied: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not applied; the connection breaks.
    Fail,
    /// Not applied; permission denied.
    Refuse,
    /// Applied; the connection breaks.
    LoseAnswer,
}

/// What the rules say about one call.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) before: Option<Pause>,
    pub(super) fault: Option<Fault>,
    pub(super) after: Option<Pause>,
    /// It is the last of its client, and still applied.
    pub(super) last: bool,
}

impl Rule {
    fn matches(&self, client: &str, op: Op, key: &str) -> bool {
        let of_this_kind = match self.calls {
            Calls::All => true,
            Calls::Changes => op.changes(),
            Calls::Of(wanted) => wanted == op,
        };
        self.times > 0 && of_this_kind && self.client == client && key.contains(&self.key)
    }
}

impl Rules {
    pub(super) fn is_dead(&self, client: &str) -> bool {
        self.dead.contains(client)
    }

    pub(super) fn fate(&mut self, client: &str, op: Op, key: &str) -> Fate {
        let mut fate = Fate::default();
        if self.is_dead(client) {
            return Fate { fault: Some(Fault::Fail), ..fate };
        }
        for rule in self.rules.iter_mut().filter(|rule| rule.matches(client, op, key)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            let taken = match &rule.what {
                What::PauseBefore(_) => fate.before.is_some(),
                What::PauseAfter(_) => fate.after.is_some(),
                What::Fault(_) => fate.fault.is_some(),
                What::Die { .. } => false,
            };
            if taken {
                continue;
            }
            rule.times -= 1;
            match &rule.what {
                What::PauseBefore(pause) => fate.before = Some(pause.clone()),
                What::PauseAfter(pause) => fate.after = Some(pause.clone()),
                What::Fault(fault) => fate.fault = Some(*fault),
                What::Die { applied } => {
                    fate.last = *applied;
                    self.dead.insert(client.to_owned());
                }
            }
        }
        self.rules.retain(|rule| rule.times > 0);
        fate
    }
}

impl ScriptedStore {
    fn rule(&self, client: &str, calls: Calls, key: &str, times: usize, what: What) {
        let (client, key) = (client.to_owned(), key.to_owned());
        self.state().rules.rules.push(Rule { client, calls, key, skip: 0, times, what });
    }

    fn die(&self, client: &str, calls: Calls, skip: usize, applied: bool) {
        let (client, key, what) = (client.to_owned(), String::new(), What::Die { applied });
        self.state().rules.rules.push(Rule { client, calls, key, skip, times: 1, what });
    }

    /// The next matching call waits **before** it is applied.
    pub fn pause(&self, client: &str, op: Op, key: &str) -> Pause {
        let pause = Pause::new();
        self.rule(client, Calls::Of(op), key, 1, What::PauseBefore(pause.clone()));
        pause
    }

    /// The next matching call is applied, and its answer held back.
    pub fn pause_after(&self, client: &str, op: Op, key: &str) -> Pause {
        let pause = Pause::new();
        self.rule(client, Calls::Of(op), key, 1, What::PauseAfter(pause.clone()));
        pause
    }

    /// The next matching call is applied, and its answer lost.
    pub fn lose_answer(&self, client: &str, op: Op, key: &str) {
        self.rule(client, Calls::Of(op), key, 1, What::Fault(Fault::LoseAnswer));
    }

    /// So many matching calls fail without being applied.
    pub fn fail(&self, client: &str, op: Op, key: &str, times: usize) {
        self.rule(client, Calls::Of(op), key, times, What::Fault(Fault::Fail));
    }

    /// Matching calls are refused, permission denied, until [`Self::revive`].
    pub fn refuse(&self, client: &str, op: Op, key: &str) {
        self.rule(client, Calls::Of(op), key, usize::MAX, What::Fault(Fault::Refuse));
    }

    /// The client's process is dead: nothing of it is applied any more, not
    /// even a call that is paused before it.
    pub fn crash(&self, client: &str) {
        self.state().rules.dead.insert(client.to_owned());
    }

    /// The client's process is dead from its `n`-th call on, counted from now
    /// beginning with 1: that call and all later ones are not applied.
    pub fn crash_at(&self, client: &str, n: usize) {
        self.die(client, Calls::All, n.saturating_sub(1), false);
    }

    /// As [`Self::crash_at`], but the `n`-th call is still applied. The client
    /// hears of it as little as of the others.
    pub fn crash_at_applied(&self, client: &str, n: usize) {
        self.die(client, Calls::All, n.saturating_sub(1), true);
    }

    /// The client's `n`-th call, counted from now beginning with 1, fails without
    /// being applied.
    pub fn fail_at(&self, client: &str, n: usize) {
        self.at(client, n, 1, What::Fault(Fault::Fail));
    }

    /// The client's `n`-th call is applied, and its answer lost.
    pub fn lose_answer_at(&self, client: &str, n: usize) {
        self.at(client, n, 1, What::Fault(Fault::LoseAnswer));
    }

    /// The client's `n`-th call and all after it are refused, permission denied,
    /// until [`Self::revive`].
    pub fn refuse_from(&self, client: &str, n: usize) {
        self.at(client, n, usize::MAX, What::Fault(Fault::Refuse));
    }

    /// The client's `n`-th call waits before it is applied.
    pub fn pause_at(&self, client: &str, n: usize) -> Pause {
        let pause = Pause::new();
        self.at(client, n, 1, What::PauseBefore(pause.clone()));
        pause
    }

    fn at(&self, client: &str, n: usize, times: usize, what: What) {
        let (client, key, skip) = (client.to_owned(), String::new(), n.saturating_sub(1));
        let rule = Rule { client, calls: Calls::All, key, skip, times, what };
        self.state().rules.rules.push(rule);
    }

    /// After so many more calls that change what is stored the client's process
    /// is dead. Calls that only read are not counted.
    pub fn crash_after(&self, client: &str, changes: usize) {
        self.die(client, Calls::Changes, changes, false);
    }

    /// The client lives again, and no rule holds for it. Calls that are paused
    /// stay so; listings stay as they are.
    pub fn revive(&self, client: &str) {
        let rules = &mut self.state().rules;
        rules.rules.retain(|rule| rule.client != client);
        rules.dead.remove(client);
    }
}
