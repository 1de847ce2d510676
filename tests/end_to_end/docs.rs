//! The documentation, executed: every command of every page runs, in order, and prints
//! what the page says; settings are settings, and programs are those that are compiled.
//!
//! `docs/documentation.md` says how blocks are marked.

mod blocks;
mod page;
mod shape;

use blocks::Kind;
pub(crate) use page::root;
use page::{Moto, Page, all, blocks, free_port};

/// How many blocks of commands may be there that nothing runs.
const NOT_RUN: usize = 12;

#[track_caller]
fn check(page: &Page) {
    let troubles = page.troubles();
    assert!(troubles.is_empty(), "\n{}\n", troubles.join("\n\n"));
}

#[test]
fn the_readme() {
    check(&Page::new("README.md"));
}

/// The chapters on S3 and R2, against a store that others wrote.
#[test]
fn storage() {
    let moto = Moto::start(&["my-backups", "backups"]);
    let page = Page::new("docs/storage.md");
    check(&page.with_store(&moto, &["https://storage.example.org"]));
}

#[test]
fn local_development() {
    let port = free_port().to_string();
    check(&Page::new("docs/local-development.md").instead("9200", &port));
}

/// All others; a new page is among them.
#[test]
fn the_guide() {
    let apart = ["README.md", "docs/storage.md", "docs/local-development.md"];
    let troubles: Vec<String> = std::thread::scope(|scope| {
        let pages = all().into_iter().filter(|name| !apart.contains(&name.as_str()));
        let running: Vec<_> =
            pages.map(|name| scope.spawn(move || Page::new(&name).troubles())).collect();
        running.into_iter().flat_map(|one| one.join().expect("the page is run")).collect()
    });
    assert!(troubles.is_empty(), "\n{}\n", troubles.join("\n\n"));
}

/// What is not run is little, and each block says why.
#[test]
fn few_blocks_are_not_run() {
    let mut not_run = Vec::new();
    let mut run = 0;
    for name in all() {
        for block in blocks(&name) {
            run += block.steps().len();
            if let Kind::NotRun(reason) = block.kind {
                not_run.push(format!("{name}:{}: {reason}", block.line));
            }
        }
    }
    println!("{run} commands are run; not run:\n{}", not_run.join("\n"));
    assert!(not_run.len() <= NOT_RUN, "{not_run:#?}");
    assert!(run >= 60, "only {run} commands are found: are they marked as others?");
}
