//! Being written.
pub(crate) fn list() {}
pub(crate) fn run(_case: Option<&str>) -> anyhow::Result<()> {
    Ok(())
}
