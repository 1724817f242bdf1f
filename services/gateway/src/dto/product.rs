//! Products.

use envelope::Error;
use primitives::Sku;
use proto::ConvertError;
use proto::inventory::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounds::{MAX_CATEGORY, MAX_DESCRIPTION, MAX_PRODUCT_NAME};
use crate::dto::money::{Money, PositiveMoney};
use crate::dto::text;
use crate::dto::time::Time;
use crate::entity_tag::Versioned;
use crate::input::Violations;
use crate::schema;
use crate::strict;

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Product {
    #[schema(schema_with = schema::sku)]
    pub(crate) sku: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    category: String,
    price: Money,
    version: u64,
    #[schema(schema_with = schema::time)]
    created_at: Time,
    #[schema(schema_with = schema::time)]
    updated_at: Time,
}

impl Versioned for Product {
    fn version(&self) -> u64 {
        self.version
    }
}

impl TryFrom<Option<wire::Product>> for Product {
    type Error = ConvertError;

    fn try_from(product: Option<wire::Product>) -> Result<Self, ConvertError> {
        product.ok_or(ConvertError::Missing("product"))?.try_into()
    }
}

impl TryFrom<wire::Product> for Product {
    type Error = ConvertError;

    fn try_from(product: wire::Product) -> Result<Self, ConvertError> {
        Ok(Self {
            sku: product.sku,
            name: product.name,
            description: product.description,
            category: product.category,
            price: Money::of("price", product.price)?,
            version: product.version,
            created_at: Time::of("created_at", product.created_at)?,
            updated_at: Time::of("updated_at", product.updated_at)?,
        })
    }
}

/// A product to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    #[schema(schema_with = schema::sku)]
    sku: String,
    #[schema(schema_with = schema::product_name)]
    name: String,
    #[serde(default, deserialize_with = "strict::present")]
    #[schema(schema_with = schema::description, required = false)]
    description: Option<String>,
    #[schema(schema_with = schema::category)]
    category: String,
    #[serde(deserialize_with = "strict::object")]
    price: PositiveMoney,
}

impl NewProduct {
    pub(crate) fn check(self) -> Result<wire::CreateProductRequest, Error> {
        let mut wrong = Violations::default();
        let sku = wrong.take("sku", self.sku.parse::<Sku>());
        let name = wrong.take("name", text::line(&self.name, 1, MAX_PRODUCT_NAME));
        let description = self.description.and_then(|text| wrong.take("description", description(text)));
        let category = wrong.take("category", category(&self.category));
        let price = self.price.check("price", &mut wrong).map(proto::from_money);
        match (sku, name, category) {
            (Some(sku), Some(name), Some(category)) => {
                wrong.finish()?;
                let product = wire::NewProduct { sku: sku.into(), name, description, category, price };
                Ok(wire::CreateProductRequest { product: Some(product) })
            }
            _ => Err(wrong.into_error()),
        }
    }
}

/// The fields of a product to change, at least one. A description of `null` or `""` removes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(crate) struct ChangeProduct {
    #[serde(default, deserialize_with = "strict::present")]
    #[schema(schema_with = schema::product_name, required = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "strict::present_or_null")]
    #[schema(schema_with = schema::description_or_null, required = false)]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "strict::present")]
    #[schema(schema_with = schema::category, required = false)]
    category: Option<String>,
    #[serde(default, deserialize_with = "strict::present_object")]
    #[schema(nullable = false)]
    price: Option<PositiveMoney>,
}

impl ChangeProduct {
    pub(crate) fn check(self, sku: &Sku, expected_version: u64) -> Result<wire::UpdateProductRequest, Error> {
        if self.name.is_none() && self.description.is_none() && self.category.is_none() && self.price.is_none() {
            return Err(text::nothing_to_change());
        }
        let mut wrong = Violations::default();
        let name = self.name.and_then(|text| wrong.take("name", text::line(&text, 1, MAX_PRODUCT_NAME)));
        let new_description = self.description.map(Option::unwrap_or_default);
        let description = new_description.and_then(|text| wrong.take("description", description(text)));
        let category = self.category.and_then(|text| wrong.take("category", category(&text)));
        let price = self.price.and_then(|price| price.check("price", &mut wrong)).map(proto::from_money);
        wrong.finish()?;
        let sku = sku.as_str().to_owned();
        Ok(wire::UpdateProductRequest { sku, expected_version, name, description, category, price })
    }
}

fn category(text: &str) -> Result<String, String> {
    text::line(text, 1, MAX_CATEGORY)
}

fn description(text: String) -> Result<String, String> {
    text::text(text, 0, MAX_DESCRIPTION)
}
