//! Rows whose object is missing, mended in one transaction.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use lifeboat_sqlite::{Value, WritableDatabase, WriteTransaction};

use crate::check::Checked;
use crate::database::{DatabaseMentions, PATIENCE};
use crate::error::LinksError;
use crate::finding::{Findings, Kind};
use crate::group::Group;
use crate::mention::{Mention, Mentions};
use crate::rule::OnBroken;
use crate::sql::{key_column, parameters, quoted};

/// Above this share of rows whose object is missing, more may be wrong than these
/// rows, and somebody must say that they are meant.
const MANY_PERCENT: u64 = 10;

/// So many objects are asked for before the next are.
const BATCH: usize = 64;

/// What mending rows did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FixReport {
    /// Rows that were deleted.
    pub deleted: u64,
    /// Columns that were set to NULL.
    pub emptied: u64,
    /// Rows for which a statement ran.
    pub ran: u64,
    /// Rows that were left alone: they no longer name that key.
    pub changed_meanwhile: u64,
    /// Rows that triggers and foreign keys changed besides.
    pub besides: u64,
}

impl Checked {
    /// Refuses to mend rows of a store that cannot be believed, and more rows than
    /// anybody expects.
    pub fn may_fix(&self, expected: Option<u64>) -> Result<(), LinksError> {
        let doing = "mend rows";
        if let Some(why) = self.doubt() {
            return Err(LinksError::Doubtful { doing, why, storage: true });
        }
        let all = self.all();
        let is_many = |broken: u64, of: u64| broken * 100 > of * MANY_PERCENT;
        let many = self.rules.iter().any(|one| is_many(one.broken, one.mentions));
        if expected.is_some_and(|expected| expected != all.broken) || (many && expected.is_none()) {
            return Err(LinksError::Unexpected {
                doing,
                found: all.broken,
                of: all.mentions,
                what: "rows name missing objects",
                expected,
                option: "--expect-broken",
            });
        }
        Ok(())
    }
}

impl Group {
    /// Asks once more for every missing object, right before rows are mended:
    /// somebody may have put it meanwhile. Any answer but yes or no ends it.
    pub async fn confirm(&self, checked: &mut Checked) -> Result<Findings, LinksError> {
        let mut confirmed = Findings::new(&self.options.scratch)?;
        let mut reader = checked.findings.reader()?;
        let mut waiting = Vec::new();
        loop {
            let finding = reader.next()?;
            let ends = finding.is_none();
            waiting.extend(finding.filter(|finding| finding.kind == Kind::Broken));
            if waiting.len() >= BATCH || ends {
                let mut keys: Vec<_> = waiting.iter().map(|one| one.key.clone()).collect();
                keys.sort_unstable();
                keys.dedup();
                let answers: BTreeMap<_, _> = self.ask(keys).await.into_iter().collect();
                for finding in waiting.drain(..) {
                    match answers.get(&finding.key) {
                        Some(Ok(None)) => {
                            confirmed.push(&finding).map_err(|e| self.options.scratch(e))?;
                        }
                        Some(Err(error)) => {
                            return Err(LinksError::Doubtful {
                                doing: "mend rows",
                                why: format!(
                                    "asked again for {}, the store did not say whether it is \
                                     there: {}",
                                    finding.key, error.what
                                ),
                                storage: true,
                            });
                        }
                        _ => {}
                    }
                }
            }
            if ends {
                return Ok(confirmed);
            }
        }
    }

    /// The rules about a database, as they are here.
    fn databases(&self, path: &Path) -> impl Iterator<Item = (usize, &DatabaseMentions)> {
        let sources = self.sources.iter().enumerate();
        sources.filter_map(move |(at, source)| {
            Some((at, source.database().filter(|d| d.path() == path)?))
        })
    }

    /// Refuses rules that do not say how their rows are mended, before anything is.
    pub fn can_fix(&self, checked: &Checked) -> Result<(), LinksError> {
        for (source, counts) in self.sources.iter().zip(&checked.rules) {
            let rule = source.rule();
            if counts.broken > 0
                && let Some(why) = rule.cannot_fix()
            {
                return Err(LinksError::rule(&rule.name, why));
            }
        }
        Ok(())
    }
}

/// Mends the rows of one database, all in one transaction: those of the confirmed
/// findings that still name the same key. Blocks.
///
/// Killed at any time, the database is what it was, or all of it is done.
pub fn fix(path: &Path, work: &mut [(&Group, &mut Findings)]) -> Result<FixReport, LinksError> {
    let first = work.iter().find_map(|(group, _)| group.databases(path).next());
    let Some((_, first)) = first else { return Ok(FixReport::default()) };
    let failed = |e| first.sqlite("mend rows", e);
    let mut database = WritableDatabase::open(path, PATIENCE)?;
    let write = database.begin_write().map_err(failed)?;
    let mut report = FixReport::default();
    for (group, confirmed) in work.iter_mut() {
        let sources: BTreeMap<usize, &DatabaseMentions> = group.databases(path).collect();
        // Rows of queries are found again by reading all of them.
        let mut of_queries: BTreeMap<usize, HashSet<u128>> = BTreeMap::new();
        confirmed.read(|finding| {
            let Some(row) = &finding.mention else { return Ok(()) };
            let Some(source) = sources.get(&row.rule) else { return Ok(()) };
            match source.identity(row) {
                Some((table, conditions)) => {
                    mend(&write, source, row, &table, &conditions, &mut report)
                }
                None => {
                    of_queries.entry(row.rule).or_default().insert(fingerprint(row));
                    Ok(())
                }
            }
        })?;
        for (rule, wanted) in of_queries {
            mend_query(&write, sources[&rule], &wanted, &mut report)?;
        }
    }
    report.besides = write.changed().saturating_sub(report.deleted + report.emptied + report.ran);
    write.commit().map_err(failed)?;
    Ok(report)
}

/// Mends one row of a table, if it still names the key.
fn mend(
    write: &WriteTransaction<'_>,
    source: &DatabaseMentions,
    row: &Mention,
    table: &str,
    conditions: &[(String, Value)],
    report: &mut FixReport,
) -> Result<(), LinksError> {
    let failed = |e| source.sqlite("mend a row", e);
    let rule = source.rule();
    let (condition, values) = condition(conditions);
    let table = quoted(table);
    if let Some(OnBroken::Statement(statement)) = &rule.on_broken {
        let there = format!("SELECT 1 FROM {table} WHERE {condition}");
        let there = write.query(&there, &values).and_then(|mut rows| rows.advance());
        if !there.map_err(failed)? {
            report.changed_meanwhile += 1;
            return Ok(());
        }
        return run(write, source, statement, row, report);
    }
    let null = rule.on_broken == Some(OnBroken::Null);
    let sql = match null {
        true => {
            let column = quoted(&key_column(conditions, rule));
            format!("UPDATE {table} SET {column} = NULL WHERE {condition}")
        }
        false => format!("DELETE FROM {table} WHERE {condition}"),
    };
    let changed = write.prepare(&sql).and_then(|mut change| change.run(&values));
    match (changed.map_err(failed)?, null) {
        (0, _) => report.changed_meanwhile += 1,
        (n, true) => report.emptied += n,
        (n, false) => report.deleted += n,
    }
    Ok(())
}

/// Runs a rule's statement for a row.
fn run(
    write: &WriteTransaction<'_>,
    source: &DatabaseMentions,
    statement: &str,
    row: &Mention,
    report: &mut FixReport,
) -> Result<(), LinksError> {
    let failed = |e| source.sqlite("run on_broken", e);
    let mut change = write.prepare(statement).map_err(failed)?;
    let values = source.values(&change.parameters(), &parameters(source, row))?;
    report.ran += change.run(&values).map_err(failed)?;
    Ok(())
}

/// Mends the rows of a query that still are as they were found.
fn mend_query(
    write: &WriteTransaction<'_>,
    source: &DatabaseMentions,
    wanted: &HashSet<u128>,
    report: &mut FixReport,
) -> Result<(), LinksError> {
    let Some(OnBroken::Statement(statement)) = &source.rule().on_broken else {
        let why = "its rows cannot be told apart, so that on_broken must be a statement";
        return Err(LinksError::rule(&source.rule().name, why));
    };
    // Read whole before the first is changed: what a query shows meanwhile is
    // anybody's guess.
    let (mut rows, mut seen) = (Vec::new(), HashSet::new());
    source.read_within(write, &mut |told| {
        if let Ok(row) = told {
            let print = fingerprint(&row);
            if wanted.contains(&print) {
                seen.insert(print);
                rows.push(row);
            }
        }
        Ok(())
    })?;
    report.changed_meanwhile += (wanted.len() - seen.len()) as u64;
    for row in &rows {
        run(write, source, statement, row, report)?;
    }
    Ok(())
}

/// The condition under which a row is the one that is meant, with its values.
pub(crate) fn condition(conditions: &[(String, Value)]) -> (String, Vec<Value>) {
    let words = conditions.iter().enumerate().map(|(at, (name, _))| {
        // Whatever the column counts as equal.
        format!("{} COLLATE BINARY IS ?{}", quoted(name), at + 1)
    });
    let values = conditions.iter().map(|(_, value)| value.clone()).collect();
    (words.collect::<Vec<_>>().join(" AND "), values)
}

/// What stands for a row: 128 bits of all that is known of it.
fn fingerprint(row: &Mention) -> u128 {
    let mut bytes = Vec::new();
    row.payload(&mut bytes);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, &row.key, &bytes).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}
