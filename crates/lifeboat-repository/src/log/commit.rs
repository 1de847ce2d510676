//! Creating a record: the one thing that changes a database's state here.

use std::sync::Arc;

use lifeboat_format::attached::Attachments;
use lifeboat_format::id::Nonce;
use lifeboat_format::list::PackListRef;
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::record::{Envelope, Record, RecordKind, RecordPlace, State, encode};
use lifeboat_remote::Created;
use lifeboat_remote::rounds::Claim;

use super::{Head, RECORD_LIMIT};
use crate::error::{ReadError, WriteError};
use crate::local::random;
use crate::repository::Database;
use crate::store::token_of;

/// A record that is about to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: RecordKind,
    pub(crate) state: State,
    pub(crate) subject: NumberSet,
    pub(crate) condemned: Vec<String>,
    pub(crate) packs: Option<PackListRef>,
    pub(crate) attachments: Option<Attachments>,
    pub(crate) body: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// A record of a kind that leads to a state.
    pub(crate) fn new(kind: RecordKind, state: State) -> Self {
        let (subject, condemned) = (NumberSet::default(), Vec::new());
        Self { kind, state, subject, condemned, packs: None, attachments: None, body: None }
    }
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum Committed {
    /// The record exists, and is the newest one seen.
    Done(Arc<Record>),
    /// Another record has the number.
    Lost,
}

impl Database {
    /// Tries to create the record after `head`, and moves `head` to it.
    ///
    /// Cancelled or failed, the record may exist: its nonce is remembered, so
    /// that the next run knows it as its own.
    pub(crate) async fn commit(
        &self,
        head: &mut Head,
        draft: Draft<'_>,
    ) -> Result<Committed, WriteError> {
        let nonce = Nonce::from_bytes(random());
        let number = head.next();
        let repository = self.repository.info().repository;
        let envelope = Envelope {
            number,
            kind: draft.kind,
            repository,
            database: self.name.clone(),
            nonce,
            writer: self.local().installation()?.clone(),
            written_at: self.local().now(),
            previous: head.digest(),
            state: draft.state,
            subject: draft.subject,
            condemned: draft.condemned,
            packs: draft.packs,
            attachments: draft.attachments,
            body_digest: None,
        };
        let object = encode(envelope, draft.body, self.keyring());
        let key = self.keys.record(number);
        // What is written is read back by the same code first: a record that
        // nobody could read must not take a number.
        let place = RecordPlace { home: self.home(), number };
        let record = Record::decode(&object, place).map_err(ReadError::unusable(key.as_str()))?;
        self.memory().will_write(nonce)?;
        let claim = Claim {
            key: &key,
            bodies: &self.keys.record_body(number),
            rounds: &self.keys.record_rounds(number),
            digest: token_of,
            limit: RECORD_LIMIT,
        };
        match self.remote().claim(&claim, object.into()).await? {
            Created::Exists => Ok(Committed::Lost),
            Created::New => {
                let record = Arc::new(record);
                self.memory().saw(&record, self.local().installation()?)?;
                *head = Head {
                    newest: Some(number),
                    record: Some(Arc::clone(&record)),
                    burnt: Vec::new(),
                    ended: None,
                };
                Ok(Committed::Done(record))
            }
        }
    }
}
