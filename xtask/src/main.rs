//! `cargo xtask COMMAND`: everything that is done with this workspace, from one door.
//!
//! It depends on no crate of the workspace, so that it builds in seconds and
//! still works while the crates themselves do not compile.

mod bench;
mod build;
mod conformance;
mod consolidation;
mod damage;
mod demo;
mod dist;
mod embed;
mod fuzz;
mod golden;
mod hazards;
mod idle;
mod layers;
mod memory;
mod mutants;
mod package;
mod process;
mod simulate;
mod suite;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  build                  build the release binary and say where it lies
  test [-- ARGS…]        every check, then every test; ARGS go to the test runner
  demo                   back up a real database, change it, restore it, compare
  layers                 which crate may depend on which
  tidy                   the house style, as far as a program can check it
  dist                   what is published for this machine, in dist/: a static binary with all
                         that goes with it, as an archive and a Debian package (a release build)
  package [--verify]     every crate as a package registry takes it; --verify builds each from
                         its package alone (heavy)
  embed [--with CASE]    use each library crate alone, and beside other SQLite crates
                         (heavy: not part of `test`); `embed --list` names the cases
  memory [GIB]           the peak of the release binary's memory (heavy: 1 GiB if not said)
  bench                  what backups cost, beside other tools (heavy: gigabytes and minutes);
                         `bench --help` has the options
  idle [DATABASES]       what databases cost that do nothing (1,000 if not said; takes minutes)
  damage                 every test that damages objects, and how many it damaged
  fuzz [--minutes N] [--target NAME]
                         libFuzzer on every decoder (5 minutes in all if not said; compiles C++)
  golden FOLDER          a golden repository of this version of the format, which is then kept
  hazards [NUMBER…]      takes each guard of docs/reliability.md out, and sees its test fail
                         (hours); `--table` prints the table
  mutants [CRATE…]       changes in the code that no test notices, by cargo-mutants (hours)
  crashes                every crash point, also those of stores that ignore conditions
  simulate --minutes N   histories of several writers, faults and deaths, one seed after the
                         other; `simulate --seed S` repeats one
  load [DATABASES]       so many databases, writers, and a store that fails (1,000 if not said)
  consolidation          simulate three years of backups: the table and the plot of
                         docs/consolidation.md
  conformance --with STORE
                         the tests against a real store that is started for it (heavy, and
                         needs other registries: not part of `test`); `--list` names them;
                         `--story garage-cluster`: only nodes that die while a backup runs

`test` runs the others' checks too: layers, tidy, formatting, lints, licences, docs.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            process::exit_code_of(&error)
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["build"] => build::run(),
        ["test"] => suite::run(&[]),
        ["test", "--", extra @ ..] => suite::run(extra),
        ["demo"] => demo::run(),
        ["layers"] => layers::run(),
        ["tidy"] => tidy::run(),
        ["dist"] => dist::run(),
        ["package"] => package::run(false),
        ["package", "--verify"] => package::run(true),
        ["embed"] => embed::run(None),
        ["embed", "--list"] => {
            embed::list();
            Ok(())
        }
        ["embed", "--with", case] => embed::run(Some(case)),
        ["memory"] => memory::run(1),
        ["memory", gibibytes] => match gibibytes.parse() {
            Ok(gibibytes) => memory::run(gibibytes),
            Err(_) => bail!("`{gibibytes}` is no number of GiB"),
        },
        ["bench", arguments @ ..] => bench::run(arguments),
        ["idle"] => idle::run(1000),
        ["idle", databases] => match databases.parse() {
            Ok(databases) => idle::run(databases),
            Err(_) => bail!("`{databases}` is no number of databases"),
        },
        ["damage"] => damage::run(),
        ["fuzz", arguments @ ..] => fuzz::run(arguments),
        ["golden", folder] => golden::run(folder),
        ["hazards", numbers @ ..] => hazards::run(numbers),
        ["mutants", crates @ ..] => mutants::run(crates),
        ["crashes"] => simulate::crashes(),
        ["simulate", "--minutes", minutes] => simulate::minutes(minutes),
        ["simulate", "--seed", seed] => simulate::seed(seed),
        ["load"] => simulate::load(1000),
        ["load", databases] => match databases.parse() {
            Ok(databases) => simulate::load(databases),
            Err(_) => bail!("`{databases}` is no number of databases"),
        },
        ["consolidation"] => consolidation::run(),
        ["conformance", "--list"] => {
            conformance::list();
            Ok(())
        }
        ["conformance", "--with", store] => conformance::run(store),
        ["conformance", "--story", store] => conformance::story(store),
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        [] => bail!("which command?\n\n{USAGE}"),
        other => bail!("`{}` is not understood\n\n{USAGE}", other.join(" ")),
    }
}
