//! A number of clients on the command line.

/// The most clients: more than the number of connections that a member of the replica set is set up for.
const MAX_CLIENTS: i64 = 4_096;

/// Parses a number of clients, 1 to 4,096.
pub(crate) fn parse_clients(text: &str) -> Result<usize, String> {
    let clients = text.parse().ok().filter(|clients| (1..=MAX_CLIENTS).contains(clients));
    clients.and_then(|clients| usize::try_from(clients).ok()).ok_or(format!("must be 1 to {MAX_CLIENTS}"))
}
