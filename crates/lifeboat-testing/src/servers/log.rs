//! Which requests arrived, and which were under way at the same time.

use std::sync::{Arc, Mutex, MutexGuard};

use super::kind::Request;

/// What a server notes of its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    requests: Vec<Request>,
    /// Beginnings and ends in order, by the place among the requests.
    order: Vec<(usize, bool)>,
    /// How often all was forgotten: what began before ends unnoted.
    age: u64,
}

/// A request that is under way; dropped, it has ended.
#[derive(Debug)]
pub(super) struct Underway {
    log: Log,
    place: usize,
    age: u64,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().expect("nothing panics while holding it")
    }

    pub(super) fn begin(&self, request: Request) -> Underway {
        let mut events = self.lock();
        let (place, age) = (events.requests.len(), events.age);
        events.requests.push(request);
        events.order.push((place, true));
        Underway { log: self.clone(), place, age }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    pub(super) fn clear(&self) {
        let mut events = self.lock();
        *events = Events { age: events.age + 1, ..Events::default() };
    }

    pub(super) fn most_at_once(&self, of: impl Fn(&Request) -> bool) -> usize {
        let events = self.lock();
        let (mut now, mut most) = (0, 0);
        for (place, begins) in &events.order {
            if of(&events.requests[*place]) {
                now = if *begins { now + 1 } else { now - 1 };
                most = most.max(now);
            }
        }
        most
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut events = self.log.lock();
        if events.age == self.age {
            events.order.push((self.place, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::Kind;
    use super::*;

    #[test]
    fn what_overlaps_is_counted() {
        let log = Log::default();
        let get = |key: &str| {
            let (kind, key) = (Kind::Get, key.to_owned());
            log.begin(Request { kind, key, conditional: false, range: None })
        };
        let (first, other) = (get("a"), get("b"));
        drop(first);
        let (second, third) = (get("a"), get("a"));
        assert_eq!(log.most_at_once(|request| request.key == "a"), 2);
        assert_eq!(log.most_at_once(|_| true), 3);
        log.clear();
        drop((other, second, third));
        assert_eq!((log.most_at_once(|_| true), log.requests()), (0, Vec::new()));
    }
}
