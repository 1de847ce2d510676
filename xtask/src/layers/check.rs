//! The manifests against the table: a pure function, so that each rule has a test that breaks it.

use std::collections::BTreeSet;
use std::fmt;

use super::manifest::{Kind, Package};
use super::{LAYERS, OWNERS, PURE, TESTING};

/// One line of a manifest, or one crate, that the table does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A member of the workspace that has no place in the table.
    UnknownCrate { package: String },
    /// A crate uses a crate that does not lie below it.
    ForbiddenEdge { package: String, used: String, allowed: Vec<&'static str> },
    /// The crate for tests appears outside `[dev-dependencies]`.
    TestingOutsideTests { package: String },
    /// A heavy dependency outside the one crate that owns it.
    OutsideOwner { package: String, used: String, owner: &'static str },
    /// A pure crate uses something that is not on its short list.
    NotPure { package: String, used: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCrate { package } => {
                write!(f, "{package} is not in the table of layers; give it a place there")
            }
            Self::ForbiddenEdge { package, used, allowed } if allowed.is_empty() => {
                write!(f, "{package} depends on {used}, but may use no crate of the workspace")
            }
            Self::ForbiddenEdge { package, used, allowed } => {
                write!(f, "{package} depends on {used}, but may use only {}", allowed.join(", "))
            }
            Self::TestingOutsideTests { package } => {
                write!(f, "{package} depends on {TESTING} outside [dev-dependencies]")
            }
            Self::OutsideOwner { package, used, owner } => {
                write!(f, "{package} depends on {used}, which belongs to {owner}; go through it")
            }
            Self::NotPure { package, used } => {
                write!(f, "{package} is pure, and {used} is not on its list")
            }
        }
    }
}

/// Everything in the manifests that the table does not allow.
pub(crate) fn violations(packages: &[Package]) -> Vec<Violation> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<Violation> {
    let name = &package.name;
    let Some(allowed) = reachable(name) else {
        return vec![Violation::UnknownCrate { package: name.clone() }];
    };
    let shipped = package.dependencies.iter().filter(|used| used.kind != Kind::Dev);
    shipped.filter_map(|used| of_dependency(name, &used.name, &allowed)).collect()
}

fn of_dependency(package: &str, used: &str, allowed: &BTreeSet<&'static str>) -> Option<Violation> {
    let (package_owned, used_owned) = (package.to_owned(), used.to_owned());
    if used == TESTING {
        return Some(Violation::TestingOutsideTests { package: package_owned });
    }
    if LAYERS.iter().any(|layer| layer.name == used) {
        return (!allowed.contains(used)).then(|| Violation::ForbiddenEdge {
            package: package_owned,
            used: used_owned,
            allowed: allowed.iter().copied().collect(),
        });
    }
    // The owner's name is the better hint, so it goes before the list of a pure crate.
    if let Some((_, owners)) = OWNERS.iter().find(|(heavy, _)| *heavy == used)
        && !owners.contains(&package)
    {
        let owner = owners[0];
        return Some(Violation::OutsideOwner { package: package_owned, used: used_owned, owner });
    }
    let (_, list) = PURE.iter().find(|(pure, _)| *pure == package)?;
    let listed = list.contains(&used);
    (!listed).then_some(Violation::NotPure { package: package_owned, used: used_owned })
}

/// Every crate below this one, or nothing where the table does not know it.
fn reachable(name: &str) -> Option<BTreeSet<&'static str>> {
    let start = LAYERS.iter().find(|layer| layer.name == name)?;
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&'static str> = start.may_use.to_vec();
    while let Some(next) = waiting.pop() {
        if found.insert(next) {
            let layers = LAYERS.iter().filter(|layer| layer.name == next);
            waiting.extend(layers.flat_map(|layer| layer.may_use));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Dependency;
    use super::*;

    #[track_caller]
    fn check(package: &str, kind: Kind, used: &str, expected: &str) {
        let dependencies = vec![Dependency { name: used.into(), kind }];
        let packages = [Package { name: package.into(), dependencies }];
        let found: Vec<String> = violations(&packages).iter().map(ToString::to_string).collect();
        assert_eq!(found.join("\n"), expected);
    }

    #[test]
    fn edges_of_the_table_are_allowed_however_long() {
        check("lifeboat-repository", Kind::Normal, "lifeboat-remote", "");
        check("lifeboat", Kind::Normal, "lifeboat-format", "");
        check("lifeboat-cli", Kind::Normal, "lifeboat-sqlite", "");
    }

    #[test]
    fn an_edge_upwards_or_sideways_is_found() {
        check(
            "lifeboat-remote",
            Kind::Normal,
            "lifeboat-repository",
            "lifeboat-remote depends on lifeboat-repository, but may use no crate of the workspace",
        );
        check(
            "lifeboat-snapshot",
            Kind::Build,
            "lifeboat-remote",
            "lifeboat-snapshot depends on lifeboat-remote, but may use only lifeboat-format, \
             lifeboat-sqlite",
        );
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        check(
            "lifeboat-util",
            Kind::Normal,
            "serde",
            "lifeboat-util is not in the table of layers; give it a place there",
        );
    }

    #[test]
    fn a_heavy_dependency_outside_its_owner_is_found() {
        check("lifeboat-sqlite", Kind::Normal, "rusqlite", "");
        check(
            "lifeboat-repository",
            Kind::Normal,
            "blake3",
            "lifeboat-repository depends on blake3, which belongs to lifeboat-format; \
             go through it",
        );
        check(
            "lifeboat-snapshot",
            Kind::Normal,
            "tokio",
            "lifeboat-snapshot depends on tokio, which belongs to lifeboat-remote; go through it",
        );
    }

    #[test]
    fn a_pure_crate_keeps_to_its_list() {
        check("lifeboat-format", Kind::Normal, "serde", "");
        check(
            "lifeboat-format",
            Kind::Normal,
            "tempfile",
            "lifeboat-format is pure, and tempfile is not on its list",
        );
    }

    #[test]
    fn tests_may_use_anything_and_only_they_may_use_what_tests_share() {
        check("lifeboat-format", Kind::Dev, "rusqlite", "");
        check("lifeboat-format", Kind::Dev, TESTING, "");
        check(
            "lifeboat",
            Kind::Normal,
            TESTING,
            "lifeboat depends on lifeboat-testing outside [dev-dependencies]",
        );
    }

    #[test]
    fn the_table_has_no_circles_and_names_only_its_own() {
        for layer in LAYERS {
            let below = reachable(layer.name).expect("it is in the table");
            assert!(!below.contains(layer.name), "{} lies below itself", layer.name);
            for name in below {
                assert!(LAYERS.iter().any(|known| known.name == name), "{name} is not a layer");
            }
        }
        let owners = OWNERS.iter().flat_map(|(_, owners)| *owners);
        for name in owners.chain(PURE.iter().map(|(pure, _)| pure)) {
            assert!(LAYERS.iter().any(|known| known.name == *name), "{name} is not a layer");
        }
    }
}
