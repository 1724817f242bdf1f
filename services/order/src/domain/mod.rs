//! Orders, their states and the rules for moving between them.

mod order;
mod payment;
mod risk;

pub(crate) use order::{InvalidState, Line, Lines, Order, Status, TooExpensive};
pub(crate) use payment::{Method, MethodName, Payment, PaymentStatus};
pub(crate) use risk::{LocalRules, Risk, RiskSource};
