//! Supervised processes and ports.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use devstack::scratch::Scratch;
use devstack::{Error, Identity, Process, ProcessSpec, ports};
use nix::sys::signal::Signal;

fn shell(scratch: &Scratch, script: &str) -> ProcessSpec {
    ProcessSpec {
        name: "shell".into(),
        program: Path::new("/bin/sh").into(),
        args: vec!["-c".into(), script.into()],
        env: Vec::new(),
        log: scratch.path().join("shell.log"),
    }
}

#[tokio::test]
async fn a_recycled_pid_is_never_signalled() {
    let scratch = Scratch::create().unwrap();
    let process = Process::start(shell(&scratch, "exec sleep 60")).unwrap();
    let own = process.identity();
    let earlier = Identity { start_time: own.start_time - 1, ..own };
    assert!(!earlier.is_alive());
    assert!(!earlier.signal_group(Signal::SIGKILL).unwrap());
    assert!(process.wait(Duration::from_millis(300)).await.is_none(), "another process was killed");
    assert!(own.signal_group(Signal::SIGKILL).unwrap());
    assert!(process.wait(Duration::from_secs(5)).await.is_some());
}

#[tokio::test]
async fn an_exit_is_noticed_and_comes_with_the_end_of_the_log() {
    let scratch = Scratch::create().unwrap();
    let process = Process::start(shell(&scratch, "echo out; echo no disk >&2; exit 3")).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(10), process.ended_unasked()).await.unwrap();
    assert!(matches!(&error, Error::Exited { status, tail, .. } if status == "exit code 3" && tail == "out\nno disk"));
    assert!(process.check().is_err());
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_and_can_be_restarted() {
    let scratch = Scratch::create().unwrap();
    let process = Process::start(shell(&scratch, "trap '' TERM; echo ready; while :; do sleep 0.1; done")).unwrap();
    wait_for_log(process.log(), 1).await;
    let status = process.terminate(Duration::from_millis(300)).await.unwrap();
    assert_eq!(devstack::process::describe(status), "killed by SIGKILL");
    process.start_again().unwrap();
    wait_for_log(process.log(), 2).await;
    assert!(process.is_running());
}

#[tokio::test]
async fn dropping_a_process_kills_it() {
    let scratch = Scratch::create().unwrap();
    let process = Process::start(shell(&scratch, "exec sleep 60")).unwrap();
    let identity = process.identity();
    drop(process);
    assert!(!identity.is_alive());
}

#[test]
fn no_port_is_handed_out_twice() {
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| ports::pick(50).unwrap())).collect();
    let all: Vec<u16> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let different: BTreeSet<u16> = all.iter().copied().collect();
    assert_eq!(different.len(), 200);
    assert!(different.iter().all(|port| (20_000..32_000).contains(port)));
}

async fn wait_for_log(log: &Path, lines: usize) {
    let written = async {
        while devstack::files::tail(log, 10).unwrap().lines().count() < lines {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.unwrap();
}
