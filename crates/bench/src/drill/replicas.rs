//! Replicas that are killed, restarted, slow, failing or hanging while shoppers send requests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use devstack::faults::{Fault, FaultProxy};
use devstack::{PlatformOptions, Progress};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::load::{Samples, load};
use super::report::Report;
use super::stage::{Marks, Stage, set};
use super::traffic::{Manners, Mix};
use crate::harness::drive::Pace;

/// The number of order replicas.
const REPLICAS: usize = 3;
/// The time from one kill to the next.
const KILL_PERIOD: Duration = Duration::from_secs(10);
/// How long a killed replica stays down.
const DOWNTIME: Duration = Duration::from_secs(3);
/// How long a process may take to stop or to be ready.
const BOUND: Duration = Duration::from_secs(30);
/// The most requests in flight.
const CLIENTS: usize = 512;
/// How long the load runs before anything is broken.
const WARM_UP: Duration = Duration::from_secs(5);

/// The rate and length of the load.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Steady {
    /// Requests per second.
    #[arg(long, value_name = "N", default_value_t = 350, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// The length of the load, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=3_600))]
    seconds: u64,
}

/// The rate and length of a load in the middle third of which something is broken.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Minute {
    /// Requests per second.
    #[arg(long, value_name = "N", default_value_t = 350, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rate: u32,
    /// The length of the load, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(15..=3_600))]
    pub(super) seconds: u64,
}

impl Minute {
    /// The length of each part: before, during and after the fault.
    pub(super) fn third(self) -> Duration {
        Duration::from_secs(self.seconds / 3)
    }

    fn steady(self) -> Steady {
        Steady { rate: self.rate, seconds: self.seconds }
    }
}

impl Steady {
    async fn load(self, stage: &Stage) -> anyhow::Result<Samples> {
        let pace = Pace::Open { per_second: f64::from(self.rate) };
        load(&stage.shoppers, Mix::SHOP, pace, CLIENTS, Duration::from_secs(self.seconds)).await
    }

    /// Runs the load beside `breaking`, whose token is cancelled when the load is over.
    async fn beside(
        self,
        name: &'static str,
        stage: Stage,
        out: &Path,
        breaking: impl AsyncFnOnce(&Stage, &CancellationToken, &mut Marks) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (over, mut marks) = (CancellationToken::new(), Marks::new());
        let loading = async {
            let samples = self.load(&stage).await;
            over.cancel();
            samples
        };
        let (samples, broken) = tokio::join!(loading, breaking(&stage, &over, &mut marks));
        let samples = samples?;
        broken?;
        let report = Report::new(name, &samples, marks.into_list());
        stage.close(report, samples.placed(), out).await
    }
}

/// Kill one of three order replicas every 10 s, in turn; it is started again 3 s later.
#[derive(Debug, Args)]
pub(super) struct Kill {
    #[command(flatten)]
    steady: Steady,
}

impl Kill {
    pub(super) async fn run(self, out: &Path, progress: &Progress) -> anyhow::Result<()> {
        let stage = Stage::open(Manners::default(), progress, |options| options.order_replicas = REPLICAS).await?;
        self.steady
            .beside("kill", stage, out, async |stage, over, marks| {
                for number in (1..=REPLICAS).cycle() {
                    if over.run_until_cancelled(sleep(KILL_PERIOD - DOWNTIME)).await.is_none() {
                        break;
                    }
                    let name = format!("order-{number}");
                    let replica = stage.platform().process(&name)?;
                    replica.kill9().await?;
                    marks.add(format!("{name} killed"));
                    sleep(DOWNTIME).await;
                    replica.start_again()?;
                }
                Ok(())
            })
            .await
    }
}

/// Kill the primary of the replica set after a third of the time and start it again after two thirds.
#[derive(Debug, Args)]
pub(super) struct Election {
    #[command(flatten)]
    minute: Minute,
}

impl Election {
    pub(super) async fn run(self, out: &Path, progress: &Progress) -> anyhow::Result<()> {
        let (steady, third) = (self.minute.steady(), self.minute.third());
        let stage = Stage::open(Manners::default(), progress, |_options| {}).await?;
        steady
            .beside("election", stage, out, async |stage, over, marks| {
                if over.run_until_cancelled(sleep(third)).await.is_some() {
                    let primary = stage.backing().wait_for_primary(BOUND).await?;
                    let primary = stage.backing().mongod(primary).process();
                    primary.kill9().await?;
                    marks.add("primary killed");
                    over.run_until_cancelled(sleep(third)).await;
                    primary.start_again()?;
                    marks.add("member back");
                    stage.backing().wait_until_healthy(BOUND).await?;
                }
                Ok(())
            })
            .await
    }
}

/// Stop each process with SIGTERM and start it again, one after the other, over and over. A request that a gateway does
/// not accept while it shuts down goes to the other gateway, as a load balancer would send it.
#[derive(Debug, Args)]
pub(super) struct Restart {
    #[command(flatten)]
    steady: Steady,
}

impl Restart {
    pub(super) async fn run(self, out: &Path, progress: &Progress) -> anyhow::Result<()> {
        let manners = Manners { hands_over: true, ..Manners::default() };
        let stage = Stage::open(manners, progress, two_of_each).await?;
        self.steady
            .beside("restart", stage, out, async |stage, over, marks| {
                let platform = stage.platform();
                let names: Vec<String> = platform.processes().map(|(process, ..)| process.name().to_owned()).collect();
                sleep(WARM_UP).await;
                for name in names.iter().cycle() {
                    if over.is_cancelled() {
                        break;
                    }
                    let process = platform.process(name)?;
                    marks.add(format!("{name} stops"));
                    process.terminate(BOUND).await?;
                    platform.start_again(name, BOUND).await?;
                }
                Ok(())
            })
            .await
    }
}

fn two_of_each(options: &mut PlatformOptions) {
    options.order_replicas = REPLICAS;
    for service in ["user", "inventory", "payment", "gateway"] {
        options.replicas.insert(service.to_owned(), 2);
    }
}

/// Make one of three order replicas faulty between a third and two thirds of the time.
#[derive(Debug, Args)]
pub(super) struct Faulty {
    #[command(flatten)]
    minute: Minute,
}

/// Answers after 2 s.
pub(super) fn slow() -> Fault {
    Fault::Delay(Duration::from_secs(2))
}

/// Fails half of its calls.
pub(super) fn failing() -> Fault {
    Fault::Fail { percent: 50, code: tonic::Code::Unavailable }
}

/// Accepts calls and never answers.
pub(super) fn hanging() -> Fault {
    Fault::Hang
}

impl Faulty {
    pub(super) async fn run(
        self,
        name: &'static str,
        fault: Fault,
        out: &Path,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let (steady, third) = (self.minute.steady(), self.minute.third());
        let mut proxies = Vec::new();
        for _ in 0..REPLICAS {
            proxies.push(Arc::new(FaultProxy::start().await?));
        }
        let urls: Vec<String> = proxies.iter().map(|proxy| proxy.url()).collect();
        let stage = Stage::open(Manners::default(), progress, |options| {
            options.order_replicas = REPLICAS;
            let upstreams = toml::toml! { upstreams = {} };
            set(&mut options.overrides, "gateway", with_order(upstreams, &urls));
        });
        let stage = stage.await?;
        for (number, proxy) in proxies.iter().enumerate() {
            proxy.set_target(&stage.platform().grpc_url(&format!("order-{}", number + 1))?)?;
        }
        steady
            .beside(name, stage, out, async |_stage, over, marks| {
                if over.run_until_cancelled(sleep(third)).await.is_some() {
                    proxies[1].set(fault);
                    marks.add(format!("order-2 {name}"));
                    over.run_until_cancelled(sleep(third)).await;
                    proxies[1].set(Fault::None);
                    marks.add("order-2 well");
                }
                Ok(())
            })
            .await
    }
}

fn with_order(mut settings: toml::Table, urls: &[String]) -> toml::Table {
    let urls = urls.iter().map(|url| toml::Value::from(url.as_str())).collect();
    if let Some(toml::Value::Table(upstreams)) = settings.get_mut("upstreams") {
        upstreams.insert("order".to_owned(), toml::Value::Array(urls));
    }
    settings
}
