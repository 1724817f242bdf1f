//! `bench`, the benchmarks and drills of Fournines.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(async { bench::Cli::parse().run().await }).await
}
