//! The rows of a live SQLite database that name objects.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_sqlite::{Connection, ReadTransaction, Rows, SqliteError, Value, WriteTransaction};

use crate::error::LinksError;
use crate::form::Named;
use crate::mention::{Each, Mention, Mentions, Passed};
use crate::rule::{Column, Origin, Rule};
use crate::sql::quoted;

/// How long locks of others are waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A rule, and the database that it is about.
#[derive(Debug)]
pub struct DatabaseMentions {
    path: PathBuf,
    rule: Rule,
    at: usize,
    /// What says which row it is, for each column of the rule; or the columns of
    /// the query.
    ids: Vec<Vec<String>>,
    /// For each column of the rule, which of the [others](Self::others) its table has.
    has: Vec<[bool; 3]>,
}

impl DatabaseMentions {
    /// Looks whether the database has what the rule names. `at` is the position of
    /// the rule among those that are compared with one store. Blocks.
    pub fn open(path: &Path, rule: Rule, at: usize) -> Result<Self, LinksError> {
        let mut mentions =
            Self { path: path.to_owned(), rule, at, ids: Vec::new(), has: Vec::new() };
        let mut connection = Connection::open(path, PATIENCE)?;
        let read = begin(&mut connection, path)?;
        mentions.ids = match &mentions.rule.origin {
            Origin::Query(query) => {
                let rows = read.query(query, &[]).map_err(|e| mentions.sqlite("ask", e))?;
                vec![rows.columns()]
            }
            Origin::Columns(columns) => {
                let of = columns.iter().map(|column| mentions.ids_of(&read, column));
                let (ids, has): (Vec<_>, Vec<_>) =
                    of.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
                mentions.has = has;
                ids
            }
        };
        mentions.check()?;
        Ok(mentions)
    }

    /// The database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn sqlite(&self, doing: &'static str, source: SqliteError) -> LinksError {
        let (rule, path) = (self.rule.name.clone(), self.path.clone());
        LinksError::Sqlite { doing, rule, path, source }
    }

    fn refuse(&self, why: impl Into<String>) -> LinksError {
        LinksError::rule(&self.rule.name, why)
    }

    fn others(&self) -> [(&'static str, Option<&String>); 3] {
        [
            ("provider_column", self.rule.provider_column.as_ref()),
            ("size_column", self.rule.size_column.as_ref()),
            ("digest_column", self.rule.digest_column.as_ref()),
        ]
    }

    fn check(&self) -> Result<(), LinksError> {
        if let Origin::Columns(columns) = &self.rule.origin {
            for (at, (setting, name)) in self.others().into_iter().enumerate() {
                let tables = || columns.iter().map(|column| column.table.as_str());
                if let Some(name) = name
                    && !self.has.iter().any(|has| has[at])
                {
                    let tables: Vec<&str> = tables().collect();
                    let tables = tables.join(", ");
                    return Err(
                        self.refuse(format!("{setting}: none of {tables} has a column {name:?}"))
                    );
                }
            }
        }
        if let Origin::Query(_) = self.rule.origin {
            for (setting, name) in self.others() {
                if let Some(name) = name
                    && !self.ids[0].contains(name)
                {
                    return Err(self.refuse(format!("{setting}: the query has no column {name:?}")));
                }
            }
        }
        Ok(())
    }

    /// The columns that say which row of a table it is: the rowid under a name
    /// that no column has, or the primary key. None for a view.
    fn ids_of(
        &self,
        read: &ReadTransaction<'_>,
        column: &Column,
    ) -> Result<(Vec<String>, [bool; 3]), LinksError> {
        let asked = |e| self.sqlite("look for a column", e);
        let table = quoted(&column.table);
        let kind = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE \
                    AND type IN ('table', 'view')";
        let name = [Value::Text(column.table.clone())];
        let mut kinds = read.query(kind, &name).map_err(asked)?;
        if !kinds.advance().map_err(asked)? {
            return Err(self.refuse(format!("there is no table {:?}", column.table)));
        }
        let is_view = kinds.value(0).as_text() == Some("view");
        let mut info = read
            .query("SELECT name, pk FROM pragma_table_xinfo(?1) ORDER BY pk", &name)
            .map_err(asked)?;
        let (mut all, mut keys) = (Vec::new(), Vec::new());
        while info.advance().map_err(asked)? {
            let name = info.value(0).as_text().unwrap_or_default().to_owned();
            if info.value(1) != Value::Integer(0) {
                keys.push(name.clone());
            }
            all.push(name);
        }
        let has = |wanted: &str| all.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        if !has(&column.column) {
            return Err(self.refuse(format!(
                "the table {:?} has no column {:?}",
                column.table, column.column
            )));
        }
        let there = self.others().map(|(_, name)| name.is_some_and(|name| has(name)));
        // A row without a provider may mean the other side: that is not guessed.
        if let Some(name) = &self.rule.provider_column
            && !there[0]
        {
            return Err(self.refuse(format!(
                "provider_column: the table {:?} has no column {name:?}",
                column.table
            )));
        }
        if is_view {
            return Ok((Vec::new(), there));
        }
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !has(name));
        if let Some(rowid) = rowid
            && read.query(&format!("SELECT {rowid} FROM {table} LIMIT 0"), &[]).is_ok()
        {
            return Ok((vec![rowid.to_owned()], there));
        }
        Ok((keys, there))
    }

    /// The statement that reads the rows of a column.
    fn select(&self, at: usize, column: &Column) -> String {
        let mut wanted: Vec<String> = self.ids[at].iter().map(|name| quoted(name)).collect();
        let key = quoted(&column.column);
        wanted.push(key.clone());
        for ((_, name), has) in self.others().into_iter().zip(self.has[at]) {
            // A table without such a column says nothing of it.
            wanted.extend(name.map(|name| if has { quoted(name) } else { "NULL".to_owned() }));
        }
        format!(
            "SELECT {} FROM {} WHERE {key} IS NOT NULL AND {key} <> ''",
            wanted.join(", "),
            quoted(&column.table)
        )
    }

    /// Reads all rows, whichever way they are asked for.
    fn rows<'c>(
        &self,
        ask: impl Fn(&str) -> Result<Rows<'c>, SqliteError>,
        each: &mut Each<'_>,
    ) -> Result<(), LinksError> {
        let failed = |e| self.sqlite("read the rows", e);
        match &self.rule.origin {
            Origin::Query(query) => {
                let mut rows = ask(query).map_err(failed)?;
                let names = rows.columns();
                if names != self.ids[0] {
                    return Err(self.refuse("the columns of the query are no longer the same"));
                }
                let at = |name: Option<&String>| names.iter().position(|one| Some(one) == name);
                let [provider, size, digest] = self.others().map(|(_, name)| at(name));
                while rows.advance().map_err(failed)? {
                    let row = (0..names.len()).map(|at| rows.value(at)).collect();
                    let value = |at: Option<usize>| at.map(|at| rows.value(at));
                    self.row(
                        0,
                        rows.value(0),
                        row,
                        [value(provider), value(size), value(digest)],
                        each,
                    )?;
                }
            }
            Origin::Columns(columns) => {
                for (at, column) in columns.iter().enumerate() {
                    let mut rows = ask(&self.select(at, column)).map_err(failed)?;
                    let ids = self.ids[at].len();
                    while rows.advance().map_err(failed)? {
                        let row = (0..ids).map(|at| rows.value(at)).collect();
                        let mut next = ids;
                        let others = self.others().map(|(_, name)| {
                            name?;
                            next += 1;
                            Some(rows.value(next))
                        });
                        self.row(at, rows.value(ids), row, others, each)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn row(
        &self,
        column: usize,
        value: Value,
        row: Vec<Value>,
        [provider, size, digest]: [Option<Value>; 3],
        each: &mut Each<'_>,
    ) -> Result<(), LinksError> {
        let is_here = |name: &str| self.rule.providers.iter().any(|here| here == name);
        let named_provider = provider.as_ref().map(|value| value.as_text().unwrap_or_default());
        if value == Value::Null || value.as_text() == Some("") {
            return Ok(());
        }
        if named_provider.is_some_and(|name| !is_here(name)) {
            return each(Err(Passed::Elsewhere));
        }
        let number;
        let text = match (&value, value.as_text()) {
            (_, Some(text)) => text,
            (Value::Integer(value), _) => {
                number = value.to_string();
                &number
            }
            _ => {
                let why = "it is no text";
                let row = self.unusable(column, shown(&value), value, provider, row);
                return each(Err(Passed::Unusable { row, why }));
            }
        };
        for named in self.rule.form.read(text) {
            let told = match named {
                Named::Elsewhere => Err(Passed::Elsewhere),
                Named::Unusable(why) => {
                    let (value, provider) = (value.clone(), provider.clone());
                    let row = self.unusable(column, text.to_owned(), value, provider, row.clone());
                    Err(Passed::Unusable { row, why })
                }
                Named::Key { provider: Some(name), .. } if !is_here(&name) => {
                    Err(Passed::Elsewhere)
                }
                Named::Key { key, size: placed, .. } => Ok(Mention {
                    key,
                    rule: self.at,
                    column,
                    value: value.clone(),
                    provider: provider.clone(),
                    row: row.clone(),
                    size: match &size {
                        Some(Value::Integer(size)) => u64::try_from(*size).ok(),
                        _ => placed,
                    },
                    digest: digest.as_ref().and_then(Value::as_text).map(ToOwned::to_owned),
                }),
            };
            each(told)?;
        }
        Ok(())
    }

    /// A row that names nothing, with what stands there in the place of a key.
    fn unusable(
        &self,
        column: usize,
        text: String,
        value: Value,
        provider: Option<Value>,
        row: Vec<Value>,
    ) -> Box<Mention> {
        Box::new(Mention {
            key: text,
            rule: self.at,
            column,
            value,
            provider,
            row,
            size: None,
            digest: None,
        })
    }

    /// Reads all rows as they are within a transaction.
    pub(crate) fn read_within(
        &self,
        write: &WriteTransaction<'_>,
        each: &mut Each<'_>,
    ) -> Result<(), LinksError> {
        self.rows(|sql| write.query(sql, &[]), each)
    }
}

/// A value that is no text, for people.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn begin<'c>(
    connection: &'c mut Connection,
    path: &Path,
) -> Result<ReadTransaction<'c>, LinksError> {
    connection.begin_read().map_err(|source| LinksError::Begin { path: path.to_owned(), source })
}

impl Mentions for DatabaseMentions {
    fn rule(&self) -> &Rule {
        &self.rule
    }

    fn read(&self, each: &mut Each<'_>) -> Result<(), LinksError> {
        let mut connection = Connection::open(&self.path, PATIENCE)?;
        let read = begin(&mut connection, &self.path)?;
        self.rows(|sql| read.query(sql, &[]), each)
    }

    fn identity(&self, mention: &Mention) -> Option<(String, Vec<(String, Value)>)> {
        let Origin::Columns(columns) = &self.rule.origin else { return None };
        let (column, ids) = (columns.get(mention.column)?, self.ids.get(mention.column)?);
        if ids.is_empty() {
            return None;
        }
        let mut all: Vec<_> = ids.iter().cloned().zip(mention.row.iter().cloned()).collect();
        all.push((column.column.clone(), mention.value.clone()));
        if let (Some(name), Some(value)) = (&self.rule.provider_column, &mention.provider) {
            all.push((name.clone(), value.clone()));
        }
        Some((column.table.clone(), all))
    }

    fn database(&self) -> Option<&DatabaseMentions> {
        Some(self)
    }

    fn named(&self, mention: &Mention) -> Vec<(String, Value)> {
        let ids = self.ids.get(mention.column).into_iter().flatten();
        ids.cloned().zip(mention.row.iter().cloned()).collect()
    }
}
