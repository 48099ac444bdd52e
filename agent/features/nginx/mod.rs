//! `[nginx]`: a web server with its sites.
//!
//! `/etc/nginx/nginx.conf` and one file a site under `/etc/nginx/hostagent.d/` are written whole, checked by `nginx -t`
//! and put back if it says no. Files of others in `conf.d/` and `sites-enabled/` go on being read. A reload counts as
//! done when the workers that serve are newer than the files.

mod behind;
mod block;
mod check;
mod dialect;
mod here;
mod limits;
mod location;
mod people;
mod proxy;
mod render;
mod site;
mod static_files;
mod tls;
mod upstream;
mod view;
pub mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Feature, needs_package};
use crate::engine::{Cause, Draft, Id};
use crate::facts::Facts;
use crate::host::nginx::build::Build;
use crate::host::{Look, nginx};
use crate::problem::KeyPath;
use crate::resources::config_set::{ConfigCheck, ConfigFile, ConfigSet, Fitting};
use crate::resources::service::{OnChange, Service};
use crate::terms::{AccountName, PackageName, Period};

pub use behind::RealIp;
use here::Here;
pub use limits::RateLimit;
pub use location::Location;
pub use people::{BasicAuth, Person};
pub use proxy::{Backend, Protocol, Proxy};
pub use site::{Return, Site};
pub use static_files::StaticFiles;
pub use tls::{Hsts, TlsProfile};
pub use upstream::{Server, Upstream};
use words::{AccessLog, Buffer, CachePath, ErrorLog, Name, Text, UrlPath, WorkerProcesses};

/// A web server: static files, redirects, and requests handed on to applications.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "nginx has that many switches")]
pub struct Nginx {
    /// The package it comes from. Default: `"nginx"`.
    pub package: PackageName,
    /// Whether it starts at boot. Default: `true`.
    pub enabled: bool,
    /// Whether it runs. Default: `true`.
    pub running: bool,
    /// The sites it serves. Default: none.
    pub site: Vec<Site>,
    /// Groups of servers that several sites hand requests on to by name. Default: none.
    pub upstream: Vec<Upstream>,
    /// Whether sites that listen on a port also do so on IPv6. Default: whether the host has IPv6; where it has none nginx
    /// could not start.
    pub ipv6: Option<bool>,
    /// Whether the distribution's own default site stays. Default: `false`: it is taken away, and a request for a host
    /// that no site names gets no answer (444). With `true` whatever is in `sites-enabled/default` answers those on port
    /// 80, or another file that declares a `default_server`.
    pub default_site: bool,
    /// The user that workers run as. Default: `"www-data"`.
    pub user: AccountName,
    /// The group that workers run as. Default: the one that is named as `user`.
    pub group: Option<AccountName>,
    /// How many workers. Default: `"auto"`, one a processor.
    pub worker_processes: WorkerProcesses,
    /// How many connections a worker may have open; a proxied request takes two. Default: 1024.
    #[schemars(range(min = 16))]
    pub worker_connections: u32,
    /// How many files and sockets a worker may have open. Default: 8192.
    pub worker_rlimit_nofile: u32,
    /// How long the workers of before a reload may go on with open connections, such as websockets, until they are
    /// closed. Default: `"60s"`.
    pub worker_shutdown_timeout: Period,
    /// Whether a worker takes all new connections at once. Default: `false`.
    pub multi_accept: bool,
    /// Where troubles are logged. Default: `"/var/log/nginx/error.log"`, with level `error`.
    pub error_log: ErrorLog,
    /// Where requests are logged. Default: `"/var/log/nginx/access.log"`, in the format `combined`. With
    /// `"/var/log/nginx/access.log json"` each is a JSON object, with its id and the times that the application took.
    pub access_log: AccessLog,
    /// Formats for `access_log` by their names, such as `{ main = '$remote_addr $request_time' }`; one that begins with
    /// `escape=json ` escapes so. Default: none but nginx's `combined`.
    pub log_format: BTreeMap<Name, Text>,
    /// Whether the kernel sends files itself. Default: `true`.
    pub sendfile: bool,
    /// Whether headers and the beginning of a file share a packet. Default: `true`.
    pub tcp_nopush: bool,
    /// Whether small packets are sent at once. Default: `true`.
    pub tcp_nodelay: bool,
    /// How long an idle connection of a client stays open. Default: `"65s"`.
    pub keepalive_timeout: Period,
    /// How many requests one connection may carry. Default: nginx's own, 1000.
    pub keepalive_requests: Option<u32>,
    /// Whether answers tell nginx's version. Default: `false`.
    pub server_tokens: bool,
    /// The largest body of a request; `"0"` for any. Default: `"10m"`.
    pub client_max_body_size: Buffer,
    /// How long server names may be, in bytes: a power of two. Default: 128.
    pub server_names_hash_bucket_size: u32,
    /// Whether text is compressed. Default: `true`.
    pub gzip: bool,
    /// Whether text is also compressed with Brotli, for who takes that; brings the modules of Debian. Default: `false`.
    pub brotli: bool,
    /// Which clients may connect with TLS, as in Mozilla's guideline: `"intermediate"`, `"modern"`. Default:
    /// `"intermediate"`.
    pub tls_profile: TlsProfile,
    /// Who asks, behind a load balancer or a content network. Default: who connects.
    pub real_ip: Option<RealIp>,
    /// The path on which requests for unknown hosts, and sites under maintenance, are told that nginx is well: for the
    /// health checks of load balancers. Default: `"/healthz"`.
    pub health_path: UrlPath,
    /// Whether sites are closed for a while. Default: `false`.
    pub maintenance: bool,
    /// When those who come to a closed site are told to come again. Default: `"5m"`.
    pub maintenance_retry_after: Period,
    /// Caches of answers, as in nginx's `proxy_cache_path`. Default: none.
    pub proxy_cache_path: Vec<CachePath>,
    /// Lines of one's own, in nginx's language, outside of `http`. Default: none.
    pub extra_conf: Option<String>,
    /// Lines of one's own, in nginx's language, inside of `http`. Default: none.
    pub extra_http: Option<String>,
}

impl Default for Nginx {
    fn default() -> Self {
        Self {
            package: PackageName::known("nginx"),
            enabled: true,
            running: true,
            site: Vec::new(),
            upstream: Vec::new(),
            ipv6: None,
            default_site: false,
            user: AccountName::try_from("www-data".to_owned()).unwrap_or_else(|_| AccountName::root()),
            group: None,
            worker_processes: WorkerProcesses::auto(),
            worker_connections: 1024,
            worker_rlimit_nofile: 8192,
            worker_shutdown_timeout: Period::known("60s"),
            multi_accept: false,
            error_log: ErrorLog::usual(),
            access_log: AccessLog::usual(),
            log_format: BTreeMap::new(),
            sendfile: true,
            tcp_nopush: true,
            tcp_nodelay: true,
            keepalive_timeout: Period::known("65s"),
            keepalive_requests: None,
            server_tokens: false,
            client_max_body_size: Buffer::known("10m"),
            server_names_hash_bucket_size: 128,
            gzip: true,
            brotli: false,
            tls_profile: TlsProfile::Intermediate,
            real_ip: None,
            health_path: UrlPath::known("/healthz"),
            maintenance: false,
            maintenance_retry_after: Period::known("5m"),
            proxy_cache_path: Vec::new(),
            extra_conf: None,
            extra_http: None,
        }
    }
}

/// The packages of Brotli's modules.
const BROTLI: [&str; 2] = ["libnginx-mod-http-brotli-filter", "libnginx-mod-http-brotli-static"];
/// Where Debian's own default site is linked.
const DEFAULT_SITE: &str = "/etc/nginx/sites-enabled/default";

impl Feature for Nginx {
    const TABLE: &'static str = "nginx";

    fn compile(&self, facts: &Facts, plan: &mut Draft) {
        let here = KeyPath::root().key(Self::TABLE);
        let ipv6 = self.ipv6.unwrap_or_else(|| facts.has_ipv6());
        plan.at(here.clone());
        check::all(self, ipv6, plan);
        plan.at(here);
        let build = Build::of_debian(&facts.os.version);
        let foreseen = Here::foreseen(self, &build);
        let files = render::files(self, ipv6, &foreseen).unwrap_or_else(|says| {
            plan.problem(says, "this is a mistake in hostagent; please report it");
            Vec::new()
        });
        let fitting = self.fitting(ipv6, build, files.clone());

        let package = needs_package(plan, self.package.as_str());
        let mut first = self.reads_of_others(plan);
        if self.brotli {
            first.extend(BROTLI.map(|name| needs_package(plan, name)));
        }
        let group = self.group.as_ref().unwrap_or(&self.user);
        for (index, site) in self.site.iter().enumerate() {
            plan.at(KeyPath::root().key(Self::TABLE).key("site").index(index));
            for (location, block) in site.blocks() {
                let Some(auth) = block.rules.basic_auth else { continue };
                let file = auth.file(&site.name, location.map(|index| index + 1), group);
                first.push(plan.add(file).after(&package).id());
            }
        }
        plan.at(KeyPath::root().key(Self::TABLE));
        self.lean_on_certificates(plan);
        let set = ConfigSet {
            name: "nginx".to_owned(),
            files,
            absent: if self.default_site { Vec::new() } else { vec![PathBuf::from(DEFAULT_SITE)] },
            checks: vec![ConfigCheck::program(["/usr/sbin/nginx", "-t", "-q"])],
            read_by: Some("nginx".to_owned()),
            guard: None,
            fitting: Some(fitting),
        };
        let written = first.iter().fold(plan.add(set).after(&package), crate::engine::plan::Added::after).id();

        let reads: Vec<PathBuf> = std::iter::once(PathBuf::from("/etc/nginx"))
            .chain(self.snippet_files())
            .chain(self.certificates().map(tls::chain_of))
            .collect();
        let log = self.error_log.path().map(PathBuf::from);
        plan.add(Service {
            enabled: Some(self.enabled),
            running: Some(self.running),
            restart_reason: Some(nginx::must_restart(reads.clone(), log.clone())),
            healthy: Some(nginx::are_newer_than(reads.clone(), log)),
            reads,
            on_change: OnChange::Reload,
            sets: vec!["nginx".to_owned()],
            ..Service::running("nginx")
        })
        .after(&written);
    }
}

impl Nginx {
    /// Makes the files for the host as it is: most hosts are as foreseen.
    fn fitting(&self, ipv6: bool, build: Build, foreseen: Vec<ConfigFile>) -> Fitting {
        let (nginx, bare) = (self.clone(), Here::foreseen(self, &build));
        // What answers challenges, and what a site begins with before it has a certificate of an authority.
        let begins = self.certificates().map(|name| Id::new("bootstrap_certificate", name.as_str()));
        let needs = begins.chain([Id::new("tls_account", "key")]).collect();
        Fitting::new(needs, async move |host: &Look| {
            let here = Here::of(host, &nginx, &build).await?;
            if here == bare {
                return Ok(foreseen.clone());
            }
            render::files(&nginx, ipv6, &here).map_err(|says| {
                let own: Vec<String> = here.templates.keys().map(|name| format!("`{name}`")).collect();
                let hint = format!("correct what stands in /etc/hostagent/templates in its place ({}), or take it away; nothing was written", own.join(", "));
                Cause::new("template-refused", says).hint(hint)
            })
        })
    }

    /// The certificates of sites.
    fn certificates(&self) -> impl Iterator<Item = &Name> {
        self.site.iter().filter(|site| site.config.is_none()).filter_map(|site| site.certificate.as_ref())
    }

    /// Whether any site has one.
    fn speaks_tls(&self) -> bool {
        self.certificates().next().is_some()
    }

    /// A site waits for the certificate that stands in at first, and not for the CA's: that one needs the site.
    fn lean_on_certificates(&self, plan: &mut Draft) {
        let sites = KeyPath::root().key(Self::TABLE).key("site");
        for (index, site) in self.site.iter().enumerate().filter(|(_, site)| site.config.is_none()) {
            if let Some(name) = &site.certificate {
                plan.leans_on(Id::new("certificate", name.as_str()), sites.index(index).key("certificate"));
            }
        }
    }

    /// What others of this plan bring and `nginx -t` wants to find.
    fn reads_of_others(&self, plan: &Draft) -> Vec<Id> {
        let files = self.snippet_files().map(|path| Id::at("file", &path));
        let accounts = [Some(Id::new("user", &self.user)), self.group.as_ref().map(|group| Id::new("group", group))];
        files.chain(accounts.into_iter().flatten()).filter(|id| plan.has(id)).collect()
    }

    /// Files of people's own that sites include.
    fn snippet_files(&self) -> impl Iterator<Item = PathBuf> {
        let blocks = self.site.iter().flat_map(Site::blocks);
        let paths = blocks.filter_map(|(_, block)| block.rules.snippet_file).map(|path| path.as_path().to_owned());
        paths.filter(|path| !path.starts_with("/etc/nginx"))
    }
}
