//! Processes of this host, read from proc(5).

use std::path::Path;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use super::{Error, Look};

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The process that started it, or took it over.
    pub parent: u32,
    /// When it started: nanoseconds since the epoch, by today's clock, rounded down to a hundredth of a second.
    pub started: i128,
    /// Its command line as `ps` shows it; servers write their state there.
    pub command: String,
}

impl Look {
    /// The process of this number; `None` if there is none.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn process(&self, pid: u32) -> Result<Option<Process>, Error> {
        let booted = booted()?;
        self.process_since(pid, booted)
    }

    /// The processes that this one started and that still are, in order of their numbers.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn children_of(&self, parent: u32) -> Result<Vec<Process>, Error> {
        let booted = booted()?;
        let mut children = Vec::new();
        for name in self.names_in(Path::new("/proc"))? {
            let Some(pid) = name.to_str().and_then(|text| text.parse().ok()) else { continue };
            children.extend(self.process_since(pid, booted)?.filter(|process| process.parent == parent));
        }
        children.sort_by_key(|process| process.pid);
        Ok(children)
    }

    /// Whether this process itself holds a socket that listens on a TCP port.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn listens_on(&self, pid: u32, port: u16) -> Result<bool, Error> {
        let mut inodes = Vec::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = self.read_text(Path::new(table))?.unwrap_or_default();
            inodes.extend(
                text.lines().filter_map(|line| listener_on(line, port)).map(|inode| format!("socket:[{inode}]")),
            );
        }
        let folder = format!("/proc/{pid}/fd");
        for name in self.names_in(Path::new(&folder))? {
            let target = self.link_target(&Path::new(&folder).join(name)).ok().flatten();
            if target.is_some_and(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn process_since(&self, pid: u32, booted: i128) -> Result<Option<Process>, Error> {
        let folder = format!("/proc/{pid}");
        let read = |file: &str| match self.read_text(&Path::new(&folder).join(file)) {
            // It ended between two reads.
            Err(Error::File { source, .. }) if source.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32) => {
                Ok(None)
            }
            other => other,
        };
        let Some(stat) = read("stat")? else { return Ok(None) };
        let Some((parent, ticks)) = fields_of(&stat) else { return Ok(None) };
        let command = read("cmdline")?.unwrap_or_default().replace('\0', " ").trim_end().to_owned();
        let per_second = i128::from(sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1));
        Ok(Some(Process { pid, parent, started: booted + i128::from(ticks) * 1_000_000_000 / per_second, command }))
    }
}

/// When the host started, by today's clock: nanoseconds since the epoch. Not from /proc/uptime, which is coarse and which
/// lxcfs answers with the container's age while starts stay relative to the host's.
pub(crate) fn booted() -> Result<i128, Error> {
    let asked =
        |clock| clock_gettime(clock).map(|time| i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec()));
    let now = asked(ClockId::CLOCK_REALTIME).and_then(|now| Ok(now - asked(ClockId::CLOCK_BOOTTIME)?));
    now.map_err(|errno| Error::said("clock", format!("the clock cannot be read: {errno}")))
}

/// Parent and start, in clock ticks since boot: fields 4 and 22 of /proc/PID/stat. The second field is a name in
/// parentheses that may hold anything.
fn fields_of(stat: &str) -> Option<(u32, u64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

/// The inode of a line of /proc/net/tcp if it is a socket that listens on this port.
fn listener_on(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace().skip(1);
    let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let (_, hex) = local.rsplit_once(':')?;
    (state == "0A" && u16::from_str_radix(hex, 16) == Ok(port)).then_some(())?;
    fields.nth(5)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::host::Host;

    #[test]
    fn this_process_has_a_parent_and_started_before_now() {
        let host = Host::here().unwrap().look();
        let me = host.process(std::process::id()).unwrap().unwrap();
        let now = i128::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
        assert_eq!(me.parent, std::os::unix::process::parent_id());
        assert!(me.started < now && now - me.started < 600_000_000_000, "{me:?} at {now}");
        assert!(host.children_of(me.parent).unwrap().iter().any(|child| child.pid == me.pid));
        assert_eq!(host.process(u32::MAX).unwrap(), None);
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = format!("7 (a) b (c) S 3 {} 4711 0", ["0"; 17].join(" "));
        assert_eq!(fields_of(&stat), Some((3, 4711)));
    }

    #[test]
    fn a_listening_socket_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Host::here().unwrap().look();
        assert!(host.listens_on(std::process::id(), port).unwrap());
        drop(listener);
        assert!(!host.listens_on(std::process::id(), port).unwrap());
    }
}
