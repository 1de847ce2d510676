//! What keeps writers apart, and what a probe tells besides.

use futures::future::join_all;

use super::{Outcome, Report, Run};
use crate::error::RemoteError;
use crate::fencing::Fencing;
use crate::probe::{Absence, Creates, Deletes, Listings, ProbeOptions};
use crate::rounds::Token;

const ONCE: &str = "an object is created once, also where several try at once";
const LISTED: &str = "a listing shows what was put before, and nothing that was deleted before";
const DELETED: &str = "what is deleted is gone";
const READ: &str = "what was put is given back, whole and in ranges";
const ABSENT: &str = "of an object that is not there it is told that it is not";
const CLOCK: &str = "its clock and this one are less than a quarter of an hour apart";
const ROUNDS: &str = "writers at once agree in rounds";

/// From which difference of clocks on stores begin to refuse signatures.
const APART: u64 = 15 * 60;

impl Run<'_> {
    pub(super) async fn writers(&self, report: &mut Report) {
        let probed = match self.remote.probe(ProbeOptions::thorough(self.options.now)).await {
            Ok(probed) => probed,
            Err(error) => return report.add(ONCE, Outcome::Failed(error)),
        };
        // From here on objects are put in a way that it takes.
        self.remote.learn(probed.fencing());
        let unfenced = probed.fencing() == Fencing::Nothing;
        let instead = |what: &str| Outcome::Broken(what.to_owned());
        report.add(
            ONCE,
            match probed.creates {
                Creates::Once => Outcome::Held,
                Creates::Racy if unfenced => instead("several were told that they had"),
                Creates::Racy => {
                    Outcome::DoneWithout("several were told that they had; writers agree in rounds")
                }
                Creates::Ignored if unfenced => instead("what was there was overwritten"),
                Creates::Ignored => {
                    Outcome::DoneWithout("what was there was overwritten; writers agree in rounds")
                }
                Creates::Refused if unfenced => instead("it cannot be asked for"),
                Creates::Refused => {
                    Outcome::DoneWithout("it cannot be asked for; writers agree in rounds")
                }
            },
        );
        report.add(
            LISTED,
            match probed.listings {
                Listings::Consistent => Outcome::Held,
                Listings::Stale if unfenced => instead("they are stale"),
                Listings::Stale => {
                    Outcome::DoneWithout("they are stale; nothing is concluded from them")
                }
            },
        );
        report.add(
            DELETED,
            match probed.deletes {
                Deletes::Done => Outcome::Held,
                Deletes::Refused => Outcome::DoneWithout("refused; prune runs elsewhere"),
                Deletes::Kept => Outcome::DoneWithout("it stays; prune frees nothing"),
            },
        );
        report.add(READ, if probed.reads_back { Outcome::Held } else { instead("it was not") });
        report.add(
            ABSENT,
            match probed.absence {
                Absence::Told => Outcome::Held,
                Absence::Denied => instead("access is denied, as to who may not list"),
            },
        );
        if let Some(seconds) = probed.clock_ahead {
            let apart = seconds.unsigned_abs();
            let far = || Outcome::Broken(format!("{apart} seconds"));
            report.add(CLOCK, if apart < APART { Outcome::Held } else { far() });
        }
        if probed.listings == Listings::Consistent {
            report.checked(ROUNDS, self.rounds().await);
        }
    }

    async fn rounds(&self) -> Result<Option<String>, RemoteError> {
        let prefix = self.key("rounds");
        let proposals: Vec<Token> = (0..self.options.writers)
            .map(|writer| Token::new(&format!("value{writer}")).expect("a plain word"))
            .collect();
        let remote = self.remote.at_once();
        let decisions = proposals.iter().map(|proposal| remote.decide(&prefix, proposal));
        let mut decided = Vec::new();
        for decision in join_all(decisions).await {
            decided.push(decision?);
        }
        // Whoever comes later is told the same.
        decided.push(remote.decide(&prefix, &Token::new("late").expect("a word")).await?);
        let marks = remote.list(&prefix).await?;
        let marks: Vec<String> = marks.into_iter().map(|mark| mark.key).collect();
        // Where deletes are refused they stay.
        let _ = remote.delete(&marks).await;
        decided.dedup();
        Ok((decided.len() != 1).then(|| format!("they decided on {decided:?}")))
    }
}
