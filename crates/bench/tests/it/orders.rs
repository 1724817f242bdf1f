//! A small cell of the order benchmark, as the command runs it: on a replica set and a platform of its own.

use std::process::Stdio;
use std::time::Duration;

use devstack::scratch::Scratch;
use serde_json::Value;
use tokio::process::Command;

/// Far more than it takes.
const BOUND: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_cell_is_measured_on_both_sides_and_written_to_the_file() {
    let folder = Scratch::create().unwrap();
    let (out, chart) = (folder.path().join("bench/orders.json"), folder.path().join("orders.svg"));
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["orders", "--workloads", "ten-skus", "--clients", "8", "--loops", "closed"]);
    bench.args(["--rounds", "1", "--seconds", "1", "--out"]).arg(&out).arg("--chart").arg(&chart);
    bench.stdin(Stdio::null()).kill_on_drop(true);
    let ran = tokio::time::timeout(BOUND, bench.output()).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let cells: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(cells.as_array().unwrap().len(), 1);
    let cell = &cells[0];
    assert_eq!((cell["workload"].as_str(), cell["loop"].as_str()), (Some("ten-skus"), Some("closed")));
    assert_eq!(cell["clients"].as_u64(), Some(8));
    for side in ["naive", "lanes"] {
        for figure in ["ordersPerSecond", "p50Ms", "p99Ms", "cpuSecondsPer1000"] {
            assert!(cell[side][figure].as_f64().unwrap() > 0.0, "{side} {figure} in {cell}");
        }
        assert!(cell[side]["retries"].is_number());
        assert_eq!(cell[side]["rounds"].as_array().unwrap().len(), 1);
    }
    assert!(cell["ratio"].as_f64().unwrap() > 0.0);
    let chart = std::fs::read_to_string(&chart).unwrap();
    assert!(chart.starts_with("<svg") && chart.contains("8 clients"));
}
