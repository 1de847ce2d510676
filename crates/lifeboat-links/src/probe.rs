//! A test: an object and a row that say, later, whether a store or a database
//! forgets.

use lifeboat_remote::{Created, Remote};
use lifeboat_sqlite::{Value, WritableDatabase};

use crate::database::{DatabaseMentions, PATIENCE};
use crate::error::LinksError;
use crate::group::Group;
use crate::mention::{Mention, Mentions};
use crate::sql::{quoted, unknown};

/// What the last part of the key of a test begins with.
const MARK: &str = "lifeboat-test-";

/// A test that somebody left.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Probe {
    /// The key of its object.
    pub key: String,
    /// Whether the object is there.
    pub object: bool,
    /// The rows that name it.
    pub rows: Vec<Mention>,
}

impl Probe {
    pub(crate) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), object: false, rows: Vec::new() }
    }

    /// Whether both are still there.
    pub fn survived(&self) -> bool {
        self.object && !self.rows.is_empty()
    }

    /// When it was made, as it stands in its key: `20261120T101530Z`.
    pub fn made(&self) -> &str {
        let name = self.key.rsplit('/').next().unwrap_or_default();
        let after = name.strip_prefix(MARK).unwrap_or(name);
        after.split('-').next().unwrap_or_default()
    }
}

/// Whether a key is that of a test.
pub(crate) fn is_probe(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|name| name.starts_with(MARK))
}

impl DatabaseMentions {
    /// Leaves a test: first the object, then the row, by the rule's own INSERT.
    /// `stamp` is the time, as in `20261120T101530Z`. Returns the key.
    ///
    /// Killed in between, the object is there alone, and the next check says so.
    pub async fn create_test(&self, store: &Remote, stamp: &str) -> Result<String, LinksError> {
        let rule = self.rule();
        let refuse = |why: &str| LinksError::rule(&rule.name, why.to_owned());
        let Some(insert) = &rule.probe_insert else {
            return Err(refuse(
                "probe_insert, the statement that inserts a test's row, is not set",
            ));
        };
        if rule.form.json.is_some() {
            return Err(refuse("a column with json_path can hold no test"));
        }
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| LinksError::List(std::io::Error::other(e)))?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (text, key) = rule.form.write(&format!("{MARK}{stamp}-{random}"));
        let content = format!("Lifeboat left this here at {stamp} to see whether it stays.\n");
        if store.create(&key, content.into()).await? == Created::Exists {
            return Err(refuse("another object lies under the key of the test"));
        }
        let inserted = self.insert(insert, &text, &key);
        if inserted.is_err() {
            store.delete(std::slice::from_ref(&key)).await?;
        }
        inserted.map(|()| key)
    }

    fn insert(&self, insert: &str, text: &str, key: &str) -> Result<(), LinksError> {
        let failed = |e| self.sqlite("insert the row of a test", e);
        let mut database = WritableDatabase::open(self.path(), PATIENCE)?;
        let write = database.begin_write().map_err(failed)?;
        let mut change = write.prepare(insert).map_err(failed)?;
        let value = Value::Text(text.to_owned());
        let values = self.values(&change.parameters(), &[("key".to_owned(), value)])?;
        change.run(&values).map_err(failed)?;
        drop(change);
        let mut found = false;
        self.read_within(&write, &mut |told| {
            found |= told.is_ok_and(|mention| mention.key == key);
            Ok(())
        })?;
        if !found {
            let why = "probe_insert inserts no row that the rule finds; nothing was inserted";
            return Err(LinksError::rule(&self.rule().name, why));
        }
        write.commit().map_err(failed)
    }

    /// The values of a statement's parameters, by their names.
    pub(crate) fn values(
        &self,
        names: &[Option<String>],
        known: &[(String, Value)],
    ) -> Result<Vec<Value>, LinksError> {
        let value = |name: &Option<String>| {
            let name = name.as_deref().unwrap_or("?");
            let found = known.iter().find(|(known, _)| known == name);
            let Some((_, value)) = found else {
                return Err(LinksError::rule(&self.rule().name, unknown(name, known)));
            };
            Ok(value.clone())
        };
        names.iter().map(value).collect()
    }

    fn remove_row(&self, row: &Mention) -> Result<(), LinksError> {
        let failed = |e| self.sqlite("delete the row of a test", e);
        let mut database = WritableDatabase::open(self.path(), PATIENCE)?;
        let write = database.begin_write().map_err(failed)?;
        match (&self.rule().probe_delete, self.identity(row)) {
            (Some(delete), _) => {
                let mut change = write.prepare(delete).map_err(failed)?;
                let known = [("key".to_owned(), row.value.clone())];
                let values = self.values(&change.parameters(), &known)?;
                change.run(&values).map_err(failed)?;
            }
            (None, Some((table, conditions))) => {
                let (condition, values) = crate::fix::condition(&conditions);
                let sql = format!("DELETE FROM {} WHERE {condition}", quoted(&table));
                write.prepare(&sql).and_then(|mut change| change.run(&values)).map_err(failed)?;
            }
            (None, None) => {
                let why = "probe_delete, the statement that deletes a test's row, is not set";
                return Err(LinksError::rule(&self.rule().name, why));
            }
        }
        write.commit().map_err(failed)
    }
}

impl Group {
    /// Takes tests away: the rows first, then the object. Killed in between, the
    /// object is there alone, and the same again takes it away.
    pub async fn remove_tests(&self, probes: &[Probe]) -> Result<(), LinksError> {
        for probe in probes {
            for row in &probe.rows {
                let source = self.sources.get(row.rule).and_then(|source| source.database());
                if let Some(database) = source {
                    database.remove_row(row)?;
                }
            }
            if probe.object {
                self.store.delete(std::slice::from_ref(&probe.key)).await?;
            }
        }
        Ok(())
    }
}
