//! What a bucket does against deletion.

use lifeboat_remote::{ObjectLock, Protection, Remote, RemoteError, Versioning, is_local_path};

use super::{Finding, Level, causes};

/// Whether what is deleted from a place can be had back, as far as the store
/// tells. Nothing for a local directory.
pub async fn protection(about: &str, url: &str, remote: &Remote) -> Vec<Finding> {
    if is_local_path(url) {
        return Vec::new();
    }
    let (versions, lock) = (format!("{about}: versioning"), format!("{about}: object lock"));
    let Some(Protection { versioning, object_lock, .. }) = remote.protection().await else {
        let text = "whether what is deleted can be had back is not known: this kind of store is \
                    not asked";
        return vec![Finding::bad(Level::Warning, versions, text, by_hand(url))];
    };
    let bucket = bucket(url);
    let holds = matches!(object_lock, Ok(ObjectLock::Holds { .. }));
    vec![
        match versioning {
            Ok(Versioning::Enabled) => Finding::ok(
                versions,
                "on: what is deleted can be had back. What prune deletes is billed until a \
                 lifecycle rule of the bucket ends old versions",
            ),
            Ok(_) if holds => Finding::ok(versions, "off; object lock holds what is written"),
            Ok(found) => {
                let how = if found == Versioning::Suspended { "suspended" } else { "off" };
                let text = format!(
                    "{how}: whoever has credentials that may delete can delete the backups for good"
                );
                let fix = format!(
                    "aws s3api put-bucket-versioning --bucket '{bucket}' \
                     --versioning-configuration Status=Enabled"
                );
                Finding::bad(Level::Warning, versions, text, fix)
            }
            Err(error) => unknown(versions, &error, "s3:GetBucketVersioning"),
        },
        match object_lock {
            Ok(ObjectLock::Off) => Finding::ok(lock, "off: nothing but permissions holds objects"),
            Ok(ObjectLock::OnRequest) => {
                Finding::ok(lock, "on, without a default time: it holds nothing that backups write")
            }
            Ok(ObjectLock::Holds { time, compliance }) => {
                let who = if compliance { "nobody can end it sooner" } else { "governance mode" };
                Finding::ok(lock, format!("on: it holds what is written for {time}, {who}"))
            }
            Ok(_) => Finding::ok(lock, "on"),
            Err(error) => unknown(lock, &error, "s3:GetBucketObjectLockConfiguration"),
        },
    ]
}

/// Not known is said as that, and is no sign of anything.
fn unknown(about: String, error: &RemoteError, permission: &str) -> Finding {
    let text = format!("not known: failed to {}", causes(error));
    let fix = format!("allow {permission} for a moment, or look at the settings of the bucket");
    Finding::bad(Level::Warning, about, text, fix)
}

/// Where the answer is to be had.
fn by_hand(url: &str) -> String {
    let bucket = bucket(url);
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("gs") => format!(
            "gcloud storage buckets describe 'gs://{bucket}' \
             --format='yaml(versioning_enabled,soft_delete_policy,retention_policy)'"
        ),
        Some("az") => "az storage account blob-service-properties show --account-name ACCOUNT \
                       --query '[isVersioningEnabled,deleteRetentionPolicy]'"
            .into(),
        _ => "look at the settings of the bucket".into(),
    }
}

/// The name of the bucket in a URL. That of R2 has the account before it.
fn bucket(url: &str) -> &str {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or(path);
    if scheme == "r2" { parts.next().unwrap_or(first) } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_in_urls() {
        assert_eq!(bucket("s3://b/x/y?region=z"), "b");
        assert_eq!(bucket("s3://b?region=z"), "b");
        assert_eq!(bucket("r2://account/b/x"), "b");
    }

    /// A store that nobody asks is not said to protect anything.
    #[tokio::test]
    async fn what_is_not_known() {
        let remote = Remote::memory();
        let found = protection("here", "gs://b/x", &remote).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].level, Level::Warning);
        assert!(found[0].text.contains("not known"), "{found:?}");
        assert!(found[0].fix.as_deref().is_some_and(|fix| fix.contains("'gs://b'")), "{found:?}");
        assert!(protection("here", "./backups", &remote).await.is_empty());
    }
}
