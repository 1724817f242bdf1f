//! The risk service's process.

use std::process::ExitCode;

use risk::Config;
use service::Command;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("risk", |config: Config, command| async move {
        match command {
            Command::Migrate => risk::migrate(config).await,
            Command::Serve | Command::CheckConfig => risk::run(config).await,
        }
    })
}
