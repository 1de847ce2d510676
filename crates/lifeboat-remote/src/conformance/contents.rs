//! Objects: their bytes, sizes and names.

use bytes::Bytes;

use super::{Report, Run};
use crate::error::{Failure, RemoteError};
use crate::remote::Created;

const LARGE: &str = "an object of the largest size is given back whole, and from its end";
const EMPTY: &str = "an object without bytes is one";
const NAMES: &str = "keys are kept as they are";
const OVER: &str = "what was put over another object is seen at once";
const SIZES: &str = "sizes are told, and an object larger than it can be is not read";

impl Run<'_> {
    pub(super) async fn contents(&self, report: &mut Report) {
        report.checked(LARGE, self.large().await);
        report.checked(EMPTY, self.empty().await);
        report.checked(NAMES, self.names().await);
        report.checked(OVER, self.over().await);
        report.checked(SIZES, self.sizes().await);
    }

    async fn large(&self) -> Result<Option<String>, RemoteError> {
        let key = self.key("large");
        // No two pieces of it are alike.
        let words = self.options.large / 4;
        let bytes: Vec<u8> =
            (0..words as u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let bytes = Bytes::from(bytes);
        let pieces = bytes.chunks(256 * 1024).map(|piece| bytes.slice_ref(piece)).collect();
        let created = self.remote.create_of_parts(&key, pieces).await?;
        let size = bytes.len() as u64;
        let whole = self.remote.get(&key, size).await?;
        let end = self.remote.get_range(&key, size - 65_536..size).await?;
        self.gone(&[key]).await;
        Ok(match (created, whole, end) {
            (Created::Exists, ..) => Some("it was there before it was made".to_owned()),
            (_, whole, _) if whole.as_ref() != Some(&bytes) => Some("other bytes".to_owned()),
            (_, _, end) if end != Some(bytes.slice(bytes.len() - 65_536..)) => {
                Some("its end is another one".to_owned())
            }
            _ => None,
        })
    }

    async fn empty(&self) -> Result<Option<String>, RemoteError> {
        let key = self.key("empty");
        let _: Created = self.remote.create(&key, Bytes::new()).await?;
        let (size, read) = (self.remote.size(&key).await?, self.remote.get(&key, 10).await?);
        self.gone(&[key]).await;
        let is_one = size == Some(0) && read.as_ref().is_some_and(Bytes::is_empty);
        Ok((!is_one).then(|| format!("size {size:?}, read {read:?}")))
    }

    async fn names(&self) -> Result<Option<String>, RemoteError> {
        let long = "n".repeat(100);
        let names = ["a%20b", "a.b-c_d", "A", "a", "50%25", "00000000000000000001", &long];
        let keys: Vec<String> =
            names.iter().map(|name| self.key(format_args!("n/{name}"))).collect();
        for key in &keys {
            let _: Created = self.remote.create(key, key.clone().into()).await?;
        }
        let mut wrong = Vec::new();
        for key in &keys {
            if self.remote.get(key, 1000).await?.as_deref() != Some(key.as_bytes()) {
                wrong.push(format!("{key} has other bytes"));
            }
        }
        let listed = self.remote.list(&self.key("n")).await?;
        for key in keys.iter().filter(|key| !listed.iter().any(|one| one.key == **key)) {
            wrong.push(format!("{key} is not listed"));
        }
        self.gone(&keys).await;
        Ok((!wrong.is_empty()).then(|| wrong.join(", ")))
    }

    async fn over(&self) -> Result<Option<String>, RemoteError> {
        let key = self.key("over");
        for round in 0..10 {
            let text = format!("round {round}");
            self.remote.put_own(&key, text.clone().into()).await?;
            let seen = self.remote.get(&key, 100).await?;
            if seen.as_deref() != Some(text.as_bytes()) {
                return Ok(Some(format!("in round {round} there was {seen:?}")));
            }
        }
        self.gone(&[key]).await;
        Ok(None)
    }

    async fn sizes(&self) -> Result<Option<String>, RemoteError> {
        let key = self.key("sized");
        let _: Created = self.remote.create(&key, "twelve bytes".into()).await?;
        let size = self.remote.size(&key).await?;
        let read = self.remote.get(&key, 11).await;
        self.gone(&[key]).await;
        Ok(match read {
            Err(error) if error.what == Failure::TooLarge && size == Some(12) => None,
            read => Some(format!("size {size:?}, read {read:?}")),
        })
    }

    /// Takes scratch away; where deletes are refused it stays.
    pub(super) async fn gone(&self, keys: &[String]) {
        let _ = self.remote.delete(keys).await;
    }
}
