//! Starts Tansu, with everything in memory.

use std::path::PathBuf;

use crate::BackingOptions;
use crate::process::ProcessSpec;

pub(super) fn spec(tansu: PathBuf, port: u16, options: &BackingOptions) -> ProcessSpec {
    let url = format!("tcp://127.0.0.1:{port}");
    let args = ["broker", "--listener-url", &url, "--advertised-listener-url", &url];
    let storage = ["--storage-engine", "memory://tansu/"];
    ProcessSpec {
        name: "broker".into(),
        program: tansu,
        args: args.iter().chain(&storage).map(Into::into).collect(),
        env: Vec::new(),
        log: options.dir.join("logs/broker.log"),
    }
}
