//! Many objects: listings of several pages, folders, deletes of many.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use super::{Report, Run};
use crate::error::RemoteError;

const ALL: &str = "a listing of several pages shows every object once";
const AFTER: &str = "a listing begins after a key";
const FOLDERS: &str = "the folders in a folder are listed";
const GONE: &str = "many objects are deleted at once, also those that are not there";

impl Run<'_> {
    pub(super) async fn folders(&self, report: &mut Report) {
        if let Err(error) = self.put_many().await {
            return report.checked(ALL, Err(error));
        }
        report.checked(ALL, self.all().await);
        report.checked(AFTER, self.after().await);
        report.checked(FOLDERS, self.names_of_folders().await);
        report.checked(GONE, self.delete_many().await);
    }

    /// So many objects in ten folders.
    fn many(&self) -> Vec<String> {
        let key = |number| self.key(format_args!("many/{}/{number:06}", number % 10));
        (0..self.options.many).map(key).collect()
    }

    async fn put_many(&self) -> Result<(), RemoteError> {
        let puts = self.many().into_iter().map(|key| async move {
            self.remote.create(&key, Bytes::from_static(b"x")).await.map(drop)
        });
        futures::stream::iter(puts).buffer_unordered(16).try_collect().await
    }

    async fn all(&self) -> Result<Option<String>, RemoteError> {
        let listed = self.remote.list(&self.key("many")).await?;
        let mut found: Vec<String> = listed.into_iter().map(|one| one.key).collect();
        let (count, mut wanted) = (found.len(), self.many());
        found.sort();
        wanted.sort();
        Ok((found != wanted).then(|| format!("{count} of {}", wanted.len())))
    }

    async fn after(&self) -> Result<Option<String>, RemoteError> {
        let mut wanted = self.many();
        wanted.sort();
        let (Some(last), Some(before)) = (wanted.last(), wanted.iter().nth_back(1)) else {
            return Ok(None);
        };
        let folder = self.key("many");
        let found = self.remote.any_after(&folder, before, |_| true).await?;
        let none = self.remote.any_after(&folder, last, |_| true).await?;
        let right = found.as_ref() == Some(last) && none.is_none();
        Ok((!right).then(|| format!("after {before} comes {found:?}, after {last} {none:?}")))
    }

    async fn names_of_folders(&self) -> Result<Option<String>, RemoteError> {
        let found = self.remote.folders(&self.key("many")).await?;
        let wanted: Vec<String> =
            (0..10.min(self.options.many)).map(|number| number.to_string()).collect();
        let none = self.remote.folders(&self.key("nothing")).await?;
        let right = found == wanted && none.is_empty();
        Ok((!right).then(|| format!("{found:?}, and where there is nothing {none:?}")))
    }

    async fn delete_many(&self) -> Result<Option<String>, RemoteError> {
        let mut keys = self.many();
        keys.push(self.key("never-put"));
        match self.remote.delete(&keys).await {
            Ok(()) => {}
            // That they are refused was told, and is no failure.
            Err(error) if !error.is_transient() => return Ok(None),
            Err(error) => return Err(error),
        }
        let left = match keys.first() {
            Some(key) => self.remote.size(key).await?,
            None => None,
        };
        Ok(left.map(|_| "the first of them is still there".to_owned()))
    }
}
