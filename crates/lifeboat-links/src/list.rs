//! Keys from a list that somebody made: of PostgreSQL, or of anything else.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use lifeboat_sqlite::Value;

use crate::error::LinksError;
use crate::form::Named;
use crate::mention::{Each, Mention, Mentions, Passed};
use crate::rule::{Origin, Rule};

/// A rule, and a list of what stands in its column: one value a line, and after a
/// tab, where there is one, what says which row it is.
#[derive(Debug)]
pub struct ListMentions {
    rule: Rule,
    at: usize,
    /// The column that says which row it is.
    id: Option<String>,
    list: Mutex<File>,
}

impl ListMentions {
    /// Takes a list in whole, into a temporary file without a name: it is read
    /// twice. Blocks.
    pub fn take(
        list: &mut dyn Read,
        scratch: &Path,
        rule: Rule,
        id: Option<String>,
        at: usize,
    ) -> Result<Self, LinksError> {
        let io = |source| LinksError::Scratch { path: scratch.to_owned(), source };
        let mut file = tempfile::tempfile_in(scratch).map_err(io)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = list.read(&mut buffer).map_err(LinksError::List)?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(io)?;
        }
        Ok(Self { rule, at, id, list: Mutex::new(file) })
    }
}

impl ListMentions {
    /// A line that names nothing, with what stands there in the place of a key.
    fn unusable(&self, text: String, id: Option<&str>) -> Box<Mention> {
        Box::new(Mention {
            value: Value::Text(text.clone()),
            key: text,
            rule: self.at,
            column: 0,
            provider: None,
            row: id.map(|id| Value::Text(id.to_owned())).into_iter().collect(),
            size: None,
            digest: None,
        })
    }
}

impl Mentions for ListMentions {
    fn rule(&self) -> &Rule {
        &self.rule
    }

    fn read(&self, each: &mut Each<'_>) -> Result<(), LinksError> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.rewind().map_err(LinksError::List)?;
        let mut lines = BufReader::new(&mut *list);
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(LinksError::List)? == 0 {
                return Ok(());
            }
            let Ok(text) = std::str::from_utf8(&line) else {
                let value = String::from_utf8_lossy(&line).trim_end().to_owned();
                let row = self.unusable(value, None);
                each(Err(Passed::Unusable { row, why: "it is no UTF-8" }))?;
                continue;
            };
            let text = text.trim_end_matches(['\n', '\r']);
            let (value, id) = match text.split_once('\t') {
                Some((value, id)) => (value, Some(id)),
                None => (text, None),
            };
            if value.is_empty() {
                continue;
            }
            for named in self.rule.form.read(value) {
                each(match named {
                    Named::Elsewhere => Err(Passed::Elsewhere),
                    Named::Unusable(why) => {
                        let row = self.unusable(value.to_owned(), id);
                        Err(Passed::Unusable { row, why })
                    }
                    Named::Key { provider: Some(name), .. }
                        if !self.rule.providers.contains(&name) =>
                    {
                        Err(Passed::Elsewhere)
                    }
                    Named::Key { key, size, .. } => Ok(Mention {
                        key,
                        rule: self.at,
                        column: 0,
                        value: Value::Text(value.to_owned()),
                        provider: None,
                        row: id.map(|id| Value::Text(id.to_owned())).into_iter().collect(),
                        size,
                        digest: None,
                    }),
                })?;
            }
        }
    }

    fn identity(&self, mention: &Mention) -> Option<(String, Vec<(String, Value)>)> {
        let Origin::Columns(columns) = &self.rule.origin else { return None };
        let column = columns.first()?;
        let mut all = self.named(mention);
        all.push((column.column.clone(), mention.value.clone()));
        Some((column.table.clone(), all))
    }

    fn named(&self, mention: &Mention) -> Vec<(String, Value)> {
        let id = self.id.iter().cloned();
        id.zip(mention.row.iter().cloned()).collect()
    }
}
