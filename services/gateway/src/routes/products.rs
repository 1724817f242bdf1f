//! `/products`

use actix_web::web;
use envelope::{Error, Reason};
use primitives::Sku;
use proto::inventory::v1::{GetProductRequest, ListProductsRequest};

use crate::bounds;
use crate::catalogue::{self, Answer, Snapshot};
use crate::dto::{ChangeProduct, NewProduct, Page, Product, line};
use crate::endpoint::{Access, Endpoint, OperationId, QueryParameter, Verb};
use crate::input::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::routes::paging::PAGE;
use crate::schema;
use crate::upstreams::Services;

const FILTER: [QueryParameter; 2] = [
    QueryParameter { name: "category", description: "Filters by category.", schema: schema::category },
    QueryParameter {
        name: "q",
        description: "Filters by a prefix of the name, regardless of case.",
        schema: schema::product_name,
    },
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Verb::Get, "/api/v1/products", Access::Public, OperationId::ListProducts, || web::to(list))
            .summary("Lists the products of the catalogue.")
            .browses()
            .cached()
            .query(&PAGE)
            .query(&FILTER)
            .gives::<Page<Product>>()
            .with_etag(),
        Endpoint::new(Verb::Get, "/api/v1/products/{sku}", Access::Public, OperationId::GetProduct, || web::to(get))
            .summary("Returns a product.")
            .browses()
            .cached()
            .gives::<Product>()
            .with_etag()
            .refuses(&[Reason::SkuNotFound]),
        Endpoint::new(Verb::Post, "/api/v1/products", Access::Admin, OperationId::CreateProduct, || web::to(create))
            .summary("Creates a product with a stock of 0.")
            .takes::<NewProduct>()
            .creates::<Product>()
            .with_location()
            .with_etag()
            .refuses(&[Reason::AlreadyExists]),
        Endpoint::new(Verb::Patch, "/api/v1/products/{sku}", Access::Admin, OperationId::ChangeProduct, || {
            web::to(change)
        })
        .summary("Updates a product.")
        .versioned()
        .takes::<ChangeProduct>()
        .gives::<Product>()
        .with_etag()
        .refuses(&[Reason::SkuNotFound]),
    ]
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let mut query = call.query()?;
    let page = Some(query.take_page());
    let category = query.take("category", |text| line(text, 1, bounds::MAX_CATEGORY));
    let name_prefix = query.take("q", |text| line(text, 1, bounds::MAX_PRODUCT_NAME));
    query.finish()?;
    let request = ListProductsRequest { page, category, name_prefix };
    let key = catalogue::list_key(&request);
    let ask = |services: Services| async move {
        let response = services.list_products(request).await?.into_inner();
        let page = Page::<Product>::of(response.products, response.next_page_token);
        Snapshot::digested(page.map_err(Error::internal)?)
    };
    Ok(call.read_catalogue(key, ask).await?)
}

async fn get(call: Call) -> Result<Answer, Refusal> {
    call.no_query()?;
    let sku: Sku = call.path("sku")?;
    let key = catalogue::product_key(&sku);
    let ask = |services: Services| async move {
        let response = services.get_product(GetProductRequest { sku: sku.into() }).await?.into_inner();
        Snapshot::versioned(Product::try_from(response.product).map_err(Error::internal)?)
    };
    Ok(call.read_catalogue(key, ask).await?)
}

async fn create(mut call: Call) -> Result<Reply<Product>, Refusal> {
    call.no_query()?;
    let request = call.body::<NewProduct>().await?.check()?;
    let response = call.services().create_product(request).await;
    call.gateway.catalogue.changed();
    let product = Product::try_from(response?.into_inner().product)?;
    let location = format!("/api/v1/products/{}", product.sku);
    Ok(Reply::created(product).tagged().location(location))
}

async fn change(mut call: Call) -> Result<Reply<Product>, Refusal> {
    call.no_query()?;
    let sku: Sku = call.path("sku")?;
    let version = call.expected_version()?;
    let request = call.body::<ChangeProduct>().await?.check(&sku, version)?;
    let response = call.services().update_product(request).await;
    call.gateway.catalogue.changed();
    Ok(Reply::ok(Product::try_from(response?.into_inner().product)?).tagged())
}
