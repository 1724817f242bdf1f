//! A card provider that charges nobody, for local stacks and tests only.

use std::process::ExitCode;

use payment::sandbox::{self, Config};
use service::Command;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("card-sandbox", |config: Config, command| async move {
        match command {
            // The sandbox has no database.
            Command::Migrate => Ok(()),
            Command::Serve | Command::CheckConfig => sandbox::run(config).await,
        }
    })
}
