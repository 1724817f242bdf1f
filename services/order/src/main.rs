//! The order service's process.

use std::process::ExitCode;

use order::Config;
use service::Command;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("order", |config: Config, command| async move {
        match command {
            Command::Migrate => order::migrate(config).await,
            Command::Serve | Command::CheckConfig => order::run(config).await,
        }
    })
}
