//! The bodies of requests and responses: their JSON form, their OpenAPI schema, and their conversion from and to
//! protobuf. No other module knows both. A request's `check` returns typed values, or all violations.

mod money;
mod order;
mod page;
mod payment;
mod product;
mod reconciliation;
mod session;
mod statement;
mod stock;
mod text;
mod time;
mod user;

pub(crate) use money::{Balance, PositiveMoney};
pub(crate) use order::{Order, OrderStatus, PlaceOrder};
pub(crate) use page::{Items, Page};
pub(crate) use payment::{PayOrder, Payment};
pub(crate) use product::{ChangeProduct, NewProduct, Product};
pub(crate) use reconciliation::{Reconciliation, ReconciliationException};
pub(crate) use session::{Login, RefreshToken, Tokens};
pub(crate) use statement::Statement;
pub(crate) use stock::{AdjustStock, Stock, StockMovement};
pub(crate) use text::line;
pub(crate) use time::day;
pub(crate) use user::{ChangeUser, RegisterUser, User};
