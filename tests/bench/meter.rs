//! One run of a program on a machine, measured.

use std::fmt;
use std::time::Duration;

use crate::lab::Machine;

/// What a run took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time of the program and all it waited for. A daemon's work for it is not in it.
    pub(crate) cpu: Duration,
    /// Resident memory of the largest process, in KiB.
    pub(crate) memory: u64,
}

/// Runs a line in `/root/work`; bash's `time` has the times, in milliseconds, and GNU's `time` the memory.
pub(crate) fn measure(host: &Machine, line: &str) -> Cost {
    let script = format!(
        "cd /root/work; TIMEFORMAT='%3R %3U %3S'; \
         {{ time /usr/bin/time -f %M -o /run/bench.memory {line} >/run/bench.said 2>&1; }} 2>/run/bench.time; \
         ended=$?; cat /run/bench.time /run/bench.memory; [ $ended = 0 ] || {{ cat /run/bench.said; exit $ended; }}"
    );
    host.write("/run/bench.sh", &script);
    let said = host.sh("bash /run/bench.sh").succeeds();
    let numbers: Vec<f64> = said.text().split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [wall, user, system, memory] = *numbers else { panic!("four numbers, not {numbers:?}, from\n{said}") };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of KiB")]
    Cost { wall: Duration::from_secs_f64(wall), cpu: Duration::from_secs_f64(user + system), memory: memory as u64 }
}

/// The run in the middle by wall time, with the memory of the one that took most.
pub(crate) fn median(mut runs: Vec<Cost>) -> Cost {
    runs.sort_by_key(|cost| cost.wall);
    let memory = runs.iter().map(|cost| cost.memory).max().unwrap_or_default();
    let middle = runs.get(runs.len() / 2).copied().unwrap_or_default();
    Cost { memory, ..middle }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {} MB", time(self.wall), time(self.cpu), (self.memory * 1024 + 500_000) / 1_000_000)
    }
}

/// Milliseconds below a second, else seconds with two digits that say something.
pub(crate) fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{} ms", time.as_millis()),
        seconds if seconds < 10.0 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.1} s"),
    }
}
