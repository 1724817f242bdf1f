//! A running stack: its processes, and its state file.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use cli::{Signals, terminal};
use devstack::stack::{ServiceState, StackDir, StackState};
use devstack::{Backing, BackingOptions, Error, Identity, Platform, PlatformOptions, Process, Progress};
use futures::stream::{FuturesUnordered, StreamExt as _};

use super::demo;
use super::options::UpOptions;

/// The database of a local stack.
const DATABASE: &str = "fournines";

/// Everything that runs.
pub(super) struct Stack {
    backing: Backing,
    platform: Platform,
}

impl Stack {
    /// Starts everything, loads the demo data and writes the state file.
    pub(super) async fn start(
        dir: &StackDir,
        options: &UpOptions,
        progress: &Progress,
    ) -> anyhow::Result<(Self, StackState)> {
        let backing_options = BackingOptions { broker: options.broker, ..BackingOptions::local(dir.path()) };
        let backing = Backing::start(backing_options, progress).await?;
        let mut platform_options = PlatformOptions::new(DATABASE, dir.path());
        platform_options.order_replicas = usize::from(options.order_replicas);
        platform_options.replicas = options.replicas.iter().cloned().collect();
        let platform = Platform::start(&backing.connection(), platform_options, progress).await?;
        let stack = Self { backing, platform };
        let mut state = stack.describe()?;
        if !options.no_demo {
            let loading = demo::load(&state.gateway_url, stack.platform.secrets());
            let loaded = progress.step("demo data", loading).await;
            state.demo = Some(loaded.context("the demo data can't be loaded")?);
        }
        dir.write_state(&state)?;
        Ok((stack, state))
    }

    /// Stops the services, the gateway first, then the broker and MongoDB.
    pub(super) async fn stop(self) -> Result<(), Error> {
        let platform = self.platform.stop().await;
        let backing = self.backing.stop().await;
        platform.and(backing)
    }

    /// Waits for a signal and reports processes that end before it. Gives whether none did.
    pub(super) async fn watch(&self, signals: &mut Signals) -> bool {
        let backing = self.backing.processes();
        let processes = backing.chain(self.platform.processes().map(|(process, ..)| process));
        let mut ends: FuturesUnordered<_> = processes.map(Process::ended_unasked).collect();
        let mut all_running = true;
        loop {
            tokio::select! {
                () = signals.next() => return all_running,
                Some(error) = ends.next() => {
                    all_running = false;
                    terminal::note(&format!("error: {error}\nThe other processes keep running."));
                }
            }
        }
    }

    fn describe(&self) -> anyhow::Result<StackState> {
        let backing = &self.backing;
        let nodes = backing.mongods().iter().map(|node| service(node.process(), node.port(), None));
        let broker = service(backing.broker_process(), backing.broker_port(), None);
        let services = self.platform.processes().map(|(process, port, admin)| service(process, port, Some(admin)));
        let services: Vec<_> = nodes.chain([broker]).chain(services).collect();
        let admin_urls = services.iter().filter_map(|s| Some((s.name.clone(), s.admin_url.clone()?))).collect();
        let secrets = self.platform.secrets();
        let files = [
            ("adminPassword", &secrets.admin_password),
            ("pageTokens", &secrets.page_tokens),
            ("tokenSigning", &secrets.token_signing),
            ("cardApiKey", &secrets.card_api_key),
        ];
        let starting = starting()?;
        Ok(StackState {
            ready: true,
            gateway_url: self.platform.gateway_url(),
            gateway_urls: self.platform.gateway_urls(),
            mongo_uri: backing.mongo_uri(),
            broker: backing.broker(),
            admin_urls,
            services,
            secrets: files.into_iter().map(|(name, path)| (name.to_owned(), path.clone())).collect(),
            ..starting
        })
    }
}

/// The state before anything runs: enough for `nines down` to find this process.
pub(super) fn starting() -> anyhow::Result<StackState> {
    Ok(StackState {
        supervisor: Identity::current()?,
        ready: false,
        gateway_url: String::new(),
        gateway_urls: Vec::new(),
        mongo_uri: String::new(),
        database: DATABASE.to_owned(),
        broker: String::new(),
        admin_urls: BTreeMap::new(),
        services: Vec::new(),
        secrets: BTreeMap::new(),
        demo: None,
    })
}

fn service(process: &Process, port: u16, admin_url: Option<String>) -> ServiceState {
    // Saturates in the year 584 million.
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    ServiceState {
        name: process.name().to_owned(),
        identity: process.identity(),
        started_at_ms: process.started_at().duration_since(UNIX_EPOCH).map_or(0, millis),
        port,
        admin_url,
        log: process.log().to_owned(),
    }
}
