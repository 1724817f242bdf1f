//! A user service and a database for each test.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envelope::{Error, Reason};
use mongo::{Db, Policy};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use primitives::{SessionId, UserId};
use proto::user::v1::session_service_client::SessionServiceClient;
use proto::user::v1::user_service_client::UserServiceClient;
use proto::user::v1::{CreateSessionRequest, RefreshSessionRequest, RegisterUserRequest, TokenPair, User};
use service::{Caller, Deadline, OnFailure, RequestContext, Role, Shell};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use user::Config;

pub(crate) const PASSWORD: &str = "correct horse battery";
const WITHIN: Duration = Duration::from_secs(20);
/// The DER of an Ed25519 private key up to its 32 bytes (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A running service.
pub(crate) struct Service {
    pub(crate) shell: Shell,
    pub(crate) db: Db,
    pub(crate) config: Config,
    pub(crate) users: UserServiceClient<Channel>,
    pub(crate) sessions: SessionServiceClient<Channel>,
    _files: TempDir,
}

impl Service {
    /// A migrated, ready service, with weak hashing so that tests are fast.
    pub(crate) async fn start(test: &str) -> Self {
        Self::start_with(test, "").await
    }

    /// The same, with additional sections of the configuration.
    pub(crate) async fn start_with(test: &str, sections: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let config = config(files.path(), &devstack::testing::database_name(test), sections).await;
        user::migrate(config.clone()).await.unwrap();
        let service = Self::serve(config, files).await;
        service.ready().await;
        service
    }

    /// Another replica on the same database.
    pub(crate) async fn replica(&self) -> Self {
        let service = Self::serve(self.config.clone(), tempfile::tempdir().unwrap()).await;
        service.ready().await;
        service
    }

    /// Serves, ready or not.
    pub(crate) async fn serve(config: Config, files: TempDir) -> Self {
        let shell = Shell::without_admin();
        let listener = TcpListener::bind(config.server.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (serving, served_config) = (shell.clone(), config.clone());
        shell.tasks.spawn(
            "server",
            OnFailure::Stop,
            async move { user::serve(&serving, &served_config, listener).await },
        );
        let db = Db::connect(&config.mongo, &shell.tasks).await.unwrap();
        let channel = channel(address).await;
        let (users, sessions) = (UserServiceClient::new(channel.clone()), SessionServiceClient::new(channel));
        Self { shell, db, config, users, sessions, _files: files }
    }

    pub(crate) async fn ready(&self) {
        eventually("the service is ready", || async { self.shell.readiness.is_ready() }).await;
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.db.collection(Policy::Ledger, name)
    }

    /// Makes the database record every operation from now on.
    pub(crate) async fn profile(&self) {
        self.db.database().run_command(doc! { "profile": 2 }).await.unwrap();
    }

    /// The operations that the database recorded.
    pub(crate) fn profiled(&self) -> Collection<Document> {
        self.db.collection(Policy::Log, "system.profile")
    }

    pub(crate) async fn register(&self, name: &str, email: &str) -> Result<User, Error> {
        self.register_with(name, email, PASSWORD).await
    }

    pub(crate) async fn register_with(&self, name: &str, email: &str, password: &str) -> Result<User, Error> {
        let message = RegisterUserRequest { name: name.into(), email: email.into(), password: password.into() };
        Ok(answer(self.users.clone().register_user(anyone(message)).await)?.user.unwrap())
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Result<TokenPair, Error> {
        self.log_in_from("192.0.2.1".parse().unwrap(), email, password).await
    }

    pub(crate) async fn log_in_from(&self, address: IpAddr, email: &str, password: &str) -> Result<TokenPair, Error> {
        let message = CreateSessionRequest { email: email.into(), password: password.into() };
        let context = RequestContext { client_address: Some(address), ..context(None) };
        let answered = self.sessions.clone().create_session(context.request(message).unwrap()).await;
        Ok(answer(answered)?.tokens.unwrap())
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<TokenPair, Error> {
        let message = RefreshSessionRequest { refresh_token: refresh_token.into() };
        Ok(answer(self.sessions.clone().refresh_session(anyone(message)).await)?.tokens.unwrap())
    }
}

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// The configuration, from a file as an operator writes it.
pub(crate) async fn config(files: &Path, database: &str, sections: &str) -> Config {
    let write = |name: &str, text: &str| {
        let path = files.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let signing_key = write("signing.pem", &private_key_pem(rand::random()));
    let page_key = write("page.key", "a page token key of more than 32 bytes");
    let passwords =
        if sections.contains("[passwords]") { "" } else { "[passwords]\nmemory_kib = 64\niterations = 1\n" };
    let tokens = if sections.contains("[tokens]") {
        String::new()
    } else {
        format!("[tokens]\nsigning_key_file = '{signing_key}'\n")
    };
    let uri = devstack::testing::backing().await.mongo_uri();
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n\
         [mongo]\nuri = '{uri}'\ndatabase = '{database}'\n[page_tokens]\nkey_file = '{page_key}'\n\
         {passwords}{tokens}{sections}"
    );
    let path = files.join("user.toml");
    std::fs::write(&path, text).unwrap();
    service::config::load(&path).unwrap()
}

pub(crate) fn private_key_pem(seed: [u8; 32]) -> String {
    let der = [PKCS8_PREFIX.as_slice(), &seed].concat();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

pub(crate) fn answer<T>(answered: Result<Response<T>, Status>) -> Result<T, Error> {
    answered.map(Response::into_inner).map_err(Error::from_status)
}

pub(crate) fn context(caller: Option<Caller>) -> RequestContext {
    RequestContext {
        request_id: "test".into(),
        deadline: Deadline::after(WITHIN),
        caller,
        client_address: None,
        has_earlier_attempt: false,
    }
}

/// A request without an identity.
pub(crate) fn anyone<T>(message: T) -> Request<T> {
    context(None).request(message).unwrap()
}

/// A request of a user.
pub(crate) fn by<T>(user: &User, role: Role, message: T) -> Request<T> {
    let user_id: UserId = user.id.parse().unwrap();
    let caller = Caller { user_id, role, session_id: SessionId::new() };
    context(Some(caller)).request(message).unwrap()
}

/// A request of an administrator without a user record.
pub(crate) fn by_admin<T>(message: T) -> Request<T> {
    let caller = Caller { user_id: UserId::new(), role: Role::Admin, session_id: SessionId::new() };
    context(Some(caller)).request(message).unwrap()
}

/// The reason of an error.
pub(crate) fn reason<T>(answered: &Result<T, Error>) -> Option<Reason> {
    answered.as_ref().err().map(Error::reason)
}

/// Waits until the predicate holds; fails the test after a time limit.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Deadline::after(WITHIN);
    while !holds().await {
        assert!(deadline.bound(tokio::time::sleep(Duration::from_millis(20))).await.is_ok(), "not in time: {what}");
    }
}
