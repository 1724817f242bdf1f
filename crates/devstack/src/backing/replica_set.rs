//! Forms the replica set and reads its state.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use mongodb::bson::{Document, doc};

use super::node::{Direct, MongoNode};
use super::{BackingOptions, REPLICA_SET};
use crate::wait::{self, Look};
use crate::{Error, Result};

/// MongoDB's code for a member that has no replica set configuration yet.
const NOT_YET_INITIALIZED: i32 = 94;

/// Makes the nodes one replica set and waits until it is healthy.
pub(super) async fn form(nodes: &[MongoNode], options: &BackingOptions) -> Result<()> {
    ensure(nodes, options).await?;
    wait_until_healthy(nodes, options.start_timeout).await
}

/// Makes the nodes one replica set: initiates it when none of them has a configuration.
async fn ensure(nodes: &[MongoNode], options: &BackingOptions) -> Result<()> {
    let lines = open(nodes)?;
    wait::until("the replica set was not formed", options.start_timeout, async || {
        check_all(nodes)?;
        match look_and_initiate(nodes, &lines, options).await {
            Ok(look) => Ok(look),
            // A member that is still starting refuses connections and commands; the next check decides.
            Err(error @ (Error::Mongo { .. } | Error::TimedOut { .. })) => Ok(Look::NotYet(chain(&error))),
            Err(other) => Err(other),
        }
    })
    .await
}

async fn look_and_initiate(nodes: &[MongoNode], lines: &[Direct], options: &BackingOptions) -> Result<Look<()>> {
    let configured = try_join_all(lines.iter().map(has_configuration)).await?;
    if configured.contains(&true) {
        // Members without a configuration get it from those that have it.
        return Ok(Look::Ready(()));
    }
    // Harmless if this check was wrong: MongoDB refuses to initiate a set that has data.
    lines[0].admin(doc! { "replSetInitiate": initial(nodes, options) }).await?;
    Ok(Look::Ready(()))
}

async fn has_configuration(line: &Direct) -> Result<bool> {
    match line.admin(doc! { "replSetGetConfig": 1 }).await {
        Ok(_answer) => Ok(true),
        Err(error) if error.mongo_code() == Some(NOT_YET_INITIALIZED) => Ok(false),
        Err(error) => Err(error),
    }
}

fn initial(nodes: &[MongoNode], options: &BackingOptions) -> Document {
    let members: Vec<Document> =
        (0_i32..).zip(nodes).map(|(id, node)| doc! { "_id": id, "host": node.host() }).collect();
    let election_timeout_ms = i64::try_from(options.election_timeout.as_millis()).unwrap_or(i64::MAX);
    doc! {
        "_id": REPLICA_SET,
        "members": members,
        "settings": {
            // MongoDB's default of 10 s is for wide-area networks.
            "electionTimeoutMillis": election_timeout_ms,
            "heartbeatIntervalMillis": 500,
            "heartbeatTimeoutSecs": 2,
            "catchUpTimeoutMillis": 2_000,
        },
    }
}

/// The state of one member, as it reports it.
struct Role {
    primary: bool,
    secondary: bool,
    /// Names the election that made it primary; a later one is greater.
    election: Option<[u8; 12]>,
}

async fn role(line: &Direct) -> Result<Role> {
    let answer = line.admin(doc! { "hello": 1 }).await?;
    Ok(Role {
        primary: answer.get_bool("isWritablePrimary").unwrap_or(false),
        secondary: answer.get_bool("secondary").unwrap_or(false),
        election: answer.get_object_id("electionId").ok().map(|id| id.bytes()),
    })
}

pub(super) async fn primary_index(nodes: &[MongoNode]) -> Option<usize> {
    let alive = nodes.iter().enumerate().filter(|(_, node)| node.process().is_running());
    let roles = join_all(alive.map(async |(index, node)| {
        let role = role(&node.direct().ok()?).await.ok()?;
        role.primary.then_some((role.election, index))
    }))
    .await;
    // A partitioned primary reports itself as primary until it steps down; the later election counts.
    roles.into_iter().flatten().max().map(|(_, index)| index)
}

pub(super) async fn wait_until_healthy(nodes: &[MongoNode], bound: Duration) -> Result<()> {
    let lines = open(nodes)?;
    wait::until("there is no primary with two secondaries", bound, async || {
        check_all(nodes)?;
        let roles = join_all(lines.iter().map(role)).await;
        let primaries = roles.iter().flatten().filter(|role| role.primary).count();
        let secondaries = roles.iter().flatten().filter(|role| role.secondary).count();
        if primaries == 1 && secondaries == nodes.len() - 1 {
            return Ok(Look::Ready(()));
        }
        Ok(Look::NotYet(format!("{primaries} primaries, {secondaries} secondaries")))
    })
    .await
}

fn open(nodes: &[MongoNode]) -> Result<Vec<Direct>> {
    nodes.iter().map(MongoNode::direct).collect()
}

fn check_all(nodes: &[MongoNode]) -> Result<()> {
    nodes.iter().try_for_each(|node| node.process().check())
}

fn chain(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
