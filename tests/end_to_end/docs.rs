//! The documentation, executed: every command of every page runs, in order, and prints
//! what the page says; settings are settings, and programs are those that are compiled.
//!
//! CONTRIBUTING.md says how blocks are marked.

mod before;
mod blocks;
mod page;
mod shape;

use blocks::Kind;
pub(crate) use page::root;
use page::{Moto, Page, all, blocks, free_port};

/// How many blocks of commands may be there that nothing runs.
const NOT_RUN: usize = 14;

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
    let r2 = "r2://0123456789abcdef0123456789abcdef/my-backups/app";
    // Its endpoint follows from the account, and there is one account.
    let page = page.instead(r2, &format!("'{r2}-on-r2?endpoint={}'", moto.url()));
    check(&page.with_store(&moto, &["https://storage.example.org"]));
}

#[test]
fn local_development() {
    let port = free_port().to_string();
    let page = Page::new("docs/local-development.md").instead("9200", &port);
    check(&page.instead("moto_server ", "python3 -m moto.server "));
}

#[test]
fn http() {
    let port = free_port().to_string();
    check(&Page::new("docs/http.md").instead("8484", &port));
}

/// All others; a new page is among them.
#[test]
fn the_guide() {
    let apart = ["README.md", "docs/http.md", "docs/local-development.md", "docs/storage.md"];
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
