//! Kernel values: in a file that sysctl(8) reads at boot, and in the running kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::content;
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::Access;
use crate::host::kernel::place_of;
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::problem::nearest;
use crate::template::managed;

/// Kernel values that belong together.
#[derive(Debug, Clone, Serialize)]
pub struct Sysctl {
    /// Who wants them, such as `host`.
    pub name: String,
    /// The values by their names, such as `net.core.somaxconn`.
    pub values: BTreeMap<String, String>,
}

impl Sysctl {
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/etc/sysctl.d/60-hostagent-{}.conf", self.name))
    }

    fn text(&self) -> String {
        let head = managed("the recipe") + "\n";
        self.values.iter().fold(head, |text, (key, value)| text + key + " = " + value + "\n")
    }

    /// The values that the kernel has now beside those wanted.
    fn live<'s>(&'s self, host: &Look) -> Result<Vec<(&'s str, String, String)>, Cause> {
        let both = |(key, want): (&'s String, &String)| {
            let now = host.kernel_value(key)?.ok_or_else(|| unknown(key, host))?;
            Ok((key.as_str(), now, want.split_whitespace().collect::<Vec<_>>().join(" ")))
        };
        self.values.iter().map(both).collect()
    }
}

fn unknown(key: &str, host: &Look) -> Cause {
    let place = place_of(key);
    let siblings = host.names_in(place.parent().unwrap_or(Path::new("/proc/sys"))).unwrap_or_default();
    let siblings: Vec<String> = siblings.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let last = place.file_name().unwrap_or_default().to_string_lossy();
    let hint = match nearest(&last, siblings.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}{near}`?", key.strip_suffix(&*last).unwrap_or_default()),
        None => "`sysctl --all` lists them; some come with a kernel module".to_owned(),
    };
    Cause::new("unknown-kernel-value", format!("the kernel has no `{key}`")).hint(hint)
}

impl Resource for Sysctl {
    fn id(&self) -> Id {
        Id::new("sysctl", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        vec![Id::every("package")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let mut changes = Changes::none();
        for (key, now, want) in self.live(host)? {
            changes = changes.value(key, &now, &want);
        }
        let file = host.read(&self.path())?;
        Ok(content(changes, &self.path().display().to_string(), file.as_deref(), self.text().as_bytes(), false))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        // The kernel first: what it refuses must not wait in a file for the next boot.
        for (key, now, want) in self.live(host)? {
            if now != want {
                host.set_kernel_value(key, &want)?;
            }
        }
        if host.read_text(&self.path())?.as_ref() != Some(&self.text()) {
            host.replace(&self.path(), self.text().as_bytes(), Access { uid: 0, gid: 0, mode: 0o644 })?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        let changes = Changes::none().creating();
        self.values.iter().fold(changes, |changes, (key, value)| changes.appears(key, value))
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn play() -> Play {
        let play = Play::new().file("/proc/sys/net/core/somaxconn", "4096\n");
        play.file("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
    }

    fn sysctl(key: &str, value: &str) -> Sysctl {
        Sysctl { name: "host".into(), values: [(key.to_owned(), value.to_owned())].into() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_value_keeps_its_word_in_the_kernel_and_for_the_next_boot() {
        let play = play();
        keeps_its_word::<Sysctl>(&sysctl("net.core.somaxconn", "1024"), &play.host).await;
        assert!(play.text("/proc/sys/net/core/somaxconn").starts_with("1024\n"));
        assert!(play.text("/etc/sysctl.d/60-hostagent-host.conf").ends_with("\nnet.core.somaxconn = 1024\n"));
        play.put("/proc/sys/net/core/somaxconn", "128\n");
        assert_eq!(
            play.differs(&sysctl("net.core.somaxconn", "1024")).await.to_string(),
            "net.core.somaxconn 128 -> 1024"
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn blanks_between_numbers_do_not_count() {
        let play = play();
        let changes = play.differs(&sysctl("net.ipv4.tcp_rmem", "4096 131072  6291456")).await;
        assert_eq!(changes.list().len(), 1, "only the file is missing: {changes}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_value_the_kernel_does_not_have_is_named_with_the_nearest() {
        let said = sysctl("net.core.somaxcon", "1").check(&play().host.look()).await.unwrap_err();
        assert_eq!(said.says, "the kernel has no `net.core.somaxcon`");
        assert_eq!(said.hint.as_deref(), Some("did you mean `net.core.somaxconn`?"));
    }
}
