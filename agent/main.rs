//! `hostagent` brings this host to the state its recipe describes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use hostagent::report::Colour;
use hostagent::{cli, log};

/// One thread: the work is waiting for programs, disks and servers.
fn main() -> ExitCode {
    log::tame_panics();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok::<_, std::io::Error>(runtime.block_on(cli::run(std::env::args_os())))
    }));
    match ended {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => cli::Refusal::at_start(&error).print(Colour::Auto).into(),
        // The panic has said where.
        Err(_panic) => cli::Exit::FAILED.into(),
    }
}
