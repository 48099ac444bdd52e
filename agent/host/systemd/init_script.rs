//! Units that systemd makes of init scripts: systemd does not enable those, and says `generated` of all of them. Whether
//! one starts at boot is in the links under /etc/rc?.d, which update-rc.d(8) keeps (`systemctl enable` calls it, too).

use std::path::Path;

use super::Unit;
use crate::host::programs::Program;
use crate::host::{Error, Look, Touch};

/// The runlevels in which a server starts.
const RUNLEVELS: [&str; 4] = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];

impl Look {
    /// Whether the init script that a unit was made of starts at boot; `None` if it was not made of one.
    pub(super) fn init_script(&self, unit: &Unit) -> Result<Option<bool>, Error> {
        let Some(name) = unit.name.strip_suffix(".service").filter(|_| unit.unit_file_state == "generated") else {
            return Ok(None);
        };
        if self.found_through(&Path::new("/etc/init.d").join(name))?.is_none() {
            return Ok(None);
        }
        for directory in RUNLEVELS {
            // `S01cron`: start, in this order.
            let starts = |link: &str| {
                let ordered = link.strip_prefix('S').and_then(|rest| rest.split_at_checked(2));
                ordered.is_some_and(|(order, rest)| rest == name && order.bytes().all(|b| b.is_ascii_digit()))
            };
            if self.names_in(Path::new(directory))?.iter().any(|link| link.to_str().is_some_and(starts)) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }
}

impl Touch {
    /// Lets an init script start at boot, or not; says whether the unit is made of one.
    pub(super) async fn enable_init_script(&self, unit: &str, enabled: bool) -> Result<bool, Error> {
        if self.unit(unit).await?.init_script.is_none() {
            return Ok(false);
        }
        let name = super::short_name(unit);
        // A script that has no links yet is not enabled by `enable`.
        for verb in ["defaults", if enabled { "enable" } else { "disable" }] {
            self.run(&Program::does("update-rc.d").args([name, verb])).await?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    #[test]
    fn an_init_script_starts_at_boot_where_a_link_says_so() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["etc/init.d", "etc/rc3.d", "etc/rc0.d"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        let host = Host::at(root.path(), Box::new(Real)).unwrap().look();
        let unit = |state: &str| Unit { name: "toy.service".into(), unit_file_state: state.into(), ..Unit::default() };
        let is = |state: &str| host.init_script(&unit(state)).unwrap();
        assert_eq!(is("generated"), None, "there is no script");
        fs::write(at("etc/init.d/toy"), "").unwrap();
        assert_eq!(is("generated"), Some(false));
        symlink("../init.d/toy", at("etc/rc0.d/K01toy")).unwrap();
        symlink("../init.d/toy", at("etc/rc3.d/K01toy")).unwrap();
        symlink("../init.d/mytoy", at("etc/rc3.d/S01mytoy")).unwrap();
        assert_eq!(is("generated"), Some(false));
        symlink("../init.d/toy", at("etc/rc3.d/S01toy")).unwrap();
        assert_eq!((is("generated"), is("enabled")), (Some(true), None));
    }
}
