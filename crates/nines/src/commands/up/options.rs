//! The arguments of `nines up`.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cli::StackFolder;
use devstack::BrokerKind;
use devstack::platform::REPLICATED;

/// Start a local stack: MongoDB, the broker and every service.
#[derive(Debug, Args)]
pub(crate) struct UpOptions {
    #[command(flatten)]
    pub(super) folder: StackFolder,
    /// Return when the stack is ready, and leave it running.
    #[arg(long)]
    pub(super) detach: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// The number of order services.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "N")]
    pub(super) order_replicas: u8,
    /// The number of processes of user, inventory, payment and gateway, such as `user=2,gateway=2`.
    #[arg(long, value_delimiter = ',', value_parser = replicas, value_name = "SERVICE=N,…")]
    pub(super) replicas: Vec<(String, usize)>,
    /// The broker: Tansu keeps nothing on disk; Apache Kafka needs Java 17, and Maven for the first download.
    #[arg(long, default_value_t, value_parser = broker_kind(), value_name = "KIND")]
    pub(super) broker: BrokerKind,
    /// Load no demo data.
    #[arg(long)]
    pub(super) no_demo: bool,
    /// Set by `--detach` for the process that keeps running.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(super) supervise: bool,
}

/// Parses `--broker`.
pub(crate) fn broker_kind() -> impl TypedValueParser<Value = BrokerKind> {
    PossibleValuesParser::new(BrokerKind::ALL.map(BrokerKind::name)).try_map(|name| name.parse::<BrokerKind>())
}

/// Parses `SERVICE=N`; the last value for a service counts.
fn replicas(text: &str) -> Result<(String, usize), String> {
    let (service, count) = text.split_once('=').ok_or("must be of the form SERVICE=N")?;
    if !REPLICATED.contains(&service) {
        return Err(format!("there may be several of {} only", REPLICATED.join(", ")));
    }
    let count = count.parse().ok().filter(|count| (1..=16).contains(count));
    Ok((service.to_owned(), count.ok_or("there may be 1 to 16")?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        up: UpOptions,
    }

    fn parse(given: &str) -> Result<Vec<(String, usize)>, clap::Error> {
        CommandLine::try_parse_from(["up", "--replicas", given]).map(|given| given.up.replicas)
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
