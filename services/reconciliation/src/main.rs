//! The process of the reconciliation service.

use std::process::ExitCode;

use reconciliation::Config;
use service::Command;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("reconciliation", |config: Config, command| async move {
        match command {
            Command::Migrate => reconciliation::migrate(config).await,
            Command::Serve | Command::CheckConfig => reconciliation::run(config).await,
        }
    })
}
