//! What the machine can do in the same run: no tool is faster than its slowest
//! stage.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::command::shell;
use super::databases::Database;
use crate::process::answers;

/// A limit: what it is, and bytes a second.
pub(super) struct Limit {
    pub(super) size: u64,
    pub(super) what: &'static str,
    pub(super) rate: f64,
}

/// Measures them with the tools that are installed.
pub(super) fn measure(folder: &Path, database: &Database) -> Result<Vec<Limit>> {
    let bytes = database.path.metadata()?.len() as f64;
    let mut limits = Vec::new();
    let mut add = |what, line: &str| -> Result<()> {
        let measured = shell(folder, line)?;
        let rate = bytes / measured.wall.as_secs_f64();
        super::say(&format!("  limit, {what}: {:.0} MiB/s", rate / 1_048_576.0));
        limits.push(Limit { size: database.size, what, rate });
        Ok(())
    };
    add("reading from memory", "cat app.db > /dev/null")?;
    add("copying, page cache to page cache", "cp app.db copy.tmp && rm copy.tmp")?;
    add("writing to disk, synced", "dd if=app.db of=copy.tmp bs=1M conv=fsync && rm copy.tmp")?;
    if answers("zstd", &["--version"]) {
        add("zstd -3, one core", "zstd -3 -T1 -q -c app.db > /dev/null")?;
        add("zstd -3, all cores", "zstd -3 -T0 -q -c app.db > /dev/null")?;
        add("zstd -1, all cores", "zstd -1 -T0 -q -c app.db > /dev/null")?;
        shell(folder, "zstd -3 -T0 -q -f app.db -o app.zst")?;
        add("zstd, decoding, one core", "zstd -d -q -c app.zst > /dev/null")?;
        shell(folder, "rm app.zst")?;
    }
    if answers("openssl", &["version"]) {
        limits.push(aes(folder, database.size)?);
    }
    Ok(limits)
}

/// What one core seals, as OpenSSL's own benchmark has it.
fn aes(folder: &Path, size: u64) -> Result<Limit> {
    let line = "openssl speed -seconds 1 -bytes 262144 -evp aes-256-gcm 2>/dev/null | tail -1";
    let output = shell(folder, line)?.output;
    let figure = output.split_whitespace().last().and_then(|word| word.strip_suffix('k'));
    let thousands: f64 = figure.and_then(|text| text.parse().ok()).with_context(|| {
        format!("`openssl speed` says something that is not understood: {output}")
    })?;
    Ok(Limit { size, what: "AES-256-GCM, one core", rate: thousands * 1000.0 })
}
