//! Debian's Pebble and its challtestsrv: fetched once, kept in the lab's cache, run outside a machine.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::authority::Authority;
use super::{ADDRESS, Settings};
use crate::lab::base::{self, Base};
use crate::lab::network::{Network, within};
use crate::lab::release::Release;
use crate::lab::{place, pool, sources, tool};

/// Where Pebble listens; clients speak to the proxy.
pub(super) const PEBBLE: u16 = 14_001;
/// Where it tells its roots.
pub(super) const MANAGEMENT: u16 = 15_000;
/// Where challtestsrv is told what names resolve to.
pub(super) const NAMES: u16 = 8055;
/// Where it answers, behind [`super::zones`].
pub(super) const RECORDS: u16 = 8053;

/// The release whose Pebble it is, whatever the machine runs: 2.4.0.
const RELEASE: Release = Release::Bookworm;

/// A program outside a machine, ended with this value.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
}

impl Program {
    /// Starts Pebble, which has neither accounts nor orders, and roots of its own.
    pub(super) fn pebble(settings: &Settings, authority: &Authority, folder: &Path, network: &Network) -> Self {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("/run can be written");
            path
        };
        let config = json!({ "pebble": {
            "listenAddress": format!("{ADDRESS}:{PEBBLE}"),
            "managementListenAddress": format!("{ADDRESS}:{MANAGEMENT}"),
            "certificate": write("certificate.pem", &authority.certificate_pem),
            "privateKey": write("key.pem", &authority.key_pem),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": !settings.bindings.is_empty(),
            "externalAccountMACKeys": settings.bindings,
            "domainBlocklist": settings.blocked,
            "certificateValidityPeriod": settings.lifetime.as_secs(),
        }});
        let config = write("pebble.json", &format!("{config:#}"));
        let mut command = Command::new(programs().join("pebble"));
        command.arg("-config").arg(config).args(["-dnsserver", &format!("{ADDRESS}:53")]);
        command.env_clear().env("PEBBLE_VA_NOSLEEP", "1");
        for (name, value) in [
            ("PEBBLE_WFE_NONCEREJECT", settings.rejects_nonces),
            ("PEBBLE_AUTHZREUSE", settings.reuses_authorizations),
            ("PEBBLE_ALTERNATE_ROOTS", settings.alternate_roots),
        ] {
            command.env(name, value.to_string());
        }
        Self::start(command, folder, network, &[PEBBLE, MANAGEMENT])
    }

    /// Starts the name server. A name that nobody gave an address has none.
    pub(super) fn names(folder: &Path, network: &Network) -> Self {
        let mut command = Command::new(programs().join("pebble-challtestsrv"));
        command.env_clear().args([
            "-dns01",
            &format!("{ADDRESS}:{RECORDS}"),
            "-management",
            &format!("{ADDRESS}:{NAMES}"),
        ]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "", "-defaultIPv6", ""]);
        Self::start(command, folder, network, &[NAMES])
    }

    fn start(mut command: Command, folder: &Path, network: &Network, ports: &[u16]) -> Self {
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_os_string();
        let log = folder.join(program).with_extension("log");
        let output = File::options().create(true).append(true).open(&log).expect("/run can be written");
        let errors = output.try_clone().expect("a file can be shared");
        command.current_dir(folder).stdin(Stdio::null()).stdout(output).stderr(errors);
        within(&network.outer(), || {
            let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
            let mut program = Self { child };
            let begun = Instant::now();
            for port in ports {
                let address = SocketAddr::new(ADDRESS.parse().expect("an address"), *port);
                while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
                    let has_ended = !matches!(program.child.try_wait(), Ok(None));
                    if has_ended || begun.elapsed() > Duration::from_secs(20) {
                        let said = fs::read_to_string(&log).unwrap_or_default();
                        panic!("{command:?} does not listen at {address}; it said:\n{said}");
                    }
                    sleep(Duration::from_millis(10));
                }
            }
            program
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder that has the two programs, made now if it is not there. Two processes may ask at once.
fn programs() -> PathBuf {
    let root = Base::of(RELEASE).root();
    let cache = place::cache();
    let folder = cache.join(format!("pebble-{}", RELEASE.codename()));
    let programs = folder.join("root/usr/bin");
    if programs.exists() {
        return programs;
    }
    let lock = File::create(cache.join("pebble.lock")).expect("the cache can be written");
    lock.lock().expect("a lock can be waited for");
    if !programs.exists() {
        eprintln!("lab: fetching Debian's pebble, once, in {}", folder.display());
        let draft = cache.join(format!(".draft-pebble-{}", process::id()));
        fs::create_dir_all(&draft).expect("the cache can be written");
        let list = draft.join("sources.list");
        fs::write(&list, sources::of(RELEASE)).expect("the cache can be written");
        pool::fill(&list, &root, &draft.join("pool"), &["pebble"]);
        for package in fs::read_dir(draft.join("pool")).expect("a new folder can be read").flatten() {
            if package.file_name().to_string_lossy().starts_with("pebble_") {
                let root = draft.join("root");
                tool::run("dpkg-deb", &["--extract".as_ref(), package.path().as_os_str(), root.as_os_str()]);
            }
        }
        base::remove(&folder);
        fs::rename(&draft, &folder).expect("the cache is one file system");
    }
    programs
}
