//! From what a person types to a store.

#[cfg(feature = "azure")]
mod azure;
mod directory;
#[cfg(feature = "http-stores")]
mod environment;
#[cfg(feature = "gcp")]
mod gcs;
#[cfg(feature = "http-stores")]
mod plain;
#[cfg(feature = "aws")]
mod s3;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use object_store::memory::InMemory;

use crate::error::OpenError;
#[cfg(feature = "http-stores")]
use crate::options::Provider;
use crate::options::{OptionError, RemoteOptions};
use crate::place::{Bucket, Place};
use crate::remote::Remote;

#[cfg(feature = "aws")]
pub(crate) use self::s3::AboutBucket;

impl Remote {
    /// Opens the store that a path or URL names, with the options that stand in
    /// its query and in the environment. A local directory must exist; nothing
    /// is asked of a store elsewhere before the first operation.
    pub fn open(text: &str) -> Result<Self, OpenError> {
        Self::open_with(text, RemoteOptions::default())
    }

    /// As [`open`](Self::open), with options; those in the URL's query win.
    pub fn open_with(text: &str, mut options: RemoteOptions) -> Result<Self, OpenError> {
        let place = checked(text, &mut options)?;
        match place {
            Place::Directory(path) => directory::open(&path, text, &options),
            Place::Memory => Ok(Self::memory().with_limits(&options)),
            Place::Bucket(bucket) => open_bucket(&bucket, &options),
        }
    }

    /// Whether a path or URL, with options, makes sense. Nothing is opened, made
    /// or asked.
    pub fn understand(text: &str, mut options: RemoteOptions) -> Result<(), OpenError> {
        checked(text, &mut options).map(drop)
    }

    /// As [`open`](Self::open), but a local directory that does not exist is
    /// made, with its parents.
    pub fn open_or_create(text: &str) -> Result<Self, OpenError> {
        Self::open_or_create_with(text, RemoteOptions::default())
    }

    /// As [`open_or_create`](Self::open_or_create), with options.
    pub fn open_or_create_with(text: &str, options: RemoteOptions) -> Result<Self, OpenError> {
        if let Place::Directory(path) = Place::parse(text, &mut options.clone())? {
            crate::folders::make_directory(&path)
                .map_err(|source| OpenError::Directory { path: path.clone(), source })?;
        }
        Self::open_with(text, options)
    }

    /// A store in memory, which is gone when it is dropped. Each is another one,
    /// also to whoever remembers what they saw where.
    pub fn memory() -> Self {
        let number = RandomState::new().build_hasher().finish();
        Self::from_store(Arc::new(InMemory::new()), "memory://")
            .with_identity(format!("memory://{number:016x}"))
            .with_attributes()
            .trusted()
    }
}

/// The place that a text names, with options that mean something there.
fn checked(text: &str, options: &mut RemoteOptions) -> Result<Place, OpenError> {
    let place = Place::parse(text, options)?;
    options.check_for(place.provider()).map_err(OpenError::Option)?;
    match &place {
        // Only R2 has them, as a part of its endpoint.
        Place::Bucket(Bucket { provider, account: None, .. }) if options.jurisdiction.is_some() => {
            let (name, provider) = ("jurisdiction", *provider);
            Err(OpenError::Option(OptionError::NotFor { name, provider }))
        }
        _ => Ok(place),
    }
}

fn open_bucket(bucket: &Bucket, options: &RemoteOptions) -> Result<Remote, OpenError> {
    match bucket.provider {
        #[cfg(feature = "aws")]
        Provider::S3 => s3::open(bucket, options),
        #[cfg(feature = "gcp")]
        Provider::Gcs => gcs::open(bucket, options),
        #[cfg(feature = "azure")]
        Provider::Azure => azure::open(bucket, options),
        provider => {
            let _ = options;
            Err(OpenError::NotBuilt { provider })
        }
    }
}
