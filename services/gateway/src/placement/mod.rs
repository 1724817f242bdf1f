//! Which replica of the order service places an order. Any of them can; but orders of one SKU share a transaction only
//! where they meet, so those of a hot SKU go to the same replica as long as it is fit and has room.

mod heat;

use envelope::{Error, Reason};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{PlaceOrderRequest, PlaceOrderResponse};
use service::{Replica, RequestContext, Upstream};
use tonic::Response;

use crate::config::PlacementConfig;
use heat::Heat;

/// Sends orders on.
#[derive(Debug)]
pub(crate) struct Placement {
    order: Upstream,
    /// Nothing when the replicas are used in turn.
    heat: Option<Heat>,
}

/// Why a replica did not place an order.
enum Setback {
    /// Another replica may: this one did not answer, or is full.
    Spills { reason: &'static str, error: Error },
    /// Another one would say the same, or there is no time to ask.
    Final(Error),
}

impl Setback {
    fn into_error(self) -> Error {
        match self {
            Self::Spills { error, .. } | Self::Final(error) => error,
        }
    }
}

impl Placement {
    pub(crate) fn new(order: Upstream, config: &PlacementConfig) -> Self {
        Self { order, heat: config.affinity.then(Heat::new) }
    }

    /// Places an order, at two replicas at most. A second attempt does no harm, whatever became of the first one: the
    /// idempotency key lets the order be placed once. A replica that rests gets no second attempts, so that a service
    /// that is overloaded as a whole is not asked twice for each order.
    pub(crate) async fn place(
        &self,
        context: &RequestContext,
        order: PlaceOrderRequest,
    ) -> Result<Response<PlaceOrderResponse>, Error> {
        let replicas = self.replicas(&order);
        let Some((first, others)) = replicas.split_first() else {
            return Err(Error::internal("the order service has no replicas"));
        };
        let (reason, error) = match ask(first, context, order.clone()).await {
            Ok(response) => return Ok(response),
            Err(Setback::Spills { reason, error }) => (reason, error),
            Err(Setback::Final(error)) => return Err(error),
        };
        // What came after the first may have begun to rest meanwhile, or have rested enough.
        let Some(second) = others.iter().find(|replica| !replica.is_resting()) else { return Err(error) };
        tracing::debug!(reason, error = &error as &dyn std::error::Error, "an order spills over");
        metrics::counter!("gateway_order_spillovers_total", "reason" => reason).increment(1);
        ask(second, context, order).await.map_err(Setback::into_error)
    }

    /// The replicas in the order in which they should be asked.
    fn replicas(&self, order: &PlaceOrderRequest) -> Vec<&Replica> {
        let skus = order.lines.iter().map(|line| line.sku.as_str());
        match self.heat.as_ref().and_then(|heat| heat.hottest(skus)) {
            Some(sku) => self.order.ranked(sku),
            None => self.order.in_turn(),
        }
    }
}

async fn ask(
    replica: &Replica,
    context: &RequestContext,
    order: PlaceOrderRequest,
) -> Result<Response<PlaceOrderResponse>, Setback> {
    let request = context.request(order).map_err(Setback::Final)?;
    let status = match OrderServiceClient::new(replica.channel()).place_order(request).await {
        Ok(response) => return Ok(response),
        Err(status) => status,
    };
    let unanswered = envelope::is_unanswered(&status);
    let error = Error::from_status(status);
    if unanswered {
        return Err(Setback::Spills { reason: "unanswered", error });
    }
    if error.reason() == Reason::Overloaded {
        replica.overloaded();
        return Err(Setback::Spills { reason: "overloaded", error });
    }
    Err(Setback::Final(error))
}
