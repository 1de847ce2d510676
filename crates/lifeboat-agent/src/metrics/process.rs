//! What the system says of this process, where it says it as Linux does.

/// What it costs to run.
pub(super) struct Figures {
    pub(super) resident: u64,
    pub(super) descriptors: u64,
    pub(super) cpu_seconds: f64,
}

/// `/proc` counts time in hundredths of a second, whatever the kernel's own clock.
const TICKS: f64 = 100.0;

pub(super) fn figures() -> Option<Figures> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let resident: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let descriptors = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in parentheses, and may have any inside.
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // Fields 14 and 15 of proc(5), counted from 1; the first here is field 3.
    let cpu_seconds = (ticks(11)? + ticks(12)?) as f64 / TICKS;
    Some(Figures { resident: resident * 1024, descriptors, cpu_seconds })
}
