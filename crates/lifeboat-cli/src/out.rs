//! Printing to people who may have stopped reading: `lifeboat snapshots | head`
//! closes the pipe early, and that must not end a command half-way.

/// As `println!`, but whoever no longer reads is no error.
macro_rules! outln {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

/// As `eprintln!`, but whoever no longer reads is no error.
macro_rules! errln {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}

pub(crate) use {errln, outln};
