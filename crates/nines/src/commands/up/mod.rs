//! `nines up`: starts a stack and keeps it running.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use devstack::platform::REPLICATED;
use devstack::stack::{ServiceState, StackDir, StackState};
use devstack::{Backing, BackingOptions, BrokerKind, Error, Identity, Platform, PlatformOptions, Process, Progress};
use futures::stream::{FuturesUnordered, StreamExt};

use super::{Place, detach};
use crate::signals::Signals;
use crate::{demo, output, story};

/// The database of a local stack.
const DATABASE: &str = "fournines";

#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    pub(super) place: Place,
    /// Come back when the stack is ready and leave it running.
    #[arg(long)]
    pub(super) detach: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// How many order services run.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "N")]
    pub(super) order_replicas: u8,
    /// How many processes of other services run, such as `user=2,gateway=2`: of user, inventory, payment and gateway.
    #[arg(long, value_delimiter = ',', value_parser = replicas, value_name = "SERVICE=N,…")]
    pub(super) replicas: Vec<(String, usize)>,
    /// Which broker runs: Tansu keeps nothing on disk; Apache Kafka needs Java 17, and Maven to be fetched once.
    #[arg(long, default_value_t, value_parser = broker_kind(), value_name = "KIND")]
    pub(super) broker: BrokerKind,
    /// Load no demo catalogue and no demo customer.
    #[arg(long)]
    pub(super) no_demo: bool,
    /// Set by `--detach` for the process that stays behind.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) supervise: bool,
}

/// Everything that runs.
struct Stack {
    backing: Backing,
    platform: Platform,
}

impl Up {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.detach {
            return detach::run(&self).await;
        }
        if self.supervise {
            nix::unistd::setsid().context("can't leave the terminal")?;
        }
        let mut signals = Signals::listen()?;
        let dir = StackDir::create(&self.place.dir)?;
        let lock = dir.lock()?;
        let result = self.foreground(&dir, &mut signals).await;
        // However it ended, nothing runs any more: what was not stopped was killed when it was dropped.
        dir.clear_state()?;
        drop(lock);
        result
    }

    async fn foreground(&self, dir: &StackDir, signals: &mut Signals) -> anyhow::Result<ExitCode> {
        let progress = output::progress();
        dir.write_state(&starting()?)?;
        let (stack, state) = tokio::select! {
            started = self.start(dir, &progress) => started?,
            () = signals.next() => {
                output::complain("stopped while starting");
                return Ok(ExitCode::SUCCESS);
            }
        };
        print(&state, self.json)?;
        if !self.supervise {
            output::complain("\nCtrl-C stops everything; the data stays.");
        }
        let all_well = watch(&stack, signals).await;
        let stopped = tokio::select! {
            result = progress.step("stopping", stack.stop()) => result,
            // A second signal means now; dropping kills.
            () = signals.next() => Ok(()),
        };
        stopped?;
        Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn start(&self, dir: &StackDir, progress: &Progress) -> anyhow::Result<(Stack, StackState)> {
        let options = BackingOptions { broker: self.broker, ..BackingOptions::local(dir.path()) };
        let backing = Backing::start(options, progress).await?;
        let mut options = PlatformOptions::new(DATABASE, dir.path());
        options.order_replicas = usize::from(self.order_replicas);
        options.replicas = self.replicas.iter().cloned().collect();
        let platform = Platform::start(&backing.connection(), options, progress).await?;
        let stack = Stack { backing, platform };
        let mut state = stack.describe()?;
        if !self.no_demo {
            let loading = demo::load(&state.gateway_url, stack.platform.secrets());
            let loaded = progress.step("demo data", loading).await;
            state.demo = Some(loaded.context("the demo data can't be loaded")?);
        }
        dir.write_state(&state)?;
        Ok((stack, state))
    }
}

impl Stack {
    /// The gateway first, the ground last.
    async fn stop(self) -> Result<(), Error> {
        let platform = self.platform.stop().await;
        let backing = self.backing.stop().await;
        platform.and(backing)
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
        let nothing_yet = starting()?;
        Ok(StackState {
            ready: true,
            gateway_url: self.platform.gateway_url(),
            gateway_urls: self.platform.gateway_urls(),
            mongo_uri: backing.mongo_uri(),
            broker: backing.broker(),
            admin_urls,
            services,
            secrets: files.into_iter().map(|(name, path)| (name.to_owned(), path.clone())).collect(),
            ..nothing_yet
        })
    }
}

/// What `--broker` takes.
pub(super) fn broker_kind() -> impl TypedValueParser<Value = BrokerKind> {
    PossibleValuesParser::new(BrokerKind::ALL.map(BrokerKind::name)).try_map(|name| name.parse::<BrokerKind>())
}

/// Waits for a signal; says which processes end before it. Gives whether none did.
async fn watch(stack: &Stack, signals: &mut Signals) -> bool {
    let backing = stack.backing.processes();
    let processes = backing.chain(stack.platform.processes().map(|(process, ..)| process));
    let mut ends: FuturesUnordered<_> = processes.map(Process::ended_unasked).collect();
    let mut all_well = true;
    loop {
        tokio::select! {
            () = signals.next() => return all_well,
            Some(error) = ends.next() => {
                all_well = false;
                output::complain(&format!("error: {error}\nThe other processes keep running."));
            }
        }
    }
}

/// Prints the result of a start.
pub(super) fn print(state: &StackState, json: bool) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string_pretty(state)? } else { story::tell(state) };
    output::result(&text)?;
    Ok(())
}

fn service(process: &Process, port: u16, admin_url: Option<String>) -> ServiceState {
    ServiceState {
        name: process.name().to_owned(),
        identity: process.identity(),
        started_at_ms: process.started_at().duration_since(UNIX_EPOCH).map_or(0, millis),
        port,
        admin_url,
        log: process.log().to_owned(),
    }
}

/// `SERVICE=N`; of two for one service the last holds.
fn replicas(text: &str) -> Result<(String, usize), String> {
    let (service, count) = text.split_once('=').ok_or("must be of the form SERVICE=N")?;
    if !REPLICATED.contains(&service) {
        return Err(format!("there may be several of {} only", REPLICATED.join(", ")));
    }
    let count = count.parse().ok().filter(|count| (1..=16).contains(count));
    Ok((service.to_owned(), count.ok_or("there may be 1 to 16")?))
}

/// Saturates in the year 584 million.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What is known before anything runs: enough for `nines down` to find this process.
fn starting() -> anyhow::Result<StackState> {
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

/// How long ago, in words: `3 s`, `12 min`, `2 h`, `4 d`.
pub(super) fn age(since_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
    let seconds = now.saturating_sub(since_ms) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        up: Up,
    }

    fn parse(given: &str) -> Result<Vec<(String, usize)>, clap::Error> {
        Line::try_parse_from(["up", "--replicas", given]).map(|line| line.up.replicas)
    }

    #[test]
    fn replicas_are_checked_on_the_command_line() {
        let two = |service: &str| (service.to_owned(), 2);
        assert_eq!(parse("user=2,gateway=2").unwrap(), [two("user"), two("gateway")]);
        assert_eq!(parse("inventory=16,payment=1").unwrap().len(), 2);
        for wrong in ["user", "user=", "user=0", "user=17", "order=2", "risk=2", "user=2,nobody=1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
