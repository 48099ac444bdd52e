//! Values of the running kernel: `/proc/sys`, and its host name.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Error, Look, Touch};

/// Where the kernel shows a value by its sysctl(8) name: dots are slashes, unless a slash comes first.
pub fn place_of(key: &str) -> PathBuf {
    let slashed = key.find('/').is_some_and(|slash| key.find('.').is_none_or(|dot| slash < dot));
    let swapped = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path: String = if slashed { key.to_owned() } else { key.chars().map(swapped).collect() };
    Path::new("/proc/sys").join(path.trim_start_matches('/'))
}

impl Look {
    /// A kernel value by its sysctl(8) name, blanks evened out; `None` if this kernel has none of that name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kernel_value(&self, key: &str) -> Result<Option<String>, Error> {
        let text = self.read_text(&place_of(key))?;
        Ok(text.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// The host name that the kernel has now.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn kernel_hostname(&self) -> Result<String, Error> {
        Ok(self.kernel_value("kernel.hostname")?.unwrap_or_default())
    }
}

impl Touch {
    /// Sets a kernel value.
    ///
    /// # Errors
    /// When there is none of that name, or the kernel refuses the value, or shows its values read-only.
    pub fn set_kernel_value(&self, key: &str, value: &str) -> Result<(), Error> {
        self.wrote();
        let path = place_of(key);
        let open = OpenOptions::new().write(true).truncate(true).open(self.place(&path));
        // One write: the kernel takes each as a whole value.
        let written = open.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()));
        written.map_err(|source| match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EROFS | Errno::EACCES | Errno::EPERM) => Error::said_with_hint(
                "kernel-value-read-only",
                format!("the kernel does not let this host set `{key}`: {source}"),
                "a container shares its host's kernel: set it there, and take it out of this recipe",
            ),
            Some(Errno::EINVAL | Errno::ERANGE) => Error::said_with_hint(
                "kernel-value-refused",
                format!("the kernel refuses `{value}` for `{key}`: {source}"),
                "its documentation says which values it takes: https://docs.kernel.org/admin-guide/sysctl/",
            ),
            _ => Error::File { doing: "write", path: path.clone(), source },
        })
    }

    /// Gives the kernel this host name.
    ///
    /// # Errors
    /// When it refuses.
    pub fn set_kernel_hostname(&self, name: &str) -> Result<(), Error> {
        if !self.is_real() {
            return self.set_kernel_value("kernel.hostname", name);
        }
        self.wrote();
        nix::unistd::sethostname(name).map_err(|errno| {
            let says = format!("the kernel does not take the host name `{name}`: {errno}");
            Error::said_with_hint("hostname-refused", says, "in a container its manager gives the name: set it there")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_dot_in_a_part_is_written_with_slashes() {
        for (key, path) in [
            ("net.core.somaxconn", "/proc/sys/net/core/somaxconn"),
            ("net/ipv4/conf/eth0.100/rp_filter", "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"),
            ("net.ipv4.conf.eth0/100.rp_filter", "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"),
        ] {
            assert_eq!(place_of(key), Path::new(path), "{key}");
        }
    }
}
