//! Moves a stopped replica set to other ports.
//!
//! Each member's stored configuration has the addresses of all members. A member that starts while another process uses
//! one of these addresses waits for its answer before it accepts any command, a forced `replSetReconfig` included. So
//! the configuration is changed before the set starts: each member runs standalone for a moment, as in MongoDB's manual
//! under "Change Hostnames in a Self-Managed Replica Set".

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::try_join_all;
use mongodb::bson::{Document, doc};

use super::node::{self, MongoNode};
use super::{BackingOptions, REPLICA_SET, STOP_GRACE};
use crate::wait::{self, Look};
use crate::{Error, Progress, Result, files};

/// How long a member may take until it can be changed, including recovery after a power cut.
const START_BOUND: Duration = Duration::from_secs(60);

/// Changes the stored configurations to `ports`. Does nothing in a new folder or with unchanged ports.
pub(super) async fn to(ports: &[u16], mongod: &Path, options: &BackingOptions, progress: &Progress) -> Result<()> {
    let data_exists = node::data_dir(options, 0).join("WiredTiger").is_file();
    if data_exists && recorded(options)?.as_deref() != Some(ports) {
        let members = ports.iter().enumerate();
        let moves = try_join_all(members.map(|(index, _)| rewrite(index, ports, mongod, options)));
        progress.step("moving MongoDB to free ports", moves).await?;
    }
    record(ports, options)
}

/// Changes the stored configuration of one member.
async fn rewrite(index: usize, ports: &[u16], mongod: &Path, options: &BackingOptions) -> Result<()> {
    let alone = MongoNode::start_alone(index, ports[index], mongod, options)?;
    let line = alone.direct()?;
    let what = format!("{} did not start alone", alone.process().name());
    wait::until(&what, START_BOUND, async || {
        alone.process().check()?;
        match line.admin(doc! { "ping": 1 }).await {
            Ok(_answer) => Ok(Look::Ready(())),
            Err(error) => Ok(Look::NotYet(error.to_string())),
        }
    })
    .await?;
    let hosts: Document =
        ports.iter().enumerate().map(|(id, port)| (format!("members.{id}.host"), node::host(*port).into())).collect();
    // Without a configuration, after a crash during the first start, this rightly matches nothing.
    let change = doc! { "q": { "_id": REPLICA_SET }, "u": { "$set": hosts } };
    line.run("local", doc! { "update": "system.replset", "updates": [change] }).await?;
    alone.process().terminate(STOP_GRACE).await.map(drop)
}

fn record_path(options: &BackingOptions) -> PathBuf {
    options.dir.join("data/members.json")
}

/// The ports of the stored configurations; `None` if they were never recorded.
fn recorded(options: &BackingOptions) -> Result<Option<Vec<u16>>> {
    let path = record_path(options);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::format(&path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { what: format!("can't read {}", path.display()), source }),
    }
}

fn record(ports: &[u16], options: &BackingOptions) -> Result<()> {
    let path = record_path(options);
    files::create_dir(&options.dir.join("data"))?;
    let text = serde_json::to_vec(ports).map_err(|error| Error::format(&path, error))?;
    files::write_atomically(&path, &text, 0o644)
}
