//! The example in the documentation.

use lifeboat_config::What;

use crate::World;

const EXAMPLE: &str = include_str!("../../../../docs/lifeboat.example.toml");

/// The example as it is, and with everything that is commented out.
#[test]
fn the_example_is_understood() {
    let world = World::new().file("lifeboat.toml", EXAMPLE).with("LIFEBOAT_EXAMPLE_SECRET", "x");
    world.ok();
}

/// The example with everything in it that is commented out: a setting that is
/// has no space after the mark.
fn whole() -> String {
    let uncommented = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    };
    EXAMPLE.lines().map(|line| format!("{}\n", uncommented(line))).collect()
}

#[test]
fn what_the_example_comments_out_is_understood() {
    let world = World::new().file("lifeboat.toml", &whole()).with("R2_SECRET", "x");
    // All of it at once says some things in two ways; nothing else is wrong.
    let Err(problems) = world.load() else { return };
    for problem in problems.0 {
        assert!(matches!(problem.what, What::Contradiction(_) | What::Key(_)), "{problem}");
    }
}

#[test]
fn every_setting_stands_in_the_example() {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in whole().lines() {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_start_matches('[');
            section = name.split(']').next().expect("there is one").to_owned();
            found.push(section.clone());
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let dot = if section.is_empty() { "" } else { "." };
            found.push(format!("{section}{dot}{name}"));
        }
    }
    let missing: Vec<String> =
        lifeboat_config::names().into_iter().filter(|name| !found.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
