//! A row that names an object, and whoever knows such rows.

use lifeboat_sqlite::Value;

use crate::database::DatabaseMentions;
use crate::encode::{Taken, put_bytes, put_number, put_value};
use crate::error::LinksError;
use crate::rule::Rule;

/// A row that names an object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Mention {
    /// The key of the object.
    pub key: String,
    /// Which of the rules that are compared with one store it comes of.
    pub rule: usize,
    /// Which of the rule's columns.
    pub column: usize,
    /// What stands there.
    pub value: Value,
    /// What the column of the provider says, where there is one.
    pub provider: Option<Value>,
    /// What says which row it is.
    pub row: Vec<Value>,
    /// The size that the object should have.
    pub size: Option<u64>,
    /// Its ETag or MD5.
    pub digest: Option<String>,
}

impl Mention {
    /// Everything but the key.
    pub(crate) fn payload(&self, out: &mut Vec<u8>) {
        out.clear();
        put_number(out, self.rule as u64);
        put_number(out, self.column as u64);
        let same = matches!(&self.value, Value::Text(text) if *text == self.key);
        let has = |is: bool, bit: u8| if is { bit } else { 0 };
        out.push(
            has(same, 1)
                | has(self.provider.is_some(), 2)
                | has(self.size.is_some(), 4)
                | has(self.digest.is_some(), 8),
        );
        if !same {
            put_value(out, &self.value);
        }
        if let Some(provider) = &self.provider {
            put_value(out, provider);
        }
        if let Some(size) = self.size {
            put_number(out, size);
        }
        if let Some(digest) = &self.digest {
            put_bytes(out, digest.as_bytes());
        }
        put_number(out, self.row.len() as u64);
        self.row.iter().for_each(|value| put_value(out, value));
    }

    pub(crate) fn of(key: &[u8], payload: &[u8]) -> Option<Self> {
        let mut taken = Taken(payload);
        let key = String::from_utf8(key.to_vec()).ok()?;
        let rule = usize::try_from(taken.number()?).ok()?;
        let column = usize::try_from(taken.number()?).ok()?;
        let has = taken.byte()?;
        let value = if has & 1 != 0 { Value::Text(key.clone()) } else { taken.value()? };
        let provider = if has & 2 != 0 { Some(taken.value()?) } else { None };
        let size = if has & 4 != 0 { Some(taken.number()?) } else { None };
        let digest = if has & 8 != 0 { Some(taken.text()?) } else { None };
        let count = taken.number()?;
        let row = (0..count).map(|_| taken.value()).collect::<Option<_>>()?;
        Some(Self { key, rule, column, value, provider, row, size, digest })
    }
}

/// A value that names no object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Passed {
    /// It names something that lies elsewhere.
    Elsewhere,
    /// It is no key, and why.
    Unusable {
        /// The row, with what stands there, as a text, in the place of the key.
        row: Box<Mention>,
        /// Why it names nothing.
        why: &'static str,
    },
}

/// Who is told of rows.
pub type Each<'a> = dyn FnMut(Result<Mention, Passed>) -> Result<(), LinksError> + 'a;

/// Knows the rows of one rule. A database does, and so does a list that somebody
/// made of another one.
pub trait Mentions: Send + Sync {
    /// The rule.
    fn rule(&self) -> &Rule;

    /// Tells of every row, in any order. Called again, it reads again, as far as
    /// what it reads can have changed.
    fn read(&self, each: &mut Each<'_>) -> Result<(), LinksError>;

    /// What says which row it is: names of columns and their values, the key's and
    /// the provider's column among them; and the table. Nothing where it is the row
    /// of a query.
    fn identity(&self, mention: &Mention) -> Option<(String, Vec<(String, Value)>)>;

    /// The database, where it is one that can be mended.
    fn database(&self) -> Option<&DatabaseMentions> {
        None
    }

    /// The values that a statement may use besides `:key` and `:value`.
    fn named(&self, mention: &Mention) -> Vec<(String, Value)>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_come_back() {
        let plain = Mention {
            key: "a/ü".into(),
            rule: 300,
            column: 1,
            value: Value::Text("a/ü".into()),
            provider: None,
            row: vec![Value::Integer(-7)],
            size: None,
            digest: None,
        };
        let full = Mention {
            value: Value::Blob(vec![1, 2]),
            provider: Some(Value::Null),
            size: Some(1 << 40),
            digest: Some("0f".into()),
            row: vec![Value::Text("x".into()), Value::Null],
            ..plain.clone()
        };
        for mention in [plain, full] {
            let mut payload = Vec::new();
            mention.payload(&mut payload);
            assert_eq!(Mention::of(mention.key.as_bytes(), &payload), Some(mention));
        }
    }
}
