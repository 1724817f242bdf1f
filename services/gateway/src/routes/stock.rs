//! `/products/{sku}/stock` and its movements.

use actix_web::web;
use envelope::Reason;
use primitives::Sku;
use proto::inventory::v1::{GetStockRequest, ListStockMovementsRequest};

use crate::dto::{AdjustStock, Page, Stock, StockMovement};
use crate::endpoint::{Access, Endpoint, OperationId, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::paging::PAGE;

const STOCK: &str = "/api/v1/products/{sku}/stock";
const ADJUSTMENTS: &str = "/api/v1/products/{sku}/stock-adjustments";
const MOVEMENTS: &str = "/api/v1/products/{sku}/stock-movements";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, STOCK, Access::Public, OperationId::GetStock, || web::to(get))
            .summary("Returns the quantity of a product that can be ordered.")
            .browses()
            .gives::<Stock>()
            .refuses(&[Reason::SkuNotFound]),
        Endpoint::new(Verb::Post, ADJUSTMENTS, Access::Admin, OperationId::AdjustStock, || web::to(adjust))
            .summary("Adds or removes stock. The stock never falls below 0.")
            .idempotent()
            .takes::<AdjustStock>()
            .creates::<StockMovement>()
            .refuses(&[Reason::SkuNotFound, Reason::InsufficientStock, Reason::InvalidState]),
        Endpoint::new(Verb::Get, MOVEMENTS, Access::Admin, OperationId::ListStockMovements, || web::to(list_movements))
            .summary("Lists the stock movements of a product, newest first.")
            .can_wait()
            .query(&PAGE)
            .gives::<Page<StockMovement>>()
            .refuses(&[Reason::SkuNotFound]),
    ]
}

async fn get(call: Call) -> Result<Reply<Stock>, Refusal> {
    call.no_query()?;
    let sku: Sku = call.path("sku")?;
    let response = call.services().get_stock(GetStockRequest { sku: sku.into() }).await?.into_inner();
    Ok(Reply::ok(Stock::try_from(response)?))
}

async fn adjust(mut call: Call) -> Result<Reply<StockMovement>, Refusal> {
    call.no_query()?;
    let sku: Sku = call.path("sku")?;
    let key = call.idempotency_key()?;
    let request = call.body::<AdjustStock>().await?.check(&sku, &key)?;
    let response = call.services().adjust_stock(request).await?;
    let (metadata, response, _) = response.into_parts();
    Ok(Reply::created(StockMovement::try_from(response.movement)?).replayed(&metadata))
}

async fn list_movements(call: Call) -> Result<Reply<Page<StockMovement>>, Refusal> {
    let sku: Sku = call.path("sku")?;
    let mut query = call.query()?;
    let page = Some(query.take_page());
    query.finish()?;
    let request = ListStockMovementsRequest { sku: sku.into(), page };
    let response = call.services().list_stock_movements(request).await?.into_inner();
    Ok(Reply::ok(Page::of(response.movements, response.next_page_token)?))
}
