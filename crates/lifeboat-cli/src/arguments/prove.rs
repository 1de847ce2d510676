//! What can be typed of proving and mending.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lifeboat::repository::{Depth, Share};

use crate::text;

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The name of a database, or the path of its file [default: all]
    pub(crate) name: Option<String>,

    /// Read everything, and prove every byte
    #[arg(long)]
    read_data: bool,

    /// Read a part: n/t (the n-th of t parts), x% or a size, which go on where the last one stopped
    #[arg(long, value_name = "n/t|x%|SIZE", value_parser = share, conflicts_with = "read_data")]
    read_data_subset: Option<Share>,

    /// Begin to read no object after this time, such as 30m or 2h; the next run goes on
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration)]
    pub(crate) max_duration: Option<Duration>,

    /// Accept record N as the newest, though a newer one was seen before
    #[arg(long, value_name = "N", requires = "name")]
    pub(crate) expect: Option<u64>,
}

impl CheckArguments {
    pub(crate) fn depth(&self) -> Depth {
        match (self.read_data_subset, self.read_data) {
            (Some(share), _) => Depth::Data(share),
            (None, true) => Depth::Data(Share::All),
            // A budget of time is one for reading.
            (None, false) if self.max_duration.is_some() => Depth::Data(Share::All),
            (None, false) => Depth::Presence,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    /// The name of a database, or the path of its file [default: all, the latest of each]
    pub(crate) name: Option<String>,

    /// Which one: latest, latest~N, an id or the beginning of one [default: latest]
    pub(crate) snapshot: Option<String>,

    /// A statement that must return 1, besides those of drill.assert; may be given several times
    #[arg(long = "assert", value_name = "SQL")]
    pub(crate) assertions: Vec<String>,

    /// Write what, when, digest and duration to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// The name of a database, or the path of its file [default: all]
    pub(crate) name: Option<String>,

    /// Do it, instead of saying what would be done
    #[arg(long)]
    pub(crate) apply: bool,

    /// The live database, where it is not at the path it was backed up from
    #[arg(long, value_name = "FILE", requires = "name")]
    pub(crate) database: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The name of the database, or the path of its file
    #[arg(value_name = "NAME|PATH")]
    pub(crate) name: String,

    /// The first snapshot: latest, latest~N, an id or the beginning of one
    pub(crate) a: String,

    /// The second
    pub(crate) b: String,
}

fn share(text: &str) -> Result<Share, String> {
    let wrong = || format!("{text:?} is neither n/t, nor x%, nor a size");
    if let Some((n, of)) = text.split_once('/') {
        let (n, of) = (n.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        return if (1..=of).contains(&n) { Ok(Share::Part { n, of }) } else { Err(wrong()) };
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().map_err(|_| wrong())?;
        let good = percent > 0.0 && percent <= 100.0;
        return if good { Ok(Share::Percent(percent)) } else { Err(wrong()) };
    }
    text::parse_size(text).map(Share::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let check = |text: &str, expected| assert_eq!(share(text).ok(), expected, "{text}");
        check("2/7", Some(Share::Part { n: 2, of: 7 }));
        check("12.5%", Some(Share::Percent(12.5)));
        check("3G", Some(Share::Bytes(3 << 30)));
        for bad in ["0/7", "8/7", "a/b", "0%", "101%", "%", "", "x", "0"] {
            check(bad, None);
        }
    }
}
