//! Ids that nobody can guess.

/// 32 random bytes in hex, half of them for ids that are no secret.
pub(crate) fn secret() -> String {
    hex(32)
}

/// Short, and no secret.
pub(crate) fn id() -> String {
    hex(12)
}

fn hex(bytes: usize) -> String {
    use std::fmt::Write as _;
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the system has random bytes");
    random.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
