//! `lifeboat man`: the manual pages, made of what can be typed.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;

use crate::arguments::{Arguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;

pub(crate) fn run(into: Option<&Path>, reporter: &Reporter) -> Exit {
    let Some(folder) = into else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut page);
        // Whoever no longer reads is no error.
        let _ = rendered.and_then(|()| std::io::stdout().write_all(&page));
        return Exit::Ok;
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    match written {
        Ok(()) => {
            reporter.note(&format!("the pages are in {}", folder.display()));
            Exit::Ok
        }
        Err(error) => {
            let refusal = Refusal {
                exit: Exit::Failed,
                message: format!("failed to write manual pages to {}: {error}", folder.display()),
                hint: "name a directory in which you may write".into(),
            };
            reporter.refuse(&refusal);
            refusal.exit
        }
    }
}
