//! The gRPC servers of the catalogue and the ledger: convert between protobuf and the domain, nothing else.

mod audit;
mod catalogue;
mod stock;

use envelope::{Detail, Error};
use primitives::Sku;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::app::App;
use crate::domain::Product;
use crate::error::InventoryError;

pub(crate) use audit::AuditGrpc;

/// Serves `CatalogueService` and `StockService`.
#[derive(Clone)]
pub(crate) struct InventoryGrpc {
    app: App,
    /// When it fires, endless streams end.
    drain: CancellationToken,
}

impl InventoryGrpc {
    pub(crate) fn new(app: App, drain: CancellationToken) -> Self {
        Self { app, drain }
    }
}

fn reject(error: impl Into<InventoryError>) -> Status {
    service::grpc::reject(Error::from(error.into()))
}

fn invalid(details: Vec<Detail>) -> Status {
    reject(InventoryError::Invalid(details))
}

fn parse_sku(text: &str) -> Result<Sku, Status> {
    text.parse().map_err(|error: primitives::ParseError| reject(Error::invalid("sku", error.to_string())))
}

/// The size and the token of the requested page.
fn page(page: Option<proto::common::v1::PageRequest>) -> (u32, String) {
    page.map_or_else(Default::default, |page| (page.page_size, page.page_token))
}

fn to_proto(product: Product) -> proto::inventory::v1::Product {
    proto::inventory::v1::Product {
        sku: product.sku.to_string(),
        name: product.name,
        description: product.description,
        category: product.category,
        price: Some(proto::from_money(product.price)),
        version: product.version,
        created_at: Some(proto::from_timestamp(product.created_at)),
        updated_at: Some(proto::from_timestamp(product.updated_at)),
    }
}
