//! CPU time and memory of processes, from `/proc`.

use std::collections::BTreeMap;

use anyhow::Context as _;

/// Linux reports CPU time in hundredths of a second (`USER_HZ`) on every supported architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// The name of this process, which generates the load, among the others.
pub(crate) const OWN: &str = "bench";

/// Seconds of CPU by process.
pub(crate) type CpuSeconds = BTreeMap<String, f64>;

/// Reads the CPU time of some processes.
#[derive(Debug)]
pub(crate) struct Meter {
    processes: Vec<(String, u32)>,
}

impl Meter {
    /// For these processes, by name and pid, and this process under the name [`OWN`].
    pub(crate) fn new(processes: impl Iterator<Item = (String, u32)>) -> Self {
        let own = (OWN.to_owned(), std::process::id());
        Self { processes: processes.chain([own]).collect() }
    }

    /// CPU seconds of each process since its start, in user and kernel mode, all threads together.
    ///
    /// # Errors
    /// When a process has ended.
    pub(crate) fn read(&self) -> anyhow::Result<CpuSeconds> {
        let read = |(name, pid): &(String, u32)| {
            let stat = proc_file(*pid, "stat")?;
            let ticks = cpu_ticks(&stat).with_context(|| format!("/proc/{pid}/stat has another form"))?;
            #[allow(clippy::cast_precision_loss)] // far below 2^53
            let seconds = ticks as f64 / TICKS_PER_SECOND;
            Ok((name.clone(), seconds))
        };
        self.processes.iter().map(read).collect()
    }

    /// CPU seconds of each process since an earlier reading.
    ///
    /// # Errors
    /// As [`Meter::read`].
    pub(crate) fn since(&self, earlier: &CpuSeconds) -> anyhow::Result<CpuSeconds> {
        let mut used = self.read()?;
        for (name, seconds) in &mut used {
            *seconds -= earlier.get(name).copied().unwrap_or_default();
        }
        Ok(used)
    }
}

/// The memory of a process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The current resident set.
    pub(crate) resident: u64,
    /// The largest resident set so far.
    pub(crate) peak: u64,
}

impl Memory {
    /// The memory of the process with this pid.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = proc_file(pid, "status")?;
        let kib = |field| kib(&status, field).with_context(|| format!("/proc/{pid}/status has no {field}"));
        Ok(Self { resident: kib("VmRSS:")?, peak: kib("VmHWM:")? })
    }
}

fn proc_file(pid: u32, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{name}");
    std::fs::read_to_string(&path).with_context(|| format!("can't read {path}: has the process ended?"))
}

/// Fields 14 and 15 of `/proc/PID/stat`.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The second field is the command in brackets, which may itself contain spaces and brackets; the third is the
    // state.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

fn kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_found() {
        let stat = "4242 (a) b) S 1 4242 4242 0 -1 4194560 1500 0 3 0 125 75 0 0 20 0 9 0 8675309 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(200));
        let status = "Name:\tbench\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
        assert_eq!((kib(status, "VmHWM:"), kib(status, "VmSwap:")), (Some(20_480), None));
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Meter::new(std::iter::empty()).read().unwrap()[OWN] >= 0.0);
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(0 < memory.resident && memory.resident <= memory.peak);
    }
}
