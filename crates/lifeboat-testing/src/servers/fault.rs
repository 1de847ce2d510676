//! What can go wrong between a client and a store, and when.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::{Response, StatusCode};

use super::kind::{Kind, Request};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store does the work, and the answer is lost: the connection breaks.
    LoseAnswer,
    /// The store does the work, and the answer is this status all the same.
    FailAfterwards(u16),
    /// The store hears nothing; the answer is this status with this code.
    Refuse(u16, &'static str),
    /// The store hears nothing; the answer is a success with this body.
    Say(&'static str),
    /// The same, and that it is to be asked again after so many seconds.
    RefuseFor(u16, &'static str, u32),
    /// As a store of another region answers: a 301 that names the right one.
    OtherRegion(&'static str),
    /// The connection is reset after so many bytes of the answer's body.
    CutAnswer(usize),
    /// The connection is reset after so many bytes of the request's body; the
    /// store hears nothing.
    CutRequest(usize),
    /// Nothing is ever said. The connection stays open.
    Hang,
    /// All of the request is taken, and nothing is ever said.
    Swallow,
    /// The answer begins after so many milliseconds.
    Late(u32),
    /// The request's body is taken at so many bytes a second.
    SlowUpload(u32),
    /// The answer's body is sent at so many bytes a second.
    SlowDownload(u32),
}

/// The rules of a proxy, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(Arc<Mutex<Vec<Rule>>>);

#[derive(Debug)]
struct Rule {
    kind: Kind,
    part: String,
    fault: Fault,
    /// For how many requests it still holds; none: for all.
    left: Option<u32>,
    /// Of so many matching requests one is hit.
    every: u32,
    /// How many matched since the last one that was hit.
    spared: u32,
}

impl Rule {
    /// Whether the next matching request is one that is hit.
    fn hits(&mut self) -> bool {
        self.spared += 1;
        if self.spared < self.every {
            return false;
        }
        self.spared = 0;
        true
    }
}

impl Rules {
    /// The fault for a request, if it has one. The first rule that matches is
    /// used, and used up.
    pub(super) fn take(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.0.lock().expect("nothing panics while holding it");
        let rule = rules.iter_mut().find_map(|rule| {
            let matches = rule.left != Some(0) && request.matches(rule.kind, &rule.part);
            (matches && rule.hits()).then_some(rule)
        })?;
        rule.left = rule.left.map(|left| left - 1);
        Some(rule.fault)
    }

    /// How often rules still wait to be used.
    pub(super) fn waiting(&self) -> u32 {
        let rules = self.0.lock().expect("nothing panics while holding it");
        rules.iter().filter_map(|rule| rule.left).sum()
    }

    pub(super) fn clear(&self) {
        self.0.lock().expect("nothing panics while holding it").clear();
    }
}

/// A rule half said: for which requests.
#[derive(Debug)]
#[must_use]
pub struct When {
    pub(super) rules: Rules,
    pub(super) kind: Kind,
    pub(super) part: String,
}

impl When {
    /// For the next such request.
    pub fn once(self, fault: Fault) {
        self.times(1, fault);
    }

    /// For the next so many such requests.
    pub fn times(self, times: u32, fault: Fault) {
        self.add(Some(times), 1, fault);
    }

    /// For every such request from now on.
    pub fn always(self, fault: Fault) {
        self.add(None, 1, fault);
    }

    /// For one of so many such requests from now on.
    pub fn one_in(self, every: u32, fault: Fault) {
        self.add(None, every, fault);
    }

    fn add(self, left: Option<u32>, every: u32, fault: Fault) {
        let rule = Rule { kind: self.kind, part: self.part, fault, left, every, spared: 0 };
        self.rules.0.lock().expect("nothing panics while holding it").push(rule);
    }
}

/// An error as S3 words it.
pub(super) fn refusal(status: StatusCode, code: &str) -> Response<Bytes> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>as the test wants it</Message></Error>"
    );
    Response::builder()
        .status(status)
        .header("content-type", "application/xml")
        .body(Bytes::from(body))
        .expect("a good answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_used_in_order_and_used_up() {
        let rules = Rules::default();
        let when = |kind, part: &str| When { rules: rules.clone(), kind, part: part.into() };
        when(Kind::Put, "records/").once(Fault::LoseAnswer);
        when(Kind::Put, "").times(2, Fault::Hang);
        let put = |key: &str| {
            let kind = Kind::Put;
            rules.take(&Request { kind, key: key.into(), conditional: true, range: None })
        };
        assert_eq!(rules.waiting(), 3);
        assert_eq!(put("packs/1"), Some(Fault::Hang));
        assert_eq!(put("records/1"), Some(Fault::LoseAnswer));
        assert_eq!(put("records/1"), Some(Fault::Hang));
        assert_eq!(put("records/1"), None);
        when(Kind::Any, "").always(Fault::CutAnswer(3));
        assert_eq!(put("a"), Some(Fault::CutAnswer(3)));
        assert_eq!(put("a"), Some(Fault::CutAnswer(3)));
        assert_eq!(rules.waiting(), 0);
        rules.clear();
        assert_eq!(put("a"), None);
        when(Kind::Put, "a").one_in(3, Fault::Hang);
        let hit: Vec<bool> = (0..7).map(|_| put("a").is_some()).collect();
        assert_eq!(hit, [false, false, true, false, false, true, false]);
    }
}
