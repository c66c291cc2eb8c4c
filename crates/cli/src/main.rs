//! The `entente` binary: reads the command line, runs one command, and says by its exit code how
//! it went.

mod agreement;
mod args;
mod bench;
mod clock;
mod commands;
mod connect;
mod database;
mod demo;
mod descriptors;
mod exit;
mod home;
mod hub;
mod logging;
mod output;
mod records;
mod stop;

use std::process::ExitCode;

use clap::Parser as _;

/// A call allocates much that lives briefly, on whichever thread it runs: a third of a hub's time went into
/// the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    logging::start(&args.log, &args.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&anyhow::Error::from(error)),
    };
    match runtime.block_on(commands::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::failed(&error),
    }
}
