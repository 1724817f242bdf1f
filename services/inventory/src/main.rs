//! The inventory service's process.

use std::process::ExitCode;

use inventory::Config;
use service::Command;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("inventory", |config: Config, command| async move {
        match command {
            Command::Migrate => inventory::migrate(config).await,
            Command::Serve | Command::CheckConfig => inventory::run(config).await,
        }
    })
}
