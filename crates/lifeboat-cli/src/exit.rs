//! Exit codes, as `lifeboat --help` lists them.

use lifeboat::ErrorKind;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Exit {
    Ok,
    Failed,
    Usage,
    PartlyDone,
    Damage,
    Warning,
    Critical,
    Refused,
    NoRepository,
    HeldByOther,
    Key,
    Storage,
    Fallback,
    Source,
    Interrupted,
    Terminated,
    /// That of an application that was run.
    Other(u8),
}

impl Exit {
    /// All but those of others, for the test of the documentation.
    #[cfg(test)]
    pub(crate) const KNOWN: [Self; 16] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::PartlyDone,
        Self::Damage,
        Self::Warning,
        Self::Critical,
        Self::Refused,
        Self::NoRepository,
        Self::HeldByOther,
        Self::Key,
        Self::Storage,
        Self::Fallback,
        Self::Source,
        Self::Interrupted,
        Self::Terminated,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::PartlyDone => 3,
            Self::Damage => 4,
            Self::Warning => 5,
            Self::Critical => 6,
            Self::Refused => 7,
            Self::NoRepository => 10,
            Self::HeldByOther => 11,
            Self::Key => 12,
            Self::Storage => 13,
            Self::Fallback => 14,
            Self::Source => 15,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Other(code) => code,
        }
    }

    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Damage => Self::Damage,
            ErrorKind::Refused | ErrorKind::Disabled => Self::Refused,
            ErrorKind::NoRepository => Self::NoRepository,
            ErrorKind::HeldByOther => Self::HeldByOther,
            ErrorKind::Key => Self::Key,
            ErrorKind::Storage => Self::Storage,
            ErrorKind::Source => Self::Source,
            // Kinds may be added.
            _ => Self::Failed,
        }
    }

    /// How a command ends that did several things. Damage counts most; what was
    /// done in part is said as such.
    pub(crate) fn of_all(all: &[Self]) -> Self {
        let done = |exit: &Self| matches!(exit, Self::Ok | Self::Fallback);
        let failed: Vec<Self> = all.iter().copied().filter(|exit| !done(exit)).collect();
        match failed[..] {
            [] if all.contains(&Self::Fallback) => Self::Fallback,
            [] => Self::Ok,
            _ if failed.contains(&Self::Damage) => Self::Damage,
            _ if failed.len() < all.len() => Self::PartlyDone,
            [first, ..] if failed.iter().all(|exit| *exit == first) => first,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_at_once() {
        let check = |all: &[Exit], expected| assert_eq!(Exit::of_all(all), expected, "{all:?}");
        check(&[], Exit::Ok);
        check(&[Exit::Ok, Exit::Ok], Exit::Ok);
        check(&[Exit::Ok, Exit::Source], Exit::PartlyDone);
        check(&[Exit::Source, Exit::Source], Exit::Source);
        check(&[Exit::Source, Exit::Storage], Exit::Failed);
        check(&[Exit::Ok, Exit::Fallback], Exit::Fallback);
        check(&[Exit::Fallback, Exit::Source], Exit::PartlyDone);
        check(&[Exit::Ok, Exit::Source, Exit::Damage], Exit::Damage);
    }
}
