//! Orders: their states, and every decision about them. Pure: nothing here reads, writes or waits.

mod audit;
mod batch;
mod commands;
mod follow_up;
mod order;
mod payment;
mod payment_claim;
mod placed_by;
mod refusal;
mod review;
mod risk;
mod transition;

pub(crate) use audit::{AuditedOrder, MovedPieces};
pub(crate) use batch::{Cause, Decision, Observed, ObservedOrder, Obstacles, Placed, Placement, Release, Work, decide};
pub(crate) use commands::{Cancellation, NewOrder, PaymentRequest};
pub(crate) use follow_up::{FollowUp, NextStep, Resolution};
pub(crate) use order::{InvalidState, Order, OrderLine, Quantities, Status, TooExpensive};
pub(crate) use payment::{Method, MethodName, Payment, PaymentStatus};
pub(crate) use payment_claim::{Claimed, PaymentClaim, Unclaimed};
pub(crate) use placed_by::{Fence, KeyHolder, KeyedRequest, PlacedBy, PlacedOrder};
pub(crate) use refusal::Refusal;
pub(crate) use review::{first_review_at, next_review_at};
pub(crate) use risk::{Attempt, LocalRule, LocalRules, ReviewRequest, Risk, RiskSource, Verdict};
pub(crate) use transition::{CancelledBy, Change, Transition};
