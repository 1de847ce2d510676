//! Statements as text, quoted so that no value can be anything else.

use lifeboat_sqlite::Value;

use crate::error::LinksError;
use crate::mention::{Mention, Mentions};
use crate::rule::{OnBroken, Rule};

/// In whose words statements are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite.
    #[default]
    Sqlite,
    /// PostgreSQL, and the standard.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

/// A name as SQLite and the standard quote it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Dialect {
    fn name(self, name: &str) -> String {
        match self {
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
            _ => quoted(name),
        }
    }

    /// A value as a literal. Zero bytes are in no text of PostgreSQL, and end those
    /// of SQLite's shell.
    fn literal(self, value: &Value) -> Option<String> {
        Some(match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => format!("{number:?}"),
            Value::Text(text) if text.contains('\0') => return None,
            Value::Text(text) => {
                let single = text.replace('\'', "''");
                match self {
                    Self::Sqlite => format!("'{single}'"),
                    // Good whatever standard_conforming_strings says.
                    Self::Postgres if text.contains('\\') => {
                        format!("E'{}'", single.replace('\\', "\\\\"))
                    }
                    Self::Postgres => format!("'{single}'"),
                    Self::Mysql => format!("'{}'", single.replace('\\', "\\\\")),
                }
            }
            Value::Blob(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                match self {
                    Self::Postgres => format!("'\\x{hex}'::bytea"),
                    _ => format!("x'{hex}'"),
                }
            }
        })
    }

    /// The statement that does with a row what its rule says, on the condition that
    /// the row still names this key. Ends with `;`.
    pub fn statement(self, source: &dyn Mentions, mention: &Mention) -> Result<String, LinksError> {
        let rule = source.rule();
        let refuse = |why: &str| LinksError::rule(&rule.name, why.to_owned());
        if let Some(why) = rule.cannot_fix() {
            return Err(refuse(why));
        }
        let zero = || refuse("a value contains a zero byte, which no statement can hold");
        if let Some(OnBroken::Statement(text)) = &rule.on_broken {
            return self.filled(rule, text, source, mention);
        }
        let Some((table, conditions)) = source.identity(mention) else {
            return Err(refuse(
                "its rows cannot be told apart (a view), so that on_broken must be a statement",
            ));
        };
        let table = self.name(&table);
        let mut words = Vec::new();
        for (name, value) in &conditions {
            let literal = self.literal(value).ok_or_else(zero)?;
            let name = self.name(name);
            words.push(match (value, self) {
                (Value::Null, _) => format!("{name} IS NULL"),
                (Value::Text(_), Self::Sqlite) => format!("{name} COLLATE BINARY = {literal}"),
                _ => format!("{name} = {literal}"),
            });
        }
        let condition = words.join(" AND ");
        Ok(match rule.on_broken {
            Some(OnBroken::Null) => {
                let column = self.name(&key_column(&conditions, rule));
                format!("UPDATE {table} SET {column} = NULL WHERE {condition};")
            }
            _ => format!("DELETE FROM {table} WHERE {condition};"),
        })
    }

    /// A statement of the user's with its parameters filled in.
    fn filled(
        self,
        rule: &Rule,
        text: &str,
        source: &dyn Mentions,
        mention: &Mention,
    ) -> Result<String, LinksError> {
        let values = parameters(source, mention);
        let (mut out, mut rest) = (String::new(), text);
        // Whatever is quoted or a comment stays as it is.
        while let Some(c) = rest.chars().next() {
            let end = match c {
                '\'' | '"' | '`' => rest[1..].find(c).map(|at| at + 2),
                '-' if rest.starts_with("--") => rest.find('\n'),
                '/' if rest.starts_with("/*") => rest.find("*/").map(|at| at + 2),
                _ => Some(0),
            };
            match end {
                Some(0) => {}
                end => {
                    let end = end.unwrap_or(rest.len());
                    out.push_str(&rest[..end]);
                    rest = &rest[end..];
                    continue;
                }
            }
            // `::` is a cast in PostgreSQL.
            if let Some(after) = rest.strip_prefix("::") {
                out.push_str("::");
                rest = after;
                continue;
            }
            let name = rest.strip_prefix(':').map(|after| {
                let end = after.find(|c: char| !c.is_alphanumeric() && c != '_');
                &after[..end.unwrap_or(after.len())]
            });
            match name.filter(|name| !name.is_empty()) {
                Some(name) => {
                    let value = values.iter().find(|(known, _)| known == name);
                    let Some((_, value)) = value else {
                        return Err(LinksError::rule(&rule.name, unknown(name, &values)));
                    };
                    let literal = self.literal(value).ok_or_else(|| {
                        LinksError::rule(&rule.name, "a value contains a zero byte")
                    })?;
                    out.push_str(&literal);
                    rest = &rest[1 + name.len()..];
                }
                None => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        Ok(format!("{};", out.trim_end().trim_end_matches(';')))
    }
}

/// The name of the column that holds the key, among the conditions.
pub(crate) fn key_column(conditions: &[(String, Value)], rule: &Rule) -> String {
    let without = usize::from(rule.provider_column.is_some());
    let at = conditions.len().saturating_sub(1 + without);
    conditions.get(at).map(|(name, _)| name.clone()).unwrap_or_default()
}

/// What a statement of the user's may use.
pub(crate) fn parameters(source: &dyn Mentions, mention: &Mention) -> Vec<(String, Value)> {
    let mut all = vec![
        ("key".to_owned(), Value::Text(mention.key.clone())),
        ("value".to_owned(), mention.value.clone()),
    ];
    all.extend(source.named(mention));
    all
}

pub(crate) fn unknown(name: &str, values: &[(String, Value)]) -> String {
    let known: Vec<_> = values.iter().map(|(name, _)| format!(":{name}")).collect();
    format!("the statement uses :{name}, and there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_hold_whatever_they_are_given() {
        let check = |dialect: Dialect, text: &str, expected: &str| {
            let literal = dialect.literal(&Value::Text(text.to_owned()));
            assert_eq!(literal.as_deref(), Some(expected));
        };
        check(Dialect::Sqlite, "it's'; DROP TABLE t; --", "'it''s''; DROP TABLE t; --'");
        check(Dialect::Sqlite, r"a\'b", r"'a\''b'");
        check(Dialect::Postgres, r"a\'b", r"E'a\\''b'");
        check(Dialect::Mysql, r"a\'b", r"'a\\''b'");
        assert_eq!(Dialect::Sqlite.literal(&Value::Text("a\0b".into())), None);
        assert_eq!(
            Dialect::Postgres.literal(&Value::Blob(vec![10])).as_deref(),
            Some(r"'\x0a'::bytea")
        );
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
