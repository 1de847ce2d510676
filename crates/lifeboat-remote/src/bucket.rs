//! Making the bucket that a URL names.

use crate::error::{OpenError, RemoteError};
use crate::options::RemoteOptions;
use crate::place::{Bucket, Place};
use crate::remote::Remote;

/// Whether a bucket was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBucket {
    /// It was.
    New,
    /// It was there, and is ours to use. Nothing about it was changed.
    WasThere,
}

/// Why a bucket cannot be made. Reads well after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The URL cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A directory has no bucket.
    #[error("make a bucket at {place}, which is in none")]
    NoBucket {
        /// What was named.
        place: String,
    },
    /// The provider's own tool does it.
    #[error("make {place}: that is left to the provider's own tool")]
    NotHere {
        /// The bucket.
        place: String,
        /// What to type.
        command: String,
    },
    /// Bucket names are given once in the world, or once on a server.
    #[error("make the bucket {name}: somebody else has one of that name")]
    Taken {
        /// Its name.
        name: String,
    },
    /// The store does not take such a name.
    #[error("make the bucket {name}: it is no name for one")]
    Name {
        /// Its name.
        name: String,
        /// What the store says.
        #[source]
        source: RemoteError,
    },
    /// The store refuses or fails.
    #[error("make the bucket {name}")]
    Store {
        /// Its name.
        name: String,
        /// What the store says.
        #[source]
        source: RemoteError,
    },
}

impl BucketError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Open(_) => "-r takes a directory or a URL".to_owned(),
            Self::NoBucket { .. } => "leave out --create-bucket".to_owned(),
            Self::NotHere { command, .. } => command.clone(),
            Self::Taken { .. } => "choose another name".to_owned(),
            Self::Name { .. } => {
                "3 to 63 lower-case letters, digits and hyphens are a name everywhere".to_owned()
            }
            Self::Store { source, .. } if source.what == crate::Failure::Denied => {
                "allow s3:CreateBucket, or have the bucket made by who may; one that is there and \
                 refuses access may be somebody else's: choose another name"
                    .to_owned()
            }
            Self::Store { source, .. } => source.hint().to_owned(),
        }
    }
}

impl Remote {
    /// Makes the bucket that a URL names, in the region that is configured, open to
    /// nobody but its owner. One that is there already is left as it is.
    ///
    /// Only what speaks S3 is asked. Cancelled, the bucket is there, empty, or it is
    /// not.
    pub async fn create_bucket(
        text: &str,
        mut options: RemoteOptions,
    ) -> Result<MadeBucket, BucketError> {
        let place = Place::parse(text, &mut options)?;
        options.check_for(place.provider()).map_err(OpenError::Option)?;
        let Place::Bucket(bucket) = place else {
            return Err(BucketError::NoBucket { place: text.to_owned() });
        };
        let remote = Self::open_with(text, options)?;
        make(&remote, &bucket).await
    }
}

#[cfg(feature = "aws")]
async fn make(remote: &Remote, bucket: &Bucket) -> Result<MadeBucket, BucketError> {
    use crate::error::Failure;
    use crate::remote::{Carried, Doing};

    let name = bucket.name.as_str();
    let failed = |source| BucketError::Store { name: name.to_owned(), source };
    let Some(about) = remote.bucket() else { return Err(elsewhere(bucket)) };
    // Looked for first: to make one's own anew resets on Amazon who may use it.
    match remote.get("format/1", 1024 * 1024).await {
        Ok(_) => return Ok(MadeBucket::WasThere),
        Err(error) if error.what == Failure::NoBucket => {}
        Err(error) => return Err(failed(error)),
    }
    let doing = Doing { operation: "make the bucket", key: name };
    let made = || async {
        let _ = remote.count();
        match about.make(doing).await {
            Ok(()) => Ok(Ok(MadeBucket::New)),
            Err(error) => match error.code() {
                Some("BucketAlreadyOwnedByYou") => Ok(Ok(MadeBucket::WasThere)),
                // Said with the status of a conflict, which would be tried again.
                Some("BucketAlreadyExists" | "InvalidBucketName") => Ok(Err(error)),
                _ => Err(error),
            },
        }
    };
    match remote.attempt(doing, &Carried::default(), made).await.map_err(failed)? {
        Ok(made) => Ok(made),
        Err(error) if error.code() == Some("InvalidBucketName") => {
            Err(BucketError::Name { name: name.to_owned(), source: error })
        }
        Err(_) => Err(BucketError::Taken { name: name.to_owned() }),
    }
}

#[cfg(not(feature = "aws"))]
async fn make(_: &Remote, bucket: &Bucket) -> Result<MadeBucket, BucketError> {
    Err(elsewhere(bucket))
}

/// What to type where we do not do it.
fn elsewhere(bucket: &Bucket) -> BucketError {
    let name = &bucket.name;
    let command = match bucket.provider {
        crate::options::Provider::Azure => {
            format!("az storage container create --name {name} --public-access off")
        }
        _ => format!(
            "gcloud storage buckets create gs://{name} --uniform-bucket-level-access \
             --public-access-prevention"
        ),
    };
    BucketError::NotHere { place: bucket.shown.clone(), command }
}
