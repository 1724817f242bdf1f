//! Users, sessions, login counters and the login audit in MongoDB.

mod audit;
mod counters;
mod schema;
mod sessions;
mod users;

pub(crate) use audit::LoginAudit;
pub(crate) use counters::{Attempt, LoginCounters};
pub(crate) use schema::{MIGRATIONS, Schema};
pub(crate) use sessions::Sessions;
pub(crate) use users::Users;

use mongodb::bson::Binary;
use mongodb::bson::spec::BinarySubtype;

use crate::domain::RefreshTokenHash;

const USERS: &str = "users";
const SESSIONS: &str = "sessions";
const REFRESH_TOKENS: &str = "refresh_tokens";
const LOGIN_THROTTLE: &str = "login_throttle";
const LOGIN_AUDIT: &str = "login_audit";

fn to_binary(hash: RefreshTokenHash) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: hash.0.to_vec() }
}
