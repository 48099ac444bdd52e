//! The host's own name: in the kernel, in `/etc/hostname`, and in `/etc/hosts` so that it resolves without a network.

use std::path::Path;

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::Access;
use crate::host::{Error, Look, Touch};
use crate::terms::HostName;

/// What ends the line of hostagent's in /etc/hosts.
const MARK: &str = "# hostagent";
/// Debian's address for the host's own name (Debian Reference 5.1.1).
const ADDRESS: &str = "127.0.1.1";

/// The name of this host.
#[derive(Debug, Clone, Serialize)]
pub struct Hostname {
    /// Plain, or with its domain.
    pub name: HostName,
}

impl Hostname {
    /// The line of /etc/hosts: the whole name first, for that is what `hostname --fqdn` answers.
    fn line(&self) -> String {
        let (name, short) = (self.name.as_str(), self.name.short());
        let names = if name == short { name.to_owned() } else { format!("{name} {short}") };
        format!("{ADDRESS} {names} {MARK}")
    }

    /// /etc/hosts as it should be, made from what it is.
    fn hosts(&self, now: &str) -> String {
        let ours = self.line();
        let mut lines: Vec<&str> = Vec::new();
        let mut there = false;
        for line in now.lines() {
            if line.starts_with(ADDRESS) && line.ends_with(MARK) {
                if !there {
                    lines.push(&ours);
                }
                there = true;
            } else {
                lines.push(line);
            }
        }
        if !there && !self.resolves(now) {
            // Below the line of localhost, where Debian's installer puts it.
            let after = lines.iter().position(|line| line.starts_with("127.0.0.1")).map_or(0, |at| at + 1);
            lines.insert(after, &ours);
        }
        lines.into_iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// Whether a line of somebody else's says what ours would.
    fn resolves(&self, hosts: &str) -> bool {
        hosts.lines().any(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            words.next() == Some(ADDRESS) && words.next() == Some(self.name.as_str())
        })
    }

    fn read_hosts(host: &Look) -> Result<String, Error> {
        Ok(host.read_text(Path::new("/etc/hosts"))?.unwrap_or_default())
    }
}

impl Resource for Hostname {
    fn id(&self) -> Id {
        Id::new("host", "hostname")
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let file = host.read_text(Path::new("/etc/hostname"))?.unwrap_or_default();
        let hosts = Self::read_hosts(host)?;
        let want = self.name.to_string();
        let changes = Changes::none().value("name", &host.kernel_hostname()?, &want);
        let changes = changes.value("/etc/hostname", &file.trim().to_owned(), &want);
        Ok(changes.text("/etc/hosts", Some(&hosts), &self.hosts(&hosts)))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let access = Access { uid: 0, gid: 0, mode: 0o644 };
        let hosts = Self::read_hosts(host)?;
        // First the line by which the new name resolves: sudo and others look it up.
        if self.hosts(&hosts) != hosts {
            host.replace(Path::new("/etc/hosts"), self.hosts(&hosts).as_bytes(), access)?;
        }
        let file = host.read_text(Path::new("/etc/hostname"))?.unwrap_or_default();
        if file.trim() != self.name.as_str() {
            host.replace(Path::new("/etc/hostname"), format!("{}\n", self.name).as_bytes(), access)?;
        }
        if host.kernel_hostname()? != self.name.as_str() {
            host.set_kernel_hostname(self.name.as_str())?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("name", &self.name).creating()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn hostname(name: &str) -> Hostname {
        Hostname { name: name.to_owned().try_into().unwrap() }
    }

    fn play(hosts: &str) -> Play {
        Play::new()
            .file("/etc/hosts", hosts)
            .file("/etc/hostname", "debian\n")
            .file("/proc/sys/kernel/hostname", "debian\n")
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_keeps_its_word_and_is_changed_in_all_three_places() {
        let play = play("127.0.0.1 localhost\n::1 localhost\n");
        keeps_its_word::<Hostname>(&hostname("api.example.org"), &play.host).await;
        assert_eq!(play.text("/etc/hostname"), "api.example.org\n");
        assert_eq!(
            play.text("/etc/hosts"),
            "127.0.0.1 localhost\n127.0.1.1 api.example.org api # hostagent\n::1 localhost\n"
        );

        keeps_its_word::<Hostname>(&hostname("web"), &play.host).await;
        assert_eq!(play.text("/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1 web # hostagent\n::1 localhost\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_line_of_somebody_elses_that_says_the_same_is_enough() {
        let play = play("127.0.1.1 web.example.org web\n");
        keeps_its_word::<Hostname>(&hostname("web.example.org"), &play.host).await;
        assert_eq!(play.text("/etc/hosts"), "127.0.1.1 web.example.org web\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn each_place_is_looked_at() {
        let play = play("127.0.0.1 localhost\n");
        hostname("web").apply(&play.host.touch()).await.unwrap();
        play.put("/proc/sys/kernel/hostname", "other\n");
        assert_eq!(play.differs(&hostname("web")).await.to_string(), "name other -> web");
        play.put("/etc/hostname", "third\n");
        keeps_its_word::<Hostname>(&hostname("web"), &play.host).await;
    }
}
