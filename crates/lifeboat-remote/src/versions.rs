//! What a bucket keeps of an object that was deleted.

use crate::objects::ObjectError;
use crate::remote::Remote;

/// A version of an object that is there no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// What the store calls it.
    pub id: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Remote {
    /// The newest version of an object that the bucket still has, where it keeps
    /// versions and speaks S3. Whether the object is there now is another question.
    pub async fn last_version(&self, key: &str) -> Result<Option<Version>, ObjectError> {
        #[cfg(feature = "aws")]
        if let Some(bucket) = self.bucket() {
            use crate::error::Failure;
            use crate::remote::{Carried, Doing};

            let doing = Doing { operation: "look for versions of", key };
            let full = self.full_key(key);
            // Marks of deletions stand among the versions, the newest first.
            let query = format!("versions=&prefix={}&max-keys=100", encoded(&full));
            let asked = || {
                let _ = self.count();
                bucket.ask(doing, &query)
            };
            return match self.attempt(doing, &Carried::default(), asked).await {
                Ok(answer) => Ok(newest(&answer, &full)),
                // A store that knows no versions has none.
                Err(error) if matches!(error.what, Failure::Unsupported | Failure::Refused) => {
                    Ok(None)
                }
                Err(error) => Err(error.into()),
            };
        }
        let _ = key;
        Ok(None)
    }

    /// Puts a version back under its key, where nothing lies by now; false if it is
    /// gone, or something does. Cancelled, the object is back whole, or not at all.
    pub async fn restore_version(&self, key: &str, version: &Version) -> Result<bool, ObjectError> {
        self.put_version_back(key, &version.id, version.size).await
    }
}

/// A key as the value of a query.
#[cfg(feature = "aws")]
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The newest version of a key in the answer to a listing of versions.
#[cfg(feature = "aws")]
fn newest(answer: &str, key: &str) -> Option<Version> {
    let element = |text: &str, name: &str| {
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        let (text, _) = after.split_once("</")?;
        Some(unescaped(text))
    };
    answer.split("<Version>").skip(1).find_map(|rest| {
        let (version, _) = rest.split_once("</Version>")?;
        if element(version, "Key")? != key {
            return None;
        }
        let size = element(version, "Size")?.parse().ok()?;
        Some(Version { id: element(version, "VersionId")?, size })
    })
}

/// A text of XML as it is meant.
#[cfg(feature = "aws")]
fn unescaped(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::*;

    #[test]
    fn versions_in_an_answer() {
        let answer = "<ListVersionsResult><DeleteMarker><Key>a&amp;b</Key><VersionId>3</VersionId>\
            </DeleteMarker><Version><Key>a&amp;b2</Key><VersionId>9</VersionId><Size>1</Size></Version>\
            <Version><Key>a&amp;b</Key><VersionId>2</VersionId><Size>70</Size></Version>\
            <Version><Key>a&amp;b</Key><VersionId>1</VersionId><Size>50</Size></Version>\
            </ListVersionsResult>";
        let check = |key: &str, expected: Option<(&str, u64)>| {
            let found = newest(answer, key).map(|version| (version.id, version.size));
            assert_eq!(found, expected.map(|(id, size)| (id.to_owned(), size)));
        };
        check("a&b", Some(("2", 70)));
        check("a&b2", Some(("9", 1)));
        check("a", None);
        assert_eq!(encoded("ü a/b"), "%C3%BC%20a%2Fb");
    }
}
