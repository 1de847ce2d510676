//! What a path or URL names.

use std::path::{Path, PathBuf};

use url::Url;

use crate::error::OpenError;
use crate::options::{Provider, RemoteOptions};

/// What a text names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// A directory of this machine.
    Directory(PathBuf),
    /// Memory.
    Memory,
    /// A bucket somewhere else.
    Bucket(Bucket),
}

/// A bucket, or a container on Azure, and where in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) provider: Provider,
    pub(crate) name: String,
    pub(crate) prefix: String,
    /// R2: the account, which is part of the endpoint.
    pub(crate) account: Option<String>,
    /// What to show: the URL without its query.
    pub(crate) shown: String,
}

impl Bucket {
    /// Recognises the place from one run to the next, however it was reached.
    #[cfg(any(test, feature = "http-stores"))]
    pub(crate) fn identity(&self, endpoint: Option<&str>) -> String {
        let host = endpoint.map(|endpoint| {
            let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
            format!("@{}", host.trim_end_matches('/').to_ascii_lowercase())
        });
        format!("{}{}", self.shown, host.unwrap_or_default())
    }
}

impl Place {
    /// Understands a text, and sets the options that stand in it.
    pub(crate) fn parse(text: &str, options: &mut RemoteOptions) -> Result<Self, OpenError> {
        let Some((scheme, _)) = text.split_once("://") else {
            // A directory of such a name would be a mistake that nobody sees.
            let schemes = ["s3:", "r2:", "gs:", "az:", "file:", "memory:"];
            if schemes.iter().any(|scheme| text.starts_with(scheme)) {
                let source = url::ParseError::RelativeUrlWithoutBase;
                return Err(OpenError::NotAUrl { url: without_secrets(text), source });
            }
            return Ok(Self::Directory(PathBuf::from(text)));
        };
        let not_a_url = |source| OpenError::NotAUrl { url: without_secrets(text), source };
        let url = Url::parse(text).map_err(not_a_url)?;
        let place = match scheme {
            "file" => match url.to_file_path() {
                Ok(path) => Self::Directory(path),
                Err(()) => {
                    return Err(OpenError::NoDirectory { path: PathBuf::from(url.path()) });
                }
            },
            "memory" => Self::Memory,
            "s3" => Self::Bucket(bucket(&url, Provider::S3, text)?),
            "r2" => Self::Bucket(r2(&url, text)?),
            "gs" => Self::Bucket(bucket(&url, Provider::Gcs, text)?),
            "az" => Self::Bucket(bucket(&url, Provider::Azure, text)?),
            _ => return Err(OpenError::UnknownScheme { scheme: scheme.to_owned() }),
        };
        options.set_from_query(&url).map_err(OpenError::Option)?;
        Ok(place)
    }

    /// Whose it is.
    pub(crate) fn provider(&self) -> Provider {
        match self {
            Self::Directory(_) => Provider::Directory,
            Self::Memory => Provider::Memory,
            Self::Bucket(bucket) => bucket.provider,
        }
    }
}

/// Whether a text names a plain local directory, which a first backup may make
/// and a new owner may adopt.
pub fn is_local_path(text: &str) -> bool {
    matches!(Place::parse(text, &mut RemoteOptions::default()), Ok(Place::Directory(_)))
}

/// A path or URL without what may be secret: user, password, query and fragment.
pub fn without_secrets(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    match text[..end].split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => text.to_owned(),
    }
}

fn bucket(url: &Url, provider: Provider, text: &str) -> Result<Bucket, OpenError> {
    let shown = without_secrets(text).trim_end_matches('/').to_owned();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OpenError::SecretInUrl { url: shown });
    }
    let name = match (url.host_str(), url.port()) {
        (Some(name), None) if !name.is_empty() => name.to_owned(),
        _ => return Err(OpenError::NoBucket { url: shown }),
    };
    if url.fragment().is_some() {
        return Err(OpenError::Prefix { url: shown });
    }
    let prefix = url.path().trim_matches('/').to_owned();
    // What is strange in a path is strange in different ways to each store.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.!*'()=+,@:".contains(c);
    let parts = prefix.split('/');
    let good =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
    if !prefix.is_empty() && !parts.clone().all(good) {
        return Err(OpenError::Prefix { url: shown });
    }
    Ok(Bucket { provider, name, prefix, account: None, shown })
}

/// `r2://account/bucket/prefix`.
fn r2(url: &Url, text: &str) -> Result<Bucket, OpenError> {
    let whole = bucket(url, Provider::S3, text)?;
    let (name, prefix) = whole.prefix.split_once('/').unwrap_or((&whole.prefix, ""));
    if name.is_empty() {
        return Err(OpenError::NoBucket { url: whole.shown });
    }
    Ok(Bucket {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        account: Some(whole.name.clone()),
        ..whole
    })
}

/// What recognises the store in a directory ([`Remote::identity`]), whether the
/// directory is there or not: a disk may not be mounted.
///
/// [`Remote::identity`]: crate::Remote::identity
pub fn directory_identity(place: &str) -> String {
    let path = Path::new(place.strip_prefix("file://").unwrap_or(place));
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // As far as it is there, as the system knows it.
    let known = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)));
    let known = known.map(|(there, canonical)| match path.strip_prefix(there) {
        Ok(rest) if !rest.as_os_str().is_empty() => canonical.join(rest),
        _ => canonical,
    });
    format!("file://{}", known.unwrap_or(path).display())
}

/// A directory, as the system knows it.
pub(crate) fn directory(path: &Path) -> Result<PathBuf, OpenError> {
    match path.canonicalize() {
        Ok(canonical) if canonical.is_dir() => Ok(canonical),
        Ok(_) => {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            Err(OpenError::Directory { path: path.to_owned(), source })
        }
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(OpenError::NoDirectory { path: path.to_owned() })
        }
        Err(source) => Err(OpenError::Directory { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, OpenError> {
        Place::parse(text, &mut RemoteOptions::default())
    }

    #[test]
    fn a_directory_is_recognised_before_and_after() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("disk/backups");
        let text = path.to_str().expect("UTF-8");
        let before = directory_identity(text);
        let remote = crate::Remote::open_or_create(text).expect("opens");
        assert_eq!((remote.identity(), directory_identity(text).as_str()), (&*before, &*before));
        assert_eq!(directory_identity(&format!("file://{text}")), before);
    }

    #[test]
    fn what_is_a_local_path() {
        for local in ["./backups", "/var/backups", "backups", "file:///tmp/x", "a:b"] {
            assert!(is_local_path(local), "{local}");
        }
        for other in ["memory://", "s3://bucket", "file://host/x"] {
            assert!(!is_local_path(other), "{other}");
        }
    }

    #[test]
    fn buckets_and_prefixes() {
        let check = |text: &str, name: &str, prefix: &str, account: Option<&str>| {
            let Ok(Place::Bucket(bucket)) = parse(text) else { panic!("{text}") };
            assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), (name, prefix), "{text}");
            assert_eq!(bucket.account.as_deref(), account, "{text}");
            assert!(!bucket.shown.contains('?'), "{text}");
        };
        check("s3://bucket", "bucket", "", None);
        check("s3://bucket/a/b/?region=x", "bucket", "a/b", None);
        check("s3://my.bucket/a", "my.bucket", "a", None);
        check("gs://bucket/x", "bucket", "x", None);
        check("az://container/x", "container", "x", None);
        check("r2://0123abcd/bucket/x/y", "bucket", "x/y", Some("0123abcd"));
    }

    #[test]
    fn what_is_no_place() {
        let kind = |text: &str| parse(text).expect_err("no place");
        assert!(
            matches!(kind("gopher://x/y"), OpenError::UnknownScheme { scheme } if scheme == "gopher")
        );
        assert!(matches!(kind("s3:///x"), OpenError::NotAUrl { .. } | OpenError::NoBucket { .. }));
        assert!(matches!(kind("s3://bucket:9000/x"), OpenError::NoBucket { .. }));
        assert!(matches!(kind("r2://account"), OpenError::NoBucket { .. }));
        assert!(matches!(kind("s3://bucket/a//b"), OpenError::Prefix { .. }));
        assert!(matches!(kind("s3://bucket/a%2Fb"), OpenError::Prefix { .. }));
        assert!(matches!(kind("s3://bucket/a#b"), OpenError::Prefix { .. }));
        assert!(matches!(kind("s3://b?regoin=x"), OpenError::Option(_)));
    }

    #[test]
    fn secrets_in_urls_are_refused_and_not_repeated() {
        for text in ["s3://key:hush@bucket/x", "s3://b?secret_access_key=hush", "s3://[hush?hush"] {
            let error = parse(text).expect_err("a secret");
            assert!(!format!("{error} {error:?}").contains("key:hush"), "{error}");
            assert!(!format!("{error:?}").contains("=hush"), "{error:?}");
        }
    }

    #[test]
    fn the_same_place_has_the_same_identity() {
        let of = |text: &str, endpoint: Option<&str>| match parse(text) {
            Ok(Place::Bucket(bucket)) => bucket.identity(endpoint),
            _ => panic!("{text}"),
        };
        assert_eq!(of("s3://b/x/?region=a", None), of("s3://b/x", None));
        assert_eq!(of("s3://b", Some("https://H/")), of("s3://b", Some("http://h")));
        assert_ne!(of("s3://b", Some("http://h:1")), of("s3://b", None));
    }
}
