//! `nines`, the operator's tool of Fournines.

mod commands;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(async { commands::Cli::parse().run().await }).await
}
