//! Messages to a URL, as JSON, signed.

use reqwest::header::CONTENT_TYPE;
use time::OffsetDateTime;

use super::error::SendError;
use super::message::Message;
use super::secret::Secret;
use super::signature::{SIGNATURE_HEADER, sign};
use super::{http, secret};

/// A URL that gets messages.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: secret::Secret,
    key: Option<Secret>,
}

impl Webhook {
    /// Posts to the URL, and signs with the key where there is one.
    pub fn new(url: Secret, key: Option<Secret>) -> Self {
        Self { url, key }
    }

    /// Sends a message, once. Cancelled, it may have arrived.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let url = http::url(&self.url).await?;
        let body = message.json();
        let mut request = http::client()?
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("Lifeboat-Message", &message.id);
        if let Some(key) = &self.key {
            // Signed anew at each attempt: receivers refuse what is old.
            let signature = sign(&key.read().await?, body.as_bytes(), OffsetDateTime::now_utc());
            request = request.header(SIGNATURE_HEADER, signature);
        }
        http::judge(request.body(body).send().await)
    }
}
