//! `lifeboat completions`: a completion script on standard output.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::exit::Exit;

pub(crate) fn run(shell: clap_complete::Shell) -> Exit {
    clap_complete::generate(shell, &mut Arguments::command(), "lifeboat", &mut std::io::stdout());
    Exit::Ok
}
