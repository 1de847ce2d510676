//! What settings say of keeping: the texts of a file as a policy, and the times of
//! the trash.

use lifeboat_config::Retention;
use lifeboat_repository::CollectOptions;
use lifeboat_retention::{
    ParsePeriodError, ParseTagError, Period, Policy, PolicyError, Rules, Tag,
};

/// What is kept, and for how long what is forgotten can be brought back. By
/// default everything is kept.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Keeping {
    /// The policy; without one everything is kept.
    pub policy: Option<Policy>,
    /// The name of the zone in which hours, days and weeks begin; by default the
    /// local one. Which zones there are depends on the system.
    pub zone: Option<String>,
    /// What a collection spares.
    pub collect: CollectOptions,
}

/// Why settings are no policy. Each knows the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeepingError {
    /// A time is none.
    #[error("use {setting}")]
    Period {
        /// The setting.
        setting: &'static str,
        /// Why.
        source: ParsePeriodError,
    },
    /// A tag is none.
    #[error("use keep_tag")]
    Tag {
        /// Why.
        source: ParseTagError,
    },
    /// The rules make no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The preset with other rules.
    #[error("apply keep_preset with other rules: it stands alone")]
    Mixed,
}

impl KeepingError {
    /// The setting that is wrong, where it is one.
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Period { setting, .. } => Some(setting),
            Self::Tag { .. } => Some("keep_tag"),
            Self::Mixed => Some("keep_preset"),
            Self::Policy(_) => None,
        }
    }
}

impl Keeping {
    /// What settings say; everything is kept where they say nothing.
    pub fn configured(retention: Option<&Retention>) -> Result<Self, KeepingError> {
        let Some(retention) = retention else { return Ok(Self::default()) };
        let zone = retention.timezone.clone();
        let rules = rules(retention)?;
        let policy = match (retention.keep_preset, rules == Rules::default()) {
            (true, true) => Policy::preset(),
            (true, false) => return Err(KeepingError::Mixed),
            (false, _) => Policy::new(rules)?,
        };
        let usual = CollectOptions::default();
        let trash = retention.trash.unwrap_or(usual.trash);
        let floor_age = retention.floor_age.unwrap_or(usual.floor_age);
        let floor = retention.floor_snapshots.and_then(|count| usize::try_from(count).ok());
        let floor = floor.unwrap_or(usual.floor_snapshots);
        let collect = usual.with_times(trash, usual.grace).with_floor(floor, floor_age);
        Ok(Self { policy: Some(policy), zone, collect })
    }
}

fn rules(retention: &Retention) -> Result<Rules, KeepingError> {
    let [within, hourly, daily, weekly, monthly, yearly] =
        retention.times().map(|(setting, time)| {
            let parsed = time.map(str::parse::<Period>).transpose();
            parsed.map_err(|source| KeepingError::Period { setting, source })
        });
    let tag = |text: &String| text.parse::<Tag>().map_err(|source| KeepingError::Tag { source });
    Ok(Rules {
        keep_last: retention.keep_last,
        keep_hourly: retention.keep_hourly,
        keep_daily: retention.keep_daily,
        keep_weekly: retention.keep_weekly,
        keep_monthly: retention.keep_monthly,
        keep_yearly: retention.keep_yearly,
        keep_within: within?,
        keep_within_hourly: hourly?,
        keep_within_daily: daily?,
        keep_within_weekly: weekly?,
        keep_within_monthly: monthly?,
        keep_within_yearly: yearly?,
        keep_tag: retention.keep_tag.iter().map(tag).collect::<Result<_, _>>()?,
        max_bytes: retention.max_bytes,
        min_snapshots: retention.min_snapshots,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(change: impl FnOnce(&mut Retention)) -> Result<Keeping, KeepingError> {
        let mut retention = Retention::default();
        change(&mut retention);
        Keeping::configured(Some(&retention))
    }

    #[test]
    fn rules_by_the_same_names() {
        let keeping = of(|keep| {
            keep.keep_last = Some(7);
            keep.keep_within = Some("2d".into());
            keep.keep_within_monthly = Some("2y5m".into());
            keep.keep_tag = vec!["release=1".into()];
            (keep.max_bytes, keep.min_snapshots) = (Some(1 << 30), Some(3));
            keep.timezone = Some("Europe/Berlin".into());
            keep.trash = Some(Duration::from_secs(3600));
            keep.floor_snapshots = Some(9);
        });
        let keeping = keeping.expect("makes sense");
        let policy = keeping.policy.expect("is one");
        let rules = policy.rules();
        assert_eq!((rules.keep_last, rules.keep_tag.len()), (Some(7), 1));
        assert_eq!(rules.keep_within, Some(Period::days(2)));
        assert_eq!(rules.keep_within_monthly, "2y5m".parse().ok());
        assert_eq!((rules.max_bytes, rules.min_snapshots), (Some(1 << 30), Some(3)));
        assert_eq!(keeping.zone.as_deref(), Some("Europe/Berlin"));
        let usual = CollectOptions::default();
        assert_eq!(keeping.collect.trash, Duration::from_secs(3600));
        assert_eq!(
            (keeping.collect.floor_snapshots, keeping.collect.floor_age),
            (9, usual.floor_age)
        );
        assert_eq!(Keeping::configured(None).expect("is fine").policy, None);
        let preset = of(|keep| keep.keep_preset = true).expect("makes sense");
        assert_eq!(preset.policy, Some(Policy::preset()));
    }

    #[test]
    fn what_makes_no_sense() {
        let check = |change: fn(&mut Retention), setting: Option<&str>| {
            assert_eq!(of(change).expect_err("is refused").setting(), setting);
        };
        check(|keep| keep.keep_within_daily = Some("90s".into()), Some("keep_within_daily"));
        check(|keep| keep.keep_tag = vec!["=x".into()], Some("keep_tag"));
        check(|keep| (keep.keep_preset, keep.keep_last) = (true, Some(3)), Some("keep_preset"));
        check(|keep| keep.keep_last = Some(0), None);
        check(|_| {}, None);
    }
}
