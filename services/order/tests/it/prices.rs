//! Stands in for inventory: every SKU has the same price.

use futures::stream::{self, BoxStream, StreamExt as _};
use proto::common::v1::Money;
use proto::inventory::v1::catalogue_service_server::{CatalogueService, CatalogueServiceServer};
use proto::inventory::v1::{
    BatchGetProductsRequest, BatchGetProductsResponse, CreateProductRequest, CreateProductResponse, GetProductRequest,
    GetProductResponse, ImportProductsRequest, ImportProductsResponse, ListProductsRequest, ListProductsResponse,
    Product, UpdateProductRequest, UpdateProductResponse, WatchPricesRequest, WatchPricesResponse,
};
use service::{OnFailure, Shell};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// In cents.
const PRICE: i64 = 250;

struct OnePrice;

/// Serves on any free port and gives its address.
pub(crate) async fn serve(shell: &Shell) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = Server::builder()
        .add_service(CatalogueServiceServer::new(OnePrice))
        .serve_with_incoming(TcpIncoming::from(listener));
    shell.tasks.spawn("prices", OnFailure::Log, serving);
    address
}

#[tonic::async_trait]
impl CatalogueService for OnePrice {
    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        let price = || Some(Money { amount: PRICE, currency: "USD".into() });
        let product = |sku| Product { sku, price: price(), ..Product::default() };
        let products = request.into_inner().skus.into_iter().map(product).collect();
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    type WatchPricesStream = BoxStream<'static, Result<WatchPricesResponse, Status>>;

    /// Never says anything, so that prices are asked for.
    async fn watch_prices(&self, _: Request<WatchPricesRequest>) -> Result<Response<Self::WatchPricesStream>, Status> {
        Ok(Response::new(stream::pending().boxed()))
    }

    async fn list_products(&self, _: Request<ListProductsRequest>) -> Result<Response<ListProductsResponse>, Status> {
        Err(Status::unimplemented("not asked for by orders"))
    }

    async fn get_product(&self, _: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        Err(Status::unimplemented("not asked for by orders"))
    }

    async fn create_product(
        &self,
        _: Request<CreateProductRequest>,
    ) -> Result<Response<CreateProductResponse>, Status> {
        Err(Status::unimplemented("not asked for by orders"))
    }

    async fn update_product(
        &self,
        _: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        Err(Status::unimplemented("not asked for by orders"))
    }

    async fn import_products(
        &self,
        _: Request<ImportProductsRequest>,
    ) -> Result<Response<ImportProductsResponse>, Status> {
        Err(Status::unimplemented("not asked for by orders"))
    }
}
