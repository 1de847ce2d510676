//! Which objects of files the snapshots need.

use std::collections::BTreeMap;

use lifeboat_format::attached::{AttachedList, AttachedPart};
use lifeboat_format::id::{AttachedId, Suffix};
use lifeboat_format::numbers::NumberSet;
use lifeboat_format::record::Record;

use super::attachments_of;
use crate::check::{Data, Survey, words};
use crate::error::ReadError;
use crate::repository::Database;

type Name = (AttachedId, Suffix);

impl Database {
    /// Reads every index and every list once, and says which snapshots need what.
    pub(crate) async fn survey_attached(&self, survey: &mut Survey) -> Result<(), ReadError> {
        let mut indexes: BTreeMap<Name, (AttachedPart, NumberSet)> = BTreeMap::new();
        for (number, record) in &survey.records {
            let Some(attachments) = attachments_of(record) else { continue };
            let part = attachments.index;
            let known = indexes.entry((part.id, part.suffix));
            known.or_insert((part, NumberSet::default())).1.insert(*number);
        }
        let mut lists: BTreeMap<Name, (AttachedList, NumberSet)> = BTreeMap::new();
        for (part, numbers) in indexes.into_values() {
            need(survey, &part, true, &numbers);
            match self.attached_index(&part).await {
                Ok(index) => {
                    for list in index.lists {
                        let name = (list.object.id, list.object.suffix);
                        let known = lists.entry(name).or_insert((list, NumberSet::default()));
                        numbers.iter().for_each(|number| {
                            known.1.insert(number);
                        });
                    }
                }
                Err(error) => blind(survey, &part, &numbers, error)?,
            }
        }
        for (list, numbers) in lists.into_values() {
            need(survey, &list.object, true, &numbers);
            match self.attached_list(&list).await {
                Ok(files) => {
                    for part in files.iter().flat_map(|file| &file.parts) {
                        need(survey, part, false, &numbers);
                    }
                }
                Err(error) => blind(survey, &list.object, &numbers, error)?,
            }
        }
        Ok(())
    }

    /// Every object that records need for their files. One that cannot be read is an
    /// error: nobody knows then what is needed.
    pub(crate) async fn needed_by_attached(
        &self,
        record: &Record,
        mut need: impl FnMut(Name) -> bool,
    ) -> Result<(), ReadError> {
        let Some(attachments) = attachments_of(record) else { return Ok(()) };
        let part = &attachments.index;
        if !need((part.id, part.suffix)) {
            return Ok(());
        }
        for list in self.attached_index(part).await?.lists {
            // Most lists are those of the snapshot before, and were read already.
            if !need((list.object.id, list.object.suffix)) {
                continue;
            }
            for file in self.attached_list(&list).await? {
                for part in &file.parts {
                    need((part.id, part.suffix));
                }
            }
        }
        Ok(())
    }
}

fn need(survey: &mut Survey, part: &AttachedPart, is_list: bool, numbers: &NumberSet) {
    let id = format!("{}-{}", part.id, part.suffix);
    let (size, digest) = (part.size, part.digest);
    for number in numbers.iter() {
        survey.need(Data::Attachment { id: id.clone(), size, digest, is_list }, number);
    }
}

/// What an object names that cannot be read is not known.
fn blind(
    survey: &mut Survey,
    part: &AttachedPart,
    numbers: &NumberSet,
    error: ReadError,
) -> Result<(), ReadError> {
    match error {
        ReadError::Unusable { .. } | ReadError::Missing { .. } => {
            survey.findings.add(part.key(), words(&error), numbers);
            survey.blind = true;
            Ok(())
        }
        error => Err(error),
    }
}
