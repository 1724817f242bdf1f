//! Places orders over gRPC, directly with the replicas of the order service.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use envelope::Error;
use primitives::{SessionId, UserId};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{PlaceOrderRequest, RequestedLine};
use service::{Caller, RequestContext, Role};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use super::buyer::{Buyer, Outcome};
use super::metrics::Metrics;
use super::workload::{Goods, OrderLine};

/// The number of clients that share a connection: one task at each end drives an HTTP/2 connection.
const CLIENTS_PER_CONNECTION: usize = 64;
/// The most connections to a replica; on two cores more of them cost more than they gain.
const MAX_CONNECTIONS: usize = 8;

/// Places orders over gRPC.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// The connections to all replicas in turn; a client uses the channel of its number.
    channels: Vec<OrderServiceClient<Channel>>,
    callers: Vec<Caller>,
    goods: Arc<Goods>,
    patience: Duration,
    metrics: Metrics,
}

impl Lanes {
    /// Spreads a number of clients over the replicas at these addresses. Each order has `patience` as its deadline.
    ///
    /// # Errors
    /// When an address is not valid.
    pub(crate) fn connect(
        replicas: &[String],
        metrics: Metrics,
        goods: &Arc<Goods>,
        clients: usize,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let per_replica = clients.div_ceil(replicas.len().max(1) * CLIENTS_PER_CONNECTION);
        let connections = (0..per_replica.clamp(1, MAX_CONNECTIONS)).flat_map(|_| replicas);
        let channels = connections.map(|address| {
            let endpoint = Endpoint::from_shared(address.clone()).context("the address of a replica")?;
            Ok(OrderServiceClient::new(endpoint.tcp_nodelay(true).connect_lazy()))
        });
        let customer = || Caller { user_id: UserId::new(), role: Role::Customer, session_id: SessionId::new() };
        Ok(Self {
            channels: channels.collect::<anyhow::Result<_>>()?,
            callers: (0..clients).map(|_| customer()).collect(),
            goods: Arc::clone(goods),
            patience,
            metrics,
        })
    }
}

impl Buyer for Lanes {
    const NAME: &'static str = "lanes";

    async fn place(&self, client: usize, lines: &[OrderLine]) -> anyhow::Result<Outcome> {
        let lines = lines
            .iter()
            .map(|line| RequestedLine { sku: self.goods.product(*line).sku.clone(), quantity: line.pieces });
        let message = PlaceOrderRequest { lines: lines.collect(), idempotency_key: Uuid::now_v7().to_string() };
        let caller = Some(self.callers[client]);
        let context = RequestContext { caller, ..RequestContext::internal(self.patience) };
        let request = context.request(message)?;
        let mut channel = self.channels[client % self.channels.len()].clone();
        // The service gives up at the deadline too; this bound is for a service that does not answer at all.
        match context.deadline.bound(channel.place_order(request)).await {
            Ok(Ok(_response)) => Ok(Outcome::Placed),
            Ok(Err(status)) => Outcome::of(Error::from_status(status)),
            Err(expired) => Outcome::of(expired.into()),
        }
    }

    async fn retries(&self) -> anyhow::Result<u64> {
        self.metrics.transaction_retries().await
    }
}
