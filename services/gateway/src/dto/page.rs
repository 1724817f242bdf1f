//! Lists.

use std::borrow::Cow;

use proto::ConvertError;
use serde::Serialize;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::schema;

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// The `pageToken` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// The items of a message; an empty token means the last page.
    pub(crate) fn of<M>(items: Vec<M>, next_page_token: String) -> Result<Self, ConvertError>
    where
        T: TryFrom<M, Error = ConvertError>,
    {
        let items = items.into_iter().map(T::try_from).collect::<Result<_, _>>()?;
        Ok(Self { items, next_page_token: Some(next_page_token).filter(|token| !token.is_empty()) })
    }
}

/// A complete list.
#[derive(Debug, Serialize)]
pub(crate) struct Items<T> {
    items: Vec<T>,
}

impl<T> Items<T> {
    /// The items of a message.
    pub(crate) fn of<M>(items: Vec<M>) -> Result<Self, ConvertError>
    where
        T: TryFrom<M, Error = ConvertError>,
    {
        Ok(Self { items: items.into_iter().map(T::try_from).collect::<Result<_, _>>()? })
    }
}

// Implemented by hand: the derived schema of a generic type has the same name for each of its arguments.

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("PageOf{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        item_schemas::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let token = schema::string().description(Some("The `pageToken` of the next page; absent on the last page."));
        list_of::<T>().property("nextPageToken", token).into()
    }
}

impl<T: ToSchema> ToSchema for Items<T> {
    fn name() -> Cow<'static, str> {
        format!("ListOf{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        item_schemas::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Items<T> {
    fn schema() -> RefOr<Schema> {
        list_of::<T>().into()
    }
}

fn list_of<T: ToSchema>() -> ObjectBuilder {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
    ObjectBuilder::new().property("items", items).required("items")
}

fn item_schemas<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}
