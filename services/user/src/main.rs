//! The user service's process.

use std::process::ExitCode;

use service::Command;
use user::Config;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("user", |config: Config, command| async move {
        match command {
            Command::Migrate => user::migrate(config).await,
            Command::Serve | Command::CheckConfig => user::run(config).await,
        }
    })
}
