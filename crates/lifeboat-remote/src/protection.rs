//! What a bucket does against deletion, as far as the store tells.

use crate::error::RemoteError;
use crate::remote::Remote;

/// Whether a bucket keeps what is deleted or overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Versioning {
    /// It keeps every version.
    Enabled,
    /// It keeps what it kept before, and nothing new.
    Suspended,
    /// It never did.
    Off,
}

/// Whether a bucket can refuse to delete, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectLock {
    /// It cannot.
    Off,
    /// It can, but holds only what somebody asks it to hold.
    OnRequest,
    /// It holds everything that is written.
    Holds {
        /// For how long, in words, such as "30 days".
        time: String,
        /// Whether nobody at all can end it sooner.
        compliance: bool,
    },
}

/// The answers of a bucket; each may be refused for itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Protection {
    /// Whether it keeps what is deleted.
    pub versioning: Result<Versioning, RemoteError>,
    /// Whether it can refuse to delete.
    pub object_lock: Result<ObjectLock, RemoteError>,
}

impl Remote {
    /// What the bucket does against deletion. Nothing where the store is of a kind
    /// that is not asked: only those are that speak S3.
    pub async fn protection(&self) -> Option<Protection> {
        #[cfg(feature = "aws")]
        if let Some(bucket) = self.bucket() {
            return Some(answers::of(self, bucket).await);
        }
        None
    }
}

#[cfg(feature = "aws")]
mod answers {
    use super::{ObjectLock, Protection, Versioning};
    use crate::error::RemoteError;
    use crate::open::AboutBucket;
    use crate::remote::{Carried, Doing, Remote};

    pub(super) async fn of(remote: &Remote, bucket: &AboutBucket) -> Protection {
        let ask = async |what: &'static str| {
            let doing = Doing { operation: "ask the bucket for", key: what };
            let asked = || {
                let _ = remote.count();
                bucket.ask(doing, what)
            };
            remote.attempt(doing, &Carried::default(), asked).await
        };
        Protection {
            versioning: ask("versioning").await.map(|answer| versioning(&answer)),
            object_lock: match ask("object-lock").await {
                Ok(answer) => Ok(object_lock(&answer)),
                Err(error) if is_none(&error) => Ok(ObjectLock::Off),
                Err(error) => Err(error),
            },
        }
    }

    /// What S3 says where there is no such configuration.
    fn is_none(error: &RemoteError) -> bool {
        error.code() == Some("ObjectLockConfigurationNotFoundError")
    }

    /// A bucket that never had versions answers without a status.
    pub(super) fn versioning(answer: &str) -> Versioning {
        match element(answer, "Status") {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            _ => Versioning::Off,
        }
    }

    pub(super) fn object_lock(answer: &str) -> ObjectLock {
        if element(answer, "ObjectLockEnabled") != Some("Enabled") {
            return ObjectLock::Off;
        }
        let count = |name: &str, unit: &str| {
            let count = element(answer, name)?;
            Some(format!("{count} {unit}{}", if count == "1" { "" } else { "s" }))
        };
        match count("Days", "day").or_else(|| count("Years", "year")) {
            Some(time) => ObjectLock::Holds {
                time,
                compliance: element(answer, "Mode") == Some("COMPLIANCE"),
            },
            None => ObjectLock::OnRequest,
        }
    }

    /// The text of the first element of a name.
    fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
        let (_, after) = answer.split_once(&format!("<{name}>"))?;
        let (text, _) = after.split_once("</")?;
        Some(text.trim())
    }
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use super::answers::{object_lock, versioning};
    use super::*;

    #[test]
    fn what_buckets_answer() {
        let of = |status: &str| {
            versioning(&format!(
                "<?xml version=\"1.0\"?>\n<VersioningConfiguration xmlns=\"x\">{status}\
                 </VersioningConfiguration>"
            ))
        };
        assert_eq!(of("<Status>Enabled</Status>"), Versioning::Enabled);
        assert_eq!(of("<Status>Suspended</Status>"), Versioning::Suspended);
        assert_eq!(of(""), Versioning::Off);
        let of = |rule: &str| {
            object_lock(&format!(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}\
                 </ObjectLockConfiguration>"
            ))
        };
        assert_eq!(of(""), ObjectLock::OnRequest);
        let rule = |mode: &str, time: &str| {
            of(&format!(
                "<Rule><DefaultRetention><Mode>{mode}</Mode>{time}</DefaultRetention></Rule>"
            ))
        };
        let holds =
            |time: &str, compliance| ObjectLock::Holds { time: time.to_owned(), compliance };
        assert_eq!(rule("COMPLIANCE", "<Days>30</Days>"), holds("30 days", true));
        assert_eq!(rule("GOVERNANCE", "<Years> 1 </Years>"), holds("1 year", false));
        assert_eq!(object_lock("<ObjectLockConfiguration/>"), ObjectLock::Off);
    }
}
