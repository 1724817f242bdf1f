//! Clients of other systems.

mod card_provider;

pub(crate) use card_provider::CardProvider;
