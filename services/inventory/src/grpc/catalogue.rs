//! `CatalogueService`.

use envelope::{Detail, Error};
use futures::stream::{self, BoxStream, StreamExt as _};
use primitives::{Currency, Money, OrderLines};
use proto::inventory::v1::catalogue_service_server::CatalogueService;
use proto::inventory::v1::{
    BatchGetProductsRequest, BatchGetProductsResponse, CreateProductRequest, CreateProductResponse, GetProductRequest,
    GetProductResponse, ImportProductsRequest, ImportProductsResponse, ImportedProduct as ImportedProductMessage,
    ListProductsRequest, ListProductsResponse, NewProduct as NewProductMessage, UpdateProductRequest,
    UpdateProductResponse, WatchPricesRequest, WatchPricesResponse,
};
use service::RequestContext;
use tonic::{Request, Response, Status};

use super::{InventoryGrpc, invalid, page, parse_sku, reject, to_proto};
use crate::domain::{ImportedProduct, InitialStock, ListedPrice, NewProduct, ProductChange, ProductFilter};

/// The maximum number of SKUs in a lookup: an order has at most this many.
const MAX_BATCH: usize = OrderLines::MAX;
/// The maximum number of products in an import. Each is three documents, well below what a transaction can hold.
const MAX_IMPORT: usize = 500;

#[tonic::async_trait]
impl CatalogueService for InventoryGrpc {
    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let request = request.into_inner();
        let (size, token) = page(request.page);
        let filter = ProductFilter { category: request.category, name_prefix: request.name_prefix };
        let listed = self.app.list_products(&filter, size, &token, context.deadline).await;
        let (products, next_page_token) = listed.map_err(reject)?;
        let products = products.into_iter().map(to_proto).collect();
        Ok(Response::new(ListProductsResponse { products, next_page_token }))
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let sku = parse_sku(&request.get_ref().sku)?;
        let product = self.app.product(&sku, context.deadline).await.map_err(reject)?;
        Ok(Response::new(GetProductResponse { product: Some(to_proto(product)) }))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        let skus = request.into_inner().skus;
        if skus.len() > MAX_BATCH {
            return Err(reject(Error::invalid("skus", format!("must be at most {MAX_BATCH}"))));
        }
        let skus = skus.iter().map(|sku| parse_sku(sku)).collect::<Result<Vec<_>, _>>()?;
        let products = self.app.products(&skus, context.deadline).await.map_err(reject)?;
        Ok(Response::new(BatchGetProductsResponse { products: products.into_iter().map(to_proto).collect() }))
    }

    type WatchPricesStream = BoxStream<'static, Result<WatchPricesResponse, Status>>;

    async fn watch_prices(&self, _: Request<WatchPricesRequest>) -> Result<Response<Self::WatchPricesStream>, Status> {
        let watch = self.app.watch_prices().await.map_err(reject)?;
        let pages = stream::try_unfold(watch, async |mut watch| {
            let page = watch.next_page().await.map_err(reject)?;
            let prices = page.into_iter().map(listed).collect();
            Ok(Some((WatchPricesResponse { prices }, watch)))
        });
        Ok(Response::new(pages.take_until(self.drain.clone().cancelled_owned()).boxed()))
    }

    async fn create_product(
        &self,
        request: Request<CreateProductRequest>,
    ) -> Result<Response<CreateProductResponse>, Status> {
        let context = RequestContext::from_request(&request);
        context.require_admin().map_err(reject)?;
        let new = new_product(request.into_inner().product, self.app.currency).map_err(invalid)?;
        let product = self.app.create_product(new, context.deadline).await.map_err(reject)?;
        Ok(Response::new(CreateProductResponse { product: Some(to_proto(product)) }))
    }

    async fn update_product(
        &self,
        request: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        let context = RequestContext::from_request(&request);
        context.require_admin().map_err(reject)?;
        let request = request.into_inner();
        let sku = parse_sku(&request.sku)?;
        let price =
            request.price.map(|price| money(Some(price))).transpose().map_err(|detail| invalid(vec![detail]))?;
        let change = ProductChange::check(
            request.name.as_deref(),
            request.description.as_deref(),
            request.category.as_deref(),
            price,
            self.app.currency,
        );
        let change = change.map_err(invalid)?;
        let updated = self.app.update_product(&sku, request.expected_version, &change, context.deadline).await;
        Ok(Response::new(UpdateProductResponse { product: Some(to_proto(updated.map_err(reject)?)) }))
    }

    async fn import_products(
        &self,
        request: Request<ImportProductsRequest>,
    ) -> Result<Response<ImportProductsResponse>, Status> {
        let context = RequestContext::from_request(&request);
        context.require_admin().map_err(reject)?;
        let messages = request.into_inner().products;
        if messages.len() > MAX_IMPORT {
            return Err(reject(Error::invalid("products", format!("must be at most {MAX_IMPORT}"))));
        }
        let offered = messages.len();
        let currency = self.app.currency;
        let products = messages.into_iter().map(|message| imported(message, currency)).collect::<Result<Vec<_>, _>>();
        let created = self.app.import_products(products.map_err(invalid)?, context.deadline).await.map_err(reject)?;
        let count = |number: usize| u32::try_from(number).map_err(|error| reject(Error::internal(error)));
        Ok(Response::new(ImportProductsResponse { created: count(created)?, existing: count(offered - created)? }))
    }
}

fn listed(listed: ListedPrice) -> proto::inventory::v1::ListedPrice {
    proto::inventory::v1::ListedPrice {
        sku: listed.sku.to_string(),
        price: Some(proto::from_money(listed.price)),
        version: listed.version,
    }
}

fn new_product(message: Option<NewProductMessage>, shop: Currency) -> Result<NewProduct, Vec<Detail>> {
    let message = message.ok_or_else(|| vec![violation("product", "is missing")])?;
    let price = money(message.price).map_err(|detail| vec![detail])?;
    NewProduct::check(&message.sku, &message.name, message.description.as_deref(), &message.category, price, shop)
}

fn imported(message: ImportedProductMessage, shop: Currency) -> Result<ImportedProduct, Vec<Detail>> {
    let product = new_product(message.product, shop)?;
    let stock = InitialStock::try_from(message.initial_stock)
        .map_err(|error| vec![violation("initialStock", &error.to_string())])?;
    Ok(ImportedProduct { product, stock })
}

fn money(message: Option<proto::common::v1::Money>) -> Result<Money, Detail> {
    proto::to_money("price", message).map_err(|error| violation("price", &error.to_string()))
}

fn violation(field: &str, description: &str) -> Detail {
    Detail::Field { field: field.to_owned(), description: description.to_owned() }
}
