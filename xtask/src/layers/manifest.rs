//! The manifests of the workspace, reduced to what the layers are about.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A member of the workspace and what its manifest asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest. Optional dependencies and those of a single platform
/// count like all others: somebody gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The name of the package, whatever name it is imported under.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The table of the manifest in which a dependency stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// Reads the answer of `cargo metadata --no-deps`.
pub(crate) fn parse(metadata: &Value) -> Result<Vec<Package>> {
    let packages = metadata["packages"].as_array().context("no list of packages")?;
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let name = value["name"].as_str().context("a package without a name")?.to_owned();
    let dependencies = value["dependencies"]
        .as_array()
        .with_context(|| format!("{name} has no list of dependencies"))?
        .iter()
        .map(dependency)
        .collect::<Result<_>>()
        .with_context(|| format!("in the manifest of {name}"))?;
    Ok(Package { name, dependencies })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let name = value["name"].as_str().context("a dependency without a name")?.to_owned();
    let kind = match value["kind"].as_str() {
        None => Kind::Normal,
        Some("build") => Kind::Build,
        Some("dev") => Kind::Dev,
        Some(other) => bail!("{name} is a dependency of the unknown kind `{other}`"),
    };
    Ok(Dependency { name, kind })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_three_kinds_and_renamed_packages() {
        let metadata = json!({"packages": [{"name": "a", "dependencies": [
            {"name": "serde", "kind": null, "rename": "other"},
            {"name": "cc", "kind": "build"},
            {"name": "insta", "kind": "dev"},
        ]}]});
        let packages = parse(&metadata).expect("it is well formed");
        let found: Vec<_> =
            packages[0].dependencies.iter().map(|d| (d.name.as_str(), d.kind)).collect();
        assert_eq!(found, [("serde", Kind::Normal), ("cc", Kind::Build), ("insta", Kind::Dev)]);
    }

    #[test]
    fn an_unknown_kind_is_refused_rather_than_passed_over() {
        let metadata = json!({"packages": [{"name": "a", "dependencies": [
            {"name": "x", "kind": "artifact"}]}]});
        let error = parse(&metadata).expect_err("the kind is unknown");
        assert!(format!("{error:#}").contains("artifact"));
    }
}
