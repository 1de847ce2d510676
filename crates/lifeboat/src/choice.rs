//! Which of several destinations is tried next, and why. Knows no clock and no
//! network: whoever tries says what came of it.

use lifeboat_config::Role;

/// A destination among others, as far as the choice goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// What people call it.
    pub shown: String,
    /// Its part. Mirrors are never chosen.
    pub role: Role,
    /// Why it is better not asked now: it failed a moment ago.
    pub out: Option<String>,
}

impl Candidate {
    /// One that may be asked.
    pub fn new(shown: impl Into<String>, role: Role) -> Self {
        Self { shown: shown.into(), role, out: None }
    }
}

/// The order in which destinations are tried, and what came of those that were.
///
/// Primaries come first and fallbacks next, each in the order in which they were
/// given; those that are out come last of all.
#[derive(Clone, Debug)]
pub struct Choice {
    candidates: Vec<Candidate>,
    /// Positions that were not tried yet, the next one last.
    left: Vec<usize>,
    reasons: Vec<String>,
    current: Option<usize>,
}

impl Choice {
    /// Begins with all of them.
    pub fn new(candidates: Vec<Candidate>) -> Self {
        let mut left: Vec<usize> = (0..candidates.len()).collect();
        left.retain(|&at| candidates[at].role != Role::Mirror);
        left.sort_by_key(|&at| {
            let candidate = &candidates[at];
            (candidate.out.is_some(), candidate.role != Role::Primary)
        });
        left.reverse();
        Self { candidates, left, reasons: Vec::new(), current: None }
    }

    /// A reason from before the first try.
    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reasons.extend(reason);
        self
    }

    /// The position of the next one to try.
    #[expect(clippy::should_implement_trait, reason = "what it gives depends on what failed")]
    pub fn next(&mut self) -> Option<usize> {
        self.current = self.left.pop();
        self.current
    }

    /// Whether there is another one to go on to.
    pub fn has_others(&self) -> bool {
        !self.left.is_empty()
    }

    /// The one that is being tried failed.
    pub fn failed(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// What failed before the one that failed last.
    pub fn passed_over(&self) -> Option<String> {
        let before = self.reasons.split_last().map_or(&[][..], |(_, before)| before);
        (!before.is_empty()).then(|| before.join("; "))
    }

    /// Why the one that is being tried is not the first that was meant: what
    /// failed before it, and what was not asked.
    pub fn fallback_reason(&self) -> Option<String> {
        let is_primary = |at: usize| self.candidates[at].role == Role::Primary;
        let below = self.current.is_some_and(|now| !is_primary(now));
        let passed = self.left.iter().rev().filter(|&&at| below && is_primary(at));
        let passed = passed.filter_map(|&at| {
            let Candidate { shown, out, .. } = &self.candidates[at];
            Some(format!("{shown} is not asked for a while: {}", out.as_ref()?))
        });
        let all: Vec<String> = self.reasons.iter().cloned().chain(passed).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<Candidate> {
        let roles = [Role::Fallback, Role::Mirror, Role::Primary, Role::Fallback];
        roles
            .iter()
            .zip(["f1", "m", "p", "f2"])
            .map(|(role, name)| Candidate::new(name, *role))
            .collect()
    }

    fn order(mut choice: Choice) -> Vec<usize> {
        std::iter::from_fn(|| choice.next()).collect()
    }

    #[test]
    fn the_primary_then_the_fallbacks_and_never_a_mirror() {
        assert_eq!(order(Choice::new(three())), [2, 0, 3]);
    }

    #[test]
    fn who_failed_a_moment_ago_comes_last() {
        let mut candidates = three();
        candidates[2].out = Some("silence".into());
        assert_eq!(order(Choice::new(candidates.clone())), [0, 3, 2]);
        let mut choice = Choice::new(candidates);
        choice.next();
        let reason = choice.fallback_reason().expect("the primary was passed over");
        assert_eq!(reason, "p is not asked for a while: silence");
    }

    #[test]
    fn every_reason_is_told_in_order() {
        let mut choice = Choice::new(three()).because(Some("no bucket is set".into()));
        assert_eq!(choice.next(), Some(2));
        assert!(choice.has_others());
        choice.failed("p is down");
        assert_eq!(choice.next(), Some(0));
        assert_eq!(choice.fallback_reason().as_deref(), Some("no bucket is set; p is down"));
        choice.failed("f1 is full");
        assert_eq!(choice.passed_over().as_deref(), Some("no bucket is set; p is down"));
        choice.next();
        assert!(!choice.has_others());
        assert_eq!(choice.next(), None);
    }

    #[test]
    fn the_first_choice_has_no_reason() {
        let mut choice = Choice::new(three());
        choice.next();
        assert_eq!(choice.fallback_reason(), None);
    }
}
