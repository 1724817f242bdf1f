//! Orders, their states and the rules for moving between them.

mod audit;
mod lanes;
mod order;
mod payment;
mod prices;
mod risk;
mod shortages;

pub(crate) use audit::{AuditedOrder, MovedPieces};
pub(crate) use lanes::{BatchId, Demand, LaneLimits, Refused, Scheduler, Step};
pub(crate) use order::{InvalidState, Line, Lines, Order, Status, TooExpensive};
pub(crate) use payment::{Method, MethodName, Payment, PaymentStatus};
pub(crate) use prices::Prices;
pub(crate) use risk::{Attempt, LocalRule, LocalRules, ReviewRequest, Risk, RiskSource, Verdict};
pub(crate) use shortages::Shortages;
