//! One of the targets, named by `LIFEBOAT_FUZZ_TARGET`, under libFuzzer.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lifeboat_fuzz::{Target, target_of};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("LIFEBOAT_FUZZ_TARGET").unwrap_or_default();
    target_of(&name).unwrap_or_else(|| panic!("LIFEBOAT_FUZZ_TARGET: there is no target `{name}`"))
});

fuzz_target!(|bytes: &[u8]| {
    (TARGET.run)(bytes);
});
