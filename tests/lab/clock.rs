//! Another time for hostagent. The clock of a machine is that of the host it runs on: so the agent alone is shown another
//! one, by a library that is loaded before libc's.

use std::fs;
use std::process::Command;

use super::machine::Machine;
use super::said::Said;
use super::tool;

const OTHER_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = syscall(SYS_clock_gettime, clock, now);
    const char *off = getenv("OFF_BY");
    if (off && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += atoll(off);
    return answer;
}
"#;

/// Where the library is in the machine.
const PLACE: &str = "/srv/clock.so";

impl Machine {
    /// Runs `hostagent` with a clock that is so many seconds off.
    pub fn agent_off_by(&self, seconds: i64, arguments: &str) -> Said {
        self.has_agent();
        self.has_clock();
        self.sh(&format!("OFF_BY={seconds} LD_PRELOAD={PLACE} hostagent {arguments}"))
    }

    fn has_clock(&self) {
        self.clock.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder can be made");
            let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
            fs::write(&source, OTHER_CLOCK).expect("a new folder can be written");
            tool::heard(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]));
            self.copy(&library, PLACE);
        });
    }
}
