//! The server's own fail point for commands, bound to the replicas of one test.

use std::time::Duration;

use mongo::Db;
use mongodb::bson::{Bson, Document, doc};
use tokio::sync::{Mutex, MutexGuard};

use crate::world::{World, connect};

/// How long a test waits for its fail point to be hit.
const PATIENCE: Duration = Duration::from_secs(20);

const WRITE_CONCERN_TIMEOUT: i32 = 64;
const NO_SUCH_TRANSACTION: i32 = 251;

/// A server has one fail point for commands: tests that set it take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Commands of the replicas that fail, or are slow, until it is switched off.
pub(crate) struct FailPoint {
    admin: Db,
    app: String,
    /// How often it was hit before this test.
    before: i64,
    _turn: MutexGuard<'static, ()>,
}

/// The first so many commands.
pub(crate) fn times(times: i32) -> Bson {
    doc! { "times": times }.into()
}

/// All of them.
pub(crate) fn always() -> Bson {
    "alwaysOn".into()
}

/// One command in a collection of the test's database; `insert` into `orders`.
pub(crate) fn on(world: &World, command: &str, collection: &str) -> Document {
    doc! { "failCommands": [command], "namespace": format!("{}.{collection}", world.database) }
}

pub(crate) fn on_commit() -> Document {
    doc! { "failCommands": ["commitTransaction"] }
}

/// The commands with a failure.
pub(crate) fn with(mut commands: Document, failure: Document) -> Document {
    commands.extend(failure);
    commands
}

/// The commit happens, and its answer leaves that open.
pub(crate) fn unconfirmed() -> Document {
    with(on_commit(), doc! { "writeConcernError": { "code": WRITE_CONCERN_TIMEOUT, "errmsg": "a test" } })
}

/// The server says that there is no such transaction.
pub(crate) fn no_such_transaction() -> Document {
    let labels = vec!["TransientTransactionError"];
    with(on_commit(), doc! { "errorCode": NO_SUCH_TRANSACTION, "errorLabels": labels })
}

/// The connection is lost before the commit.
pub(crate) fn unheard() -> Document {
    with(on_commit(), doc! { "closeConnection": true })
}

impl FailPoint {
    /// No batch ends until it is switched off: what comes in the meantime lines up.
    pub(crate) async fn hold(world: &World) -> Self {
        Self::set(world, always(), unconfirmed()).await
    }

    pub(crate) async fn set(world: &World, mode: Bson, data: Document) -> Self {
        let turn = TURN.lock().await;
        let admin = connect("admin", "").await;
        let mut point = Self { admin, app: world.database.clone(), before: 0, _turn: turn };
        point.before = point.configure("off".into(), Document::new()).await;
        point.change(mode, data).await;
        point
    }

    /// Something else fails from now on.
    pub(crate) async fn change(&self, mode: Bson, data: Document) {
        self.configure(mode, data).await;
    }

    /// Waits until it has been hit so often.
    pub(crate) async fn hit(&self, times: i64) {
        let max_ms = i64::try_from(PATIENCE.as_millis()).unwrap();
        let times = self.before + times;
        let wait = doc! { "waitForFailPoint": "failCommand", "timesEntered": times, "maxTimeMS": max_ms };
        self.admin.database().run_command(wait).await.unwrap();
    }

    /// Ends it and tells how often it was hit.
    pub(crate) async fn off(self) -> i64 {
        self.configure("off".into(), Document::new()).await - self.before
    }

    /// Ends the transactions of the replicas that are open, as the server does when it loses its primary.
    pub(crate) async fn abort_transactions(&self) -> usize {
        let open = doc! { "appName": &self.app, "transaction": { "$exists": true }, "lsid": { "$exists": true } };
        let current = doc! { "$currentOp": { "allUsers": true, "idleSessions": true } };
        let find = doc! { "aggregate": 1, "pipeline": [current, { "$match": open }], "cursor": {} };
        let found = self.admin.database().run_command(find).await.unwrap();
        let sessions = found.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        let patterns: Vec<_> = sessions
            .iter()
            .map(|session| doc! { "lsid": session.as_document().unwrap().get_document("lsid").unwrap() })
            .collect();
        let count = patterns.len();
        if count > 0 {
            self.admin.database().run_command(doc! { "killAllSessionsByPattern": patterns }).await.unwrap();
        }
        count
    }

    async fn configure(&self, mode: Bson, mut data: Document) -> i64 {
        data.insert("appName", &self.app);
        let command = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data };
        let reply = self.admin.database().run_command(command).await.unwrap();
        match reply.get("count") {
            Some(Bson::Int64(count)) => *count,
            Some(Bson::Int32(count)) => i64::from(*count),
            other => panic!("the server does not tell how often: {other:?}"),
        }
    }
}
