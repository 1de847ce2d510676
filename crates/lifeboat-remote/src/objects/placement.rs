//! Where an object lies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::provider::ObjectInfo;

/// Where an object lies: what a caller keeps in a database of its own.
///
/// Everything but the key may be missing, so that rows that are older than the
/// column of the provider can be read as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Placement {
    /// The provider that took it. None is the primary, the first of a
    /// [`FallbackStore`](super::FallbackStore): before there was a column for it,
    /// there was no other.
    #[serde(default)]
    pub provider: Option<String>,
    /// Its key there.
    pub key: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// What the store calls these bytes; it means something to that store alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What kind of content it is, such as `image/jpeg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Names and values kept beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Placement {
    /// Of an object that was stored before anybody wrote down where.
    pub fn unknown(key: impl Into<String>) -> Self {
        Self {
            provider: None,
            key: key.into(),
            size: None,
            etag: None,
            content_type: None,
            metadata: BTreeMap::new(),
        }
    }

    /// Of an object with a provider of this name.
    pub fn at(provider: impl Into<String>, key: impl Into<String>) -> Self {
        Self { provider: Some(provider.into()), ..Self::unknown(key) }
    }

    pub(super) fn of(provider: &str, key: &str, info: ObjectInfo) -> Self {
        Self {
            provider: Some(provider.to_owned()),
            key: key.to_owned(),
            size: Some(info.size),
            etag: info.etag,
            content_type: info.content_type,
            metadata: info.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_older_than_the_column_is_understood() {
        let check = |text: &str, provider: Option<&str>, size: Option<u64>| {
            let placement: Placement = serde_json::from_str(text).expect("is a placement");
            assert_eq!((placement.provider.as_deref(), placement.size), (provider, size), "{text}");
        };
        check(r#"{"key":"a"}"#, None, None);
        check(r#"{"key":"a","provider":null,"size":3}"#, None, Some(3));
        check(r#"{"key":"a","provider":"s3","a later field":1}"#, Some("s3"), None);
    }

    #[test]
    fn it_comes_back_as_it_was_written() {
        let mut placement = Placement::at("s3", "photos/1.jpg");
        placement.size = Some(7);
        placement.metadata.insert("by".into(), "ada".into());
        let text = serde_json::to_string(&placement).expect("is written");
        let expected = r#"{"provider":"s3","key":"photos/1.jpg","size":7,"metadata":{"by":"ada"}}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Placement>(&text).expect("is read"), placement);
    }
}
