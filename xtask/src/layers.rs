//! Which crate may depend on which: the table, and the command that holds the manifests to it.
//!
//! Layers that live only in a drawing wear away one convenient import at a time.
//! This table is read by a test, so that changing the design means changing this file.

mod check;
mod manifest;

use anyhow::{Result, bail};

use crate::build;

/// A crate, and what it may use. Arrows are transitive: who may use a crate
/// may use whatever that one may use.
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) may_use: &'static [&'static str],
}

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use }
}

/// Every crate of the workspace, present or planned, from the top down.
pub(crate) const LAYERS: &[Layer] = &[
    layer("lifeboat-cli", &["lifeboat"]),
    layer("lifeboat", &["lifeboat-http", "lifeboat-agent", "lifeboat-links", "lifeboat-config"]),
    layer("lifeboat-http", &["lifeboat-agent"]),
    layer(
        "lifeboat-agent",
        &["lifeboat-snapshot", "lifeboat-wal", "lifeboat-repository", "lifeboat-retention"],
    ),
    layer("lifeboat-repository", &["lifeboat-format", "lifeboat-crypto", "lifeboat-remote"]),
    layer("lifeboat-snapshot", &["lifeboat-sqlite", "lifeboat-format"]),
    layer("lifeboat-wal", &["lifeboat-sqlite", "lifeboat-format"]),
    layer("lifeboat-links", &["lifeboat-remote", "lifeboat-sqlite"]),
    // The leaves. The first three are pure; each of the others owns one outside world.
    layer("lifeboat-format", &[]),
    layer("lifeboat-crypto", &[]),
    layer("lifeboat-retention", &[]),
    layer("lifeboat-sqlite", &[]),
    layer("lifeboat-remote", &[]),
    layer("lifeboat-config", &[]),
    // Beside: nothing that is published rests on these.
    layer(TESTING, &["lifeboat-repository", "lifeboat-snapshot", "lifeboat-wal"]),
    layer("lifeboat-fuzz", &["lifeboat-format", "lifeboat-crypto", "lifeboat-config"]),
    layer("lifeboat-end-to-end", &["lifeboat-cli"]),
    // Nothing, so that it builds in seconds and checks crates that do not compile.
    layer("xtask", &[]),
];

/// What tests share. It may appear as a dev-dependency and as nothing else.
pub(crate) const TESTING: &str = "lifeboat-testing";

/// Heavy dependencies and the crates that may name them in `[dependencies]`
/// or `[build-dependencies]`; the first is the owner.
pub(crate) const OWNERS: &[(&str, &[&str])] = &[
    ("object_store", &["lifeboat-remote", TESTING]),
    // The credentials of AWS's own tools, over our client.
    ("aws-config", &["lifeboat-remote"]),
    ("aws-credential-types", &["lifeboat-remote"]),
    ("aws-smithy-runtime-api", &["lifeboat-remote"]),
    ("aws-smithy-types", &["lifeboat-remote"]),
    // Messages leave without a store, so the agent has a client of its own.
    ("reqwest", &["lifeboat-remote", "lifeboat-agent"]),
    ("rustls", &["lifeboat-remote", "lifeboat-agent"]),
    ("rustls-platform-verifier", &["lifeboat-remote", "lifeboat-agent"]),
    ("lettre", &["lifeboat-agent"]),
    ("prometheus-client", &["lifeboat-agent"]),
    ("rusqlite", &["lifeboat-sqlite", TESTING, "lifeboat-end-to-end"]),
    ("libsqlite3-sys", &["lifeboat-sqlite"]),
    ("figment", &["lifeboat-config"]),
    ("axum", &["lifeboat-http"]),
    ("utoipa", &["lifeboat-http"]),
    ("hyper", &["lifeboat-http", TESTING]),
    ("clap", &["lifeboat-cli"]),
    ("indicatif", &["lifeboat-cli"]),
    ("zstd", &["lifeboat-format"]),
    ("blake3", &["lifeboat-format"]),
    // The agent signs webhooks with it.
    ("ring", &["lifeboat-crypto", "lifeboat-agent"]),
    ("argon2", &["lifeboat-crypto"]),
    ("zeroize", &["lifeboat-crypto"]),
    // The calendar; the façade brings the zones of the system, the command reads and
    // prints times of the local one.
    (
        "jiff",
        &["lifeboat-retention", "lifeboat-agent", "lifeboat-config", "lifeboat", "lifeboat-cli"],
    ),
    ("croner", &["lifeboat-agent", "lifeboat-config"]),
    // Asynchrony lives at the edges; everything else is plain functions.
    (
        "tokio",
        &[
            "lifeboat-remote",
            "lifeboat-repository",
            "lifeboat-agent",
            "lifeboat-http",
            "lifeboat",
            "lifeboat-cli",
            TESTING,
            "lifeboat-end-to-end",
        ],
    ),
];

/// The pure crates and all that they may use from outside. They know no clock,
/// disk, network, environment or runtime, and a short list keeps it so.
pub(crate) const PURE: &[(&str, &[&str])] = &[
    ("lifeboat-format", &["blake3", "serde", "serde_json", "thiserror", "time", "zstd"]),
    ("lifeboat-crypto", &["argon2", "base64", "ring", "serde", "thiserror", "time", "zeroize"]),
    ("lifeboat-retention", &["jiff", "serde", "thiserror", "time"]),
];

/// Checks the manifests of the workspace against the table.
pub(crate) fn run() -> Result<()> {
    let packages = manifest::parse(&build::metadata()?)?;
    let violations = check::violations(&packages);
    if violations.is_empty() {
        eprintln!("{} crates, each in its layer", packages.len());
        return Ok(());
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    bail!("{} violations of the table in xtask/src/layers.rs", violations.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_keeps_to_its_layers() {
        let metadata = build::metadata().expect("cargo describes the workspace");
        let packages = manifest::parse(&metadata).expect("the description is understood");
        let found: Vec<String> =
            check::violations(&packages).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }
}
