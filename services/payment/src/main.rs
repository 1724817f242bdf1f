//! The payment service: accounts, payments and the card provider.

use std::process::ExitCode;

use payment::Config;
use service::Command;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    service::run_main("payment", |config: Config, command| async move {
        match command {
            Command::Migrate => payment::migrate(config).await,
            Command::Serve | Command::CheckConfig => payment::run(config).await,
        }
    })
}
