//! Putting back what is damaged or gone here and whole at another destination.
//!
//! Packs and archives are the same bytes everywhere. What comes from elsewhere is
//! proven against the record of this destination before it is put, so that
//! putting it over what is damaged cannot lose anything: a key of a pack has only
//! ever had these bytes.

use std::collections::HashMap;

use bytes::Bytes;
use lifeboat_format::digest::StreamDigester;
use lifeboat_format::id::PackId;
use lifeboat_format::key;
use lifeboat_format::list::PackEntry;
use lifeboat_format::object::{DecodeError, ObjectKind};
use lifeboat_format::record::{Content, SnapshotBody};
use tokio::sync::mpsc;

use crate::error::{ReadError, WriteError};
use crate::repository::Database;
use crate::snapshots::Snapshot;

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealReport {
    /// The keys of the objects that are whole again, relative to the folder of the
    /// database.
    pub healed: Vec<String>,
    /// The keys of those that are still damaged or gone, and why.
    pub left: Vec<(String, String)>,
}

impl Database {
    /// Reads everything that a snapshot here consists of, and puts back what is
    /// damaged or gone and whole in `source`.
    ///
    /// Killed or cancelled, some objects are whole again and the others are as
    /// they were.
    pub async fn heal_from(
        &self,
        source: &Database,
        snapshot: &Snapshot,
    ) -> Result<HealReport, WriteError> {
        if source.repository().info().repository != self.repository().info().repository {
            let place = source.remote().shown().to_owned();
            return Err(WriteError::OtherRepository { place });
        }
        let mut report = HealReport::default();
        let there = source.snapshots(None).await?;
        let Some(twin) = there.snapshots.iter().find(|one| one.id() == snapshot.id()) else {
            return Ok(report);
        };
        match &snapshot.body().content {
            Content::Pages { .. } => self.heal_packs(source, snapshot, twin, &mut report).await?,
            Content::File { .. } => self.heal_archive(source, snapshot, &mut report).await?,
        }
        Ok(report)
    }

    async fn heal_packs(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        twin: &Snapshot,
        report: &mut HealReport,
    ) -> Result<(), WriteError> {
        let own = match self.pack_list(snapshot.record()).await {
            Ok(list) => list.packs,
            Err(error) if error.is_damage() => {
                let key = self.keys.record(snapshot.number());
                report.left.push((key, error.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let others = source.pack_list(twin.record()).await?.packs;
        let others: HashMap<PackId, PackEntry> =
            others.into_iter().map(|entry| (entry.pack, entry)).collect();
        for entry in &own {
            match self.whole_pack(entry).await {
                Ok(_) => continue,
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error.into()),
            }
            let relative = key::pack(entry);
            let Some(other) = others.get(&entry.pack) else { continue };
            match source.whole_pack(other).await {
                Ok(bytes) => {
                    let key = self.keys.at(&relative);
                    self.remote().put_own(&key, bytes).await.map_err(ReadError::from)?;
                    // What was stored is read back before it counts.
                    self.whole_pack(entry).await?;
                    report.healed.push(relative);
                }
                Err(error) if error.is_damage() => {
                    report.left.push((relative, format!("it is damaged there as well: {error}")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads an archive, and whether it is what its record says.
    async fn check_archive(&self, body: &SnapshotBody) -> Result<(), ReadError> {
        let (Some(name), Content::File { size, digest, .. }) =
            (Database::archive_of(body), &body.content)
        else {
            unreachable!("only called for archives");
        };
        let key = self.keys.at(&key::archive(name));
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let digested = async {
            let mut digester = StreamDigester::default();
            while let Some(bytes) = receiver.recv().await {
                digester.update(&bytes);
            }
            digester.finish()
        };
        let (fetched, found) = futures::join!(self.fetch_archive(&key, *size, sender), digested);
        fetched?;
        if found == *digest {
            return Ok(());
        }
        let (kind, what) = (ObjectKind::Archive, "digest of the archive");
        Err(ReadError::unusable(key)(DecodeError::Damaged { kind, what }))
    }

    async fn heal_archive(
        &self,
        source: &Database,
        snapshot: &Snapshot,
        report: &mut HealReport,
    ) -> Result<(), WriteError> {
        let name = Database::archive_of(snapshot.body()).expect("it is an archive");
        let relative = key::archive(name);
        match self.check_archive(snapshot.body()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error.into()),
        }
        match source.check_archive(snapshot.body()).await {
            Ok(()) => {}
            Err(error) if error.is_damage() => {
                report.left.push((relative, format!("it is damaged there as well: {error}")));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.remote().delete(&[self.keys.at(&relative)]).await.map_err(ReadError::from)?;
        self.fetch_and_put_archive(source, snapshot, &relative).await?;
        report.healed.push(relative);
        Ok(())
    }
}
