//! What can be typed of keeping and discarding.

use clap::Args;
use lifeboat::retention::{Period, Policy, PolicyError, Rules, Tag};

use crate::text;

#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// The name of the database, or the path of its file
    #[arg(value_name = "NAME|PATH")]
    pub(crate) name: String,

    /// These snapshots, instead of a policy
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshots: Vec<String>,

    #[command(flatten)]
    pub(crate) keep: KeepArguments,

    /// The time zone of hours, days, weeks, …, such as Europe/Berlin [default: retention.timezone,
    /// else the local one]
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub(crate) zone: Option<jiff::tz::TimeZone>,

    /// Only say what would be forgotten
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A snapshot is kept if any of these keeps it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What is kept (whatever any of these keeps)")]
pub(crate) struct KeepArguments {
    /// So many of the newest
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,
    /// The newest of each of the last N hours that have any
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// The newest of each of the last N days that have any
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// The same of weeks, which begin on Monday
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// The same of months
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// The same of years
    #[arg(long, value_name = "N")]
    keep_yearly: Option<u32>,
    /// Whatever the database was within this time before the newest, such as 7d or 2y5m7d3h
    #[arg(long, value_name = "TIME")]
    keep_within: Option<Period>,
    /// The newest of each hour within this time
    #[arg(long, value_name = "TIME")]
    keep_within_hourly: Option<Period>,
    /// The newest of each day within this time
    #[arg(long, value_name = "TIME")]
    keep_within_daily: Option<Period>,
    /// The newest of each week within this time
    #[arg(long, value_name = "TIME")]
    keep_within_weekly: Option<Period>,
    /// The newest of each month within this time
    #[arg(long, value_name = "TIME")]
    keep_within_monthly: Option<Period>,
    /// The newest of each year within this time
    #[arg(long, value_name = "TIME")]
    keep_within_yearly: Option<Period>,
    /// Those that bear a tag (K, or K=V); may be given several times
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<Tag>,
    /// The oldest go until the rest was sent in at most so many bytes, such as 500M or 20GiB
    #[arg(long, value_name = "SIZE", value_parser = text::parse_size)]
    max_bytes: Option<u64>,
    /// Never fewer than N, whatever the others say
    #[arg(long, value_name = "N")]
    min_snapshots: Option<u32>,
    /// 7 days whole, 16 days daily, 8 weeks weekly, 4 months monthly, 2 years yearly
    #[arg(long)]
    keep_preset: bool,
}

impl KeepArguments {
    fn rules(&self) -> Rules {
        Rules {
            keep_last: self.keep_last,
            keep_hourly: self.keep_hourly,
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            keep_monthly: self.keep_monthly,
            keep_yearly: self.keep_yearly,
            keep_within: self.keep_within,
            keep_within_hourly: self.keep_within_hourly,
            keep_within_daily: self.keep_within_daily,
            keep_within_weekly: self.keep_within_weekly,
            keep_within_monthly: self.keep_within_monthly,
            keep_within_yearly: self.keep_within_yearly,
            keep_tag: self.keep_tag.clone(),
            max_bytes: self.max_bytes,
            min_snapshots: self.min_snapshots,
        }
    }

    /// Whether nothing was typed.
    pub(crate) fn is_empty(&self) -> bool {
        !self.keep_preset && self.rules() == Rules::default()
    }

    /// The policy that was typed. The preset stands alone.
    pub(crate) fn policy(&self) -> Result<Policy, PolicyError> {
        if self.keep_preset && self.rules() == Rules::default() {
            return Ok(Policy::preset());
        }
        Policy::new(self.rules())
    }

    /// Whether the preset was typed with other rules.
    pub(crate) fn is_mixed(&self) -> bool {
        self.keep_preset && self.rules() != Rules::default()
    }
}

#[derive(Debug, Args)]
pub(crate) struct PickArguments {
    /// The name of the database, or the path of its file
    #[arg(value_name = "NAME|PATH")]
    pub(crate) name: String,

    /// Which ones: latest, latest~N, an id or the beginning of one
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub(crate) snapshots: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// The name of a database, or the path of its file [default: all]
    pub(crate) name: Option<String>,

    /// How long snapshots stay in the trash [default: retention.trash, else 7d]
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration)]
    pub(crate) trash: Option<std::time::Duration>,

    /// Only say what would be deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(name).map_err(|_| format!("{name:?} is no time zone of this system"))
}
