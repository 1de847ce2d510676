//! What is stored: bytes, a file, or an object that lies elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::AsyncReadExt;

use super::error::ObjectError;
use super::provider::{ObjectInfo, ObjectProvider};

/// Bytes as they come, piece by piece.
pub type Chunks = BoxStream<'static, Result<Bytes, ObjectError>>;

/// How much of a file is read at once.
const CHUNK: usize = 1024 * 1024;

/// What is to be stored. It can be read as often as there are providers to try,
/// and is never in memory as a whole, unless it was given so.
#[derive(Clone)]
pub struct Content {
    size: u64,
    from: Origin,
    content_type: Option<String>,
    metadata: BTreeMap<String, String>,
}

#[derive(Clone)]
enum Origin {
    Bytes(Bytes),
    File(PathBuf),
    Object(Arc<dyn ObjectProvider>, String),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Content {
    fn new(size: u64, from: Origin) -> Self {
        Self { size, from, content_type: None, metadata: BTreeMap::new() }
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(bytes.len() as u64, Origin::Bytes(bytes))
    }

    /// A file, which must not change before it is stored.
    pub async fn file(path: impl AsRef<Path>) -> Result<Self, ObjectError> {
        let path = path.as_ref().to_owned();
        let content = |source| ObjectError::Content { path: path.clone(), source };
        let about = tokio::fs::metadata(&path).await.map_err(content)?;
        if !about.is_file() {
            return Err(content(std::io::Error::other("it is no file")));
        }
        Ok(Self::new(about.len(), Origin::File(path)))
    }

    /// An object that another provider has.
    pub(super) fn object(from: Arc<dyn ObjectProvider>, key: &str, info: &ObjectInfo) -> Self {
        Self {
            content_type: info.content_type.clone(),
            metadata: info.metadata.clone(),
            ..Self::new(info.size, Origin::Object(from, key.to_owned()))
        }
    }

    /// What kind of content it is, such as `image/jpeg`.
    #[must_use]
    pub fn with_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// A name and a value that are kept beside it.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What kind of content it is.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// What is kept beside it.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Its bytes, from the beginning.
    pub async fn open(&self) -> Result<Chunks, ObjectError> {
        match &self.from {
            Origin::Bytes(bytes) => {
                let bytes = bytes.clone();
                Ok(futures::stream::once(async move { Ok(bytes) }).boxed())
            }
            Origin::File(path) => read_file(path.clone()).await,
            Origin::Object(provider, key) => match provider.get(key).await? {
                Some(object) => Ok(object.into_chunks()),
                None => Err(ObjectError::Missing {
                    key: key.clone(),
                    asked: vec![provider.name().to_owned()],
                }),
            },
        }
    }

    /// Refuses what not all stores keep alike.
    pub(super) fn check(&self) -> Result<(), ObjectError> {
        let plain = |value: &str| value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let word = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        let odd = self.metadata.iter().find(|(name, value)| {
            // Blanks at the ends are lost in headers.
            !word(name) || !plain(value) || value.trim() != value.as_str()
        });
        if let Some((name, _)) = odd {
            return Err(ObjectError::Metadata { name: name.clone() });
        }
        match self.content_type() {
            Some(text) if text.is_empty() || !plain(text) => {
                Err(ObjectError::Metadata { name: "content type".to_owned() })
            }
            _ => Ok(()),
        }
    }
}

async fn read_file(path: PathBuf) -> Result<Chunks, ObjectError> {
    let content = |path: &Path, source| ObjectError::Content { path: path.to_owned(), source };
    let file = tokio::fs::File::open(&path).await.map_err(|source| content(&path, source))?;
    let chunks = futures::stream::try_unfold((file, path), move |(mut file, path)| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        let limited = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await;
        let read = limited.map_err(|source| content(&path, source))?;
        Ok((read > 0).then(|| (Bytes::from(chunk), (file, path))))
    });
    Ok(chunks.boxed())
}
