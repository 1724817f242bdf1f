//! The services whose books are compared, as clients: their books as of a cut, and the remedies that they apply.

mod inventory;
mod order;
mod outbox;
mod pages;
mod payment;

use balancer::Upstream;
use envelope::Error;
use mongo::Cut;
use primitives::EventId;
use service::Shell;

use crate::config::UpstreamsConfig;
use crate::domain::{Publisher, TimeRange, TimedEvent};
use inventory::InventoryBooks;
use order::OrderBooks;
pub(crate) use pages::Pages;
use payment::PaymentBooks;

/// The services whose books are compared. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Upstreams {
    pub(crate) order: OrderBooks,
    pub(crate) inventory: InventoryBooks,
    pub(crate) payment: PaymentBooks,
}

impl Upstreams {
    pub(crate) fn new(config: &UpstreamsConfig, shell: &Shell) -> Self {
        Self {
            order: OrderBooks(Upstream::start("order", &config.order, shell)),
            inventory: InventoryBooks(Upstream::start("inventory", &config.inventory, shell)),
            payment: PaymentBooks(Upstream::start("payment", &config.payment, shell)),
        }
    }

    /// The events of a time range in a publisher's outbox, by time.
    pub(crate) fn events(&self, publisher: Publisher, cut: Cut, range: TimeRange) -> Pages<TimedEvent> {
        outbox::events(self.publisher(publisher), publisher, cut, range)
    }

    /// Has entries of a publisher's outbox published again; returns how many of them it still keeps. At most 1,000.
    pub(crate) async fn publish_again(&self, publisher: Publisher, entries: &[EventId]) -> Result<u32, Error> {
        outbox::publish_again(self.publisher(publisher), entries).await
    }

    fn publisher(&self, publisher: Publisher) -> &Upstream {
        match publisher {
            Publisher::Order => &self.order.0,
            Publisher::Inventory => &self.inventory.0,
            Publisher::Payment => &self.payment.0,
        }
    }
}
