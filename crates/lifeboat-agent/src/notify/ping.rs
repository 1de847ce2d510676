//! Calls to a dead man's switch.

use reqwest::{StatusCode, Url};

use super::error::SendError;
use super::http;
use super::pulse::{Ping, PingKind};
use super::secret::Secret;

/// A service that raises the alarm when nobody calls.
#[derive(Clone, Debug)]
pub struct PingUrl {
    url: Secret,
}

impl PingUrl {
    /// The URL of a success; `/start` and `/fail` are put behind its path for the
    /// others, as healthchecks.io has it.
    pub fn new(url: Secret) -> Self {
        Self { url }
    }

    /// Calls, once: POST with the text, or GET where a service wants no POST.
    pub async fn send(&self, ping: &Ping) -> Result<(), SendError> {
        let url = address(http::url(&self.url).await?, ping.kind);
        let client = http::client()?;
        let answer = client.post(url.clone()).body(ping.text.clone()).send().await;
        let wants_get =
            |status| matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        match &answer {
            Ok(refused) if wants_get(refused.status()) => http::judge(client.get(url).send().await),
            _ => http::judge(answer),
        }
    }
}

fn address(mut url: Url, kind: PingKind) -> Url {
    let suffix = match kind {
        PingKind::Success => return url,
        PingKind::Start => "start",
        PingKind::Failure => "fail",
    };
    let path = format!("{}/{suffix}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |url: &str, kind, expected: &str| {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(address(url, kind).as_str(), expected);
        };
        check("https://hc-ping.com/0f3c", PingKind::Success, "https://hc-ping.com/0f3c");
        check("https://hc-ping.com/0f3c", PingKind::Start, "https://hc-ping.com/0f3c/start");
        check("https://hc-ping.com/0f3c/", PingKind::Failure, "https://hc-ping.com/0f3c/fail");
        check("https://h/push/a?k=v", PingKind::Failure, "https://h/push/a/fail?k=v");
    }
}
