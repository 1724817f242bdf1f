//! Prices of the catalogue of the inventory service: followed as they change, and requested where they are not known.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use balancer::{Ask, Upstream};
use envelope::Error;
use primitives::{Money, ParseError, Sku};
use proto::inventory::v1::catalogue_service_client::CatalogueServiceClient;
use proto::inventory::v1::{BatchGetProductsRequest, WatchPricesRequest};
use service::{Deadline, RequestContext};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::prices::Prices;

/// How far behind the inventory service may be when it reports that it has sent all changes.
const WATCH_LAG: Duration = Duration::from_millis(500);
/// A watch without a message for this long is abandoned; the inventory service sends one every second.
const SILENCE: Duration = Duration::from_secs(5);
/// The pause before the watch is opened again.
const WATCH_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The catalogue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Catalogue {
    inventory: Upstream,
    prices: Arc<RwLock<Prices>>,
}

impl Catalogue {
    /// No price is used for longer than `keep` after it has changed.
    pub(crate) fn new(inventory: Upstream, keep: Duration) -> Self {
        Self { inventory, prices: Arc::new(RwLock::new(Prices::new(keep))) }
    }

    /// The prices of those SKUs that are in the catalogue.
    pub(crate) async fn prices(&self, context: &RequestContext, skus: &[Sku]) -> Result<HashMap<Sku, Money>, Error> {
        let mut prices = HashMap::with_capacity(skus.len());
        let mut missing = Vec::new();
        {
            let (known, now) = (self.prices.read().unwrap_or_else(PoisonError::into_inner), Instant::now());
            for sku in skus {
                match known.get(sku, now) {
                    Some(price) => {
                        prices.insert(sku.clone(), price);
                    }
                    None => missing.push(sku.to_string()),
                }
            }
        }
        if !missing.is_empty() {
            prices.extend(self.ask(context, missing).await?);
        }
        Ok(prices)
    }

    async fn ask(&self, context: &RequestContext, skus: Vec<String>) -> Result<Vec<(Sku, Money)>, Error> {
        let at = Instant::now();
        let message = BatchGetProductsRequest { skus };
        let answered = self.inventory.ask(context, message, Ask::read(), |channel, request| async move {
            CatalogueServiceClient::new(channel).batch_get_products(request).await
        });
        let response = answered.await?;
        let mut prices = Vec::new();
        for product in response.into_inner().products {
            let (sku, price) = parse(&product.sku, product.price)?;
            self.change(|prices| prices.learn(sku.clone(), price, product.version, at));
            prices.push((sku, price));
        }
        Ok(prices)
    }

    /// Follows the prices until the process stops. While that fails, they are requested instead.
    pub(crate) async fn follow(self, stop: CancellationToken) -> Result<(), Infallible> {
        while let Some(ended) = stop.run_until_cancelled(self.watch()).await {
            self.change(Prices::lost);
            match ended {
                Ok(()) => tracing::debug!("inventory ended the watch of prices"),
                Err(error) => tracing::warn!(?error, "prices can't be followed"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(WATCH_AGAIN_AFTER)).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn watch(&self) -> Result<(), Error> {
        let request = RequestContext::internal(SILENCE).request(WatchPricesRequest {})?;
        let mut client = CatalogueServiceClient::new(self.inventory.channel());
        let mut pages = client.watch_prices(request).await.map_err(Error::from_status)?.into_inner();
        loop {
            let page = Deadline::after(SILENCE).bound(pages.message()).await?;
            let Some(page) = page.map_err(Error::from_status)? else { return Ok(()) };
            let now = Instant::now();
            let at = now.checked_sub(WATCH_LAG).unwrap_or(now);
            if page.prices.is_empty() {
                self.change(|prices| prices.followed_to(at));
            }
            for listed in page.prices {
                let (sku, price) = parse(&listed.sku, listed.price)?;
                self.change(|prices| prices.learn(sku, price, listed.version, at));
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Prices)) {
        // Nothing panics while it is held.
        change(&mut self.prices.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn parse(sku: &str, price: Option<proto::common::v1::Money>) -> Result<(Sku, Money), Error> {
    let sku = sku.parse().map_err(|error: ParseError| Error::internal(error))?;
    Ok((sku, proto::to_money("price", price).map_err(Error::internal)?))
}
