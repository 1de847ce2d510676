//! What a rule says: where keys stand, what they mean, and what is done about
//! those whose object is missing.

use crate::form::Form;

/// Where keys stand in a database, and what they mean.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// Where the keys stand.
    pub origin: Origin,
    /// How they stand there.
    pub form: Form,
    /// The column of the same row that says with which provider an object lies.
    pub provider_column: Option<String>,
    /// The values of it, or the providers of placements, that mean this store; an
    /// empty text stands for none. All others lie elsewhere.
    pub providers: Vec<String>,
    /// The column of the same row that has the size of the object.
    pub size_column: Option<String>,
    /// The column of the same row that has its ETag or MD5, in hexadecimal.
    pub digest_column: Option<String>,
    /// What is done with a row whose object is missing.
    pub on_broken: Option<OnBroken>,
    /// The statement that inserts the row of a test, with `:key`.
    pub probe_insert: Option<String>,
    /// The statement that takes it away; needed where the keys come of a query.
    pub probe_delete: Option<String>,
}

/// Where keys stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// In columns.
    Columns(Vec<Column>),
    /// In the first column of a query; its other columns say which row it is.
    Query(String),
}

impl Default for Origin {
    fn default() -> Self {
        Self::Columns(Vec::new())
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The table.
    pub table: String,
    /// Its column.
    pub column: String,
}

impl Column {
    /// Understands `table.column`.
    pub fn parse(text: &str) -> Option<Self> {
        let (table, column) = text.rsplit_once('.')?;
        (!table.is_empty() && !column.is_empty())
            .then(|| Self { table: table.to_owned(), column: column.to_owned() })
    }
}

/// What is done with a row whose object is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnBroken {
    /// The row is deleted.
    Delete,
    /// The column is set to NULL.
    Null,
    /// A statement runs, with `:key` (the key of the object), `:value` (what
    /// stands in the column) and the columns that say which row it is.
    Statement(String),
}

impl OnBroken {
    /// Understands `delete`, `null` or a statement.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "delete" => Self::Delete,
            "null" => Self::Null,
            statement => Self::Statement(statement.to_owned()),
        }
    }
}

impl Rule {
    /// Why deleting or emptying would take more away than a broken key.
    pub(crate) fn cannot_fix(&self) -> Option<&'static str> {
        match (&self.on_broken, &self.origin) {
            (None, _) => Some("on_broken says nothing: delete, null, or a statement"),
            (Some(OnBroken::Statement(_)), _) => None,
            (_, Origin::Query(_)) => {
                Some("the keys come of a query, so that on_broken must be a statement")
            }
            (_, _) if self.form.json.is_some() => Some(
                "the column holds more than a key (json_path), so that on_broken must be a \
                 statement",
            ),
            _ => None,
        }
    }
}
