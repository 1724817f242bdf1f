//! The schemas of bodies, as endpoints refer to them.

use std::borrow::Cow;

use utoipa::ToSchema;
use utoipa::openapi::{Components, Ref, RefOr, Schema};

/// The schema of a body, as the functions that build it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    referenced: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    pub(crate) fn of<T: ToSchema>() -> Self {
        Self { name: T::name, schema: T::schema, referenced: T::schemas }
    }

    /// Adds the schema to the components and returns a reference to it.
    pub(crate) fn refer(self, components: &mut Components) -> Ref {
        let mut schemas = Vec::new();
        (self.referenced)(&mut schemas);
        let name = (self.name)().into_owned();
        schemas.push((name.clone(), (self.schema)()));
        components.schemas.extend(schemas);
        Ref::from_schema_name(name)
    }
}
