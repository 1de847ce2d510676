//! Sessions of the page: a cookie stands for a token that was shown once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};

use super::Caller;
use crate::random;

/// The name of the cookie.
const COOKIE: &str = "lifeboat_session";

/// How long a session lasts.
const AGE: Duration = Duration::from_secs(12 * 3600);

/// How many there can be; the oldest ends.
const MOST: usize = 256;

/// The sessions. They end with the process.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<String, (Caller, Instant)>>,
}

impl Sessions {
    /// Begins one; what comes back is the value of `Set-Cookie`.
    pub(crate) fn begin(&self, caller: Caller, secure: bool) -> String {
        let id = random::secret();
        let now = Instant::now();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, since)| now.saturating_duration_since(*since) < AGE);
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, (_, since))| *since).map(|(id, _)| id.clone());
            oldest.and_then(|id| all.remove(&id));
        }
        all.insert(id.clone(), (caller, now));
        let secure = if secure { "; Secure" } else { "" };
        let age = AGE.as_secs();
        format!("{COOKIE}={id}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}")
    }

    /// Whose session this is. The ids are random and long: looking one up tells
    /// nobody anything about another.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<(String, Caller)> {
        let id = cookie(headers)?;
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (caller, since) = all.get(&id)?;
        (since.elapsed() < AGE).then(|| (id, caller.clone()))
    }

    /// Ends one; what comes back is the value of `Set-Cookie`.
    pub(crate) fn end(&self, id: &str) -> String {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        format!("{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == COOKIE && value.len() <= 100).then(|| value.to_owned())
    })
}
