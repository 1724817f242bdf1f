//! The services that orders need: prices from inventory, charges and refunds from payment.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use envelope::Error;
use ids::{Money, OrderId, Sku};
use proto::inventory::v1::BatchGetProductsRequest;
use proto::inventory::v1::catalogue_service_client::CatalogueServiceClient;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::{
    BalanceMethod, CardMethod, ChargeRequest, ListPaymentsRequest, RefundRequest, ResolvePaymentRequest,
    charge_request,
};
use service::{OnFailure, RequestContext, Tasks, Upstream};
use tokio::time::Instant;

use super::convert::to_payment;
use crate::domain::{Method, Order, Payment};

/// The most prices that are kept.
const MAX_CACHED_PRICES: u64 = 200_000;

/// How long fetching prices before they are needed may take.
const REFRESH_BUDGET: Duration = Duration::from_secs(1);

/// The prices of the catalogue, kept for a short time. Those in demand are fetched again before that is over, so that
/// nobody waits for them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Prices {
    inventory: Upstream,
    tasks: Tasks,
    keep: Duration,
    cache: moka::sync::Cache<Sku, Arc<CachedPrice>>,
}

struct CachedPrice {
    price: Money,
    at: Instant,
    /// Somebody is fetching it again.
    refreshing: AtomicBool,
}

impl CachedPrice {
    /// Whether it is time to fetch it again; `true` to one caller.
    fn is_to_be_refreshed(&self, keep: Duration) -> bool {
        self.at.elapsed() > keep / 2 && !self.refreshing.swap(true, Ordering::Relaxed)
    }
}

impl Prices {
    /// No price is used for longer than `keep`.
    pub(crate) fn new(inventory: Upstream, keep: Duration, tasks: Tasks) -> Self {
        let cache = moka::sync::Cache::builder().max_capacity(MAX_CACHED_PRICES).time_to_live(keep).build();
        Self { inventory, tasks, keep, cache }
    }

    /// The prices of those SKUs that are in the catalogue.
    pub(crate) async fn of(
        &self,
        context: &RequestContext,
        skus: &[Sku],
    ) -> Result<HashMap<Sku, Money>, Error> {
        let mut prices = HashMap::with_capacity(skus.len());
        let (mut missing, mut aging) = (Vec::new(), Vec::new());
        for sku in skus {
            let Some(cached) = self.cache.get(sku) else {
                missing.push(sku.to_string());
                continue;
            };
            prices.insert(sku.clone(), cached.price);
            if cached.is_to_be_refreshed(self.keep) {
                aging.push(sku.to_string());
            }
        }
        if !aging.is_empty() {
            let this = self.clone();
            self.tasks.spawn("price-refresh", OnFailure::Log, async move {
                this.fetch(&RequestContext::internal(REFRESH_BUDGET), aging).await.map(drop)
            });
        }
        if !missing.is_empty() {
            prices.extend(self.fetch(context, missing).await?);
        }
        Ok(prices)
    }

    async fn fetch(&self, context: &RequestContext, skus: Vec<String>) -> Result<Vec<(Sku, Money)>, Error> {
        let at = Instant::now();
        let request = context.request(BatchGetProductsRequest { skus })?;
        let mut client = CatalogueServiceClient::new(self.inventory.channel());
        let response = client.batch_get_products(request).await.map_err(Error::from_status)?;
        let mut prices = Vec::new();
        for product in response.into_inner().products {
            let sku: Sku = product.sku.parse().map_err(|error: ids::ParseError| Error::internal(error))?;
            let price = proto::to_money("price", product.price).map_err(Error::internal)?;
            let cached = CachedPrice { price, at, refreshing: AtomicBool::new(false) };
            self.cache.insert(sku.clone(), Arc::new(cached));
            prices.push((sku, price));
        }
        Ok(prices)
    }
}

/// The payment service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Payments {
    payment: Upstream,
}

impl Payments {
    pub(crate) fn new(payment: Upstream) -> Self {
        Self { payment }
    }

    /// Charges an order, once whatever happens.
    pub(crate) async fn charge(
        &self,
        context: &RequestContext,
        order: &Order,
        method: Method,
    ) -> Result<Payment, Error> {
        let method = match method {
            Method::Balance => charge_request::Method::Balance(BalanceMethod {}),
            Method::Card { token } => charge_request::Method::Card(CardMethod { token }),
        };
        let request = context.request(ChargeRequest {
            order_id: order.id.to_string(),
            user_id: order.user_id.to_string(),
            amount: Some(proto::from_money(order.total)),
            method: Some(method),
        })?;
        let response = self.client().charge(request).await.map_err(Error::from_status)?;
        to_payment(response.into_inner().payment.ok_or_else(missing)?)
    }

    /// Gives back what was paid for an order, once whatever happens.
    pub(crate) async fn refund(&self, context: &RequestContext, order_id: OrderId) -> Result<(), Error> {
        let request = context.request(RefundRequest { order_id: order_id.to_string() })?;
        self.client().refund(request).await.map_err(Error::from_status)?;
        Ok(())
    }

    /// What has become of the payment of an order; `None` when it was never charged.
    pub(crate) async fn resolve(
        &self,
        context: &RequestContext,
        id: OrderId,
    ) -> Result<Option<Payment>, Error> {
        let request = context.request(ResolvePaymentRequest { order_id: id.to_string() })?;
        let response = self.client().resolve_payment(request).await.map_err(Error::from_status)?;
        response.into_inner().payment.map(to_payment).transpose()
    }

    /// All attempts to pay an order, newest first.
    pub(crate) async fn list(&self, context: &RequestContext, id: OrderId) -> Result<Vec<Payment>, Error> {
        let request = context.request(ListPaymentsRequest { order_id: id.to_string() })?;
        let response = self.client().list_payments(request).await.map_err(Error::from_status)?;
        response.into_inner().payments.into_iter().map(to_payment).collect()
    }

    fn client(&self) -> PaymentServiceClient<tonic::transport::Channel> {
        PaymentServiceClient::new(self.payment.channel())
    }
}

fn missing() -> Error {
    Error::internal("an answer without a payment")
}
