//! The bucket of an application's media, which may be open to all: it never
//! receives a backup.

use crate::environment::Environment;

/// A bucket of media, as the environment describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaBucket {
    /// Its name.
    pub bucket: String,
    /// The URL of the service, where it is not the provider's own.
    pub endpoint: Option<String>,
    /// Whether the name of the bucket goes into the path.
    pub path_style: bool,
}

/// The variables that name such a bucket.
pub(crate) const NAMES: [&str; 2] = ["AWS_S3_BUCKET_NAME", "AWS_STORAGE_BUCKET_NAME"];

const LOCALSTACK: &str = "http://localhost:4566";

impl MediaBucket {
    /// The one that `AWS_S3_BUCKET_NAME` or `AWS_STORAGE_BUCKET_NAME` names, on
    /// `AWS_S3_ENDPOINT_URL`, or where `USE_LOCALSTACK` says so, on a local one.
    pub fn of(environment: &Environment) -> Option<Self> {
        let bucket = NAMES.iter().find_map(|name| environment.get(name))?.to_owned();
        let endpoint = environment.get("AWS_S3_ENDPOINT_URL").map(str::to_owned);
        let local = environment.says_yes("USE_LOCALSTACK").then(|| LOCALSTACK.to_owned());
        let path_style = endpoint.is_some() || local.is_some();
        Some(Self { bucket, endpoint: endpoint.or(local), path_style })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<(&str, Option<&str>, bool)>) {
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment = environment.with(name, value);
        }
        let found = MediaBucket::of(&environment);
        let found =
            found.as_ref().map(|m| (m.bucket.as_str(), m.endpoint.as_deref(), m.path_style));
        assert_eq!(found, expected, "{variables:?}");
    }

    #[test]
    fn where_media_are() {
        let name = ("AWS_S3_BUCKET_NAME", "m");
        check(&[], None);
        check(&[("AWS_S3_BUCKET_NAME", "")], None);
        check(&[name], Some(("m", None, false)));
        check(&[("AWS_STORAGE_BUCKET_NAME", "d")], Some(("d", None, false)));
        check(&[name, ("USE_LOCALSTACK", "True")], Some(("m", Some(LOCALSTACK), true)));
        check(&[name, ("USE_LOCALSTACK", "false")], Some(("m", None, false)));
        let endpoint = ("AWS_S3_ENDPOINT_URL", "http://minio:9000");
        let expected = Some(("m", Some("http://minio:9000"), true));
        check(&[name, endpoint], expected);
        check(&[name, endpoint, ("USE_LOCALSTACK", "1")], expected);
    }
}
