//! The gateway's process.

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    service::run_main("gateway", |config: gateway::Config, command| async move {
        match command {
            service::Command::Serve => gateway::run(config).await,
            // The gateway owns no data.
            service::Command::Migrate | service::Command::CheckConfig => Ok(()),
        }
    })
}
