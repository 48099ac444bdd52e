//! What of a configuration only the host can say: which words its nginx knows, who answers ACME challenges, which
//! certificates are trusted, and which templates a person put in place of the program's.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::dialect::Dialect;
use super::site::Site;
use super::tls::{self, Hsts};
use super::{Nginx, render, trust};
use crate::engine::Cause;
use crate::host::nginx::build::{self, Build};
use crate::host::{CONF_DIR, Look};

/// Begins the line of a site's file that says since when its certificate is trusted.
const SINCE: &str = "# strict transport security since ";

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) dialect: Dialect,
    /// Of the key of the ACME account.
    pub(super) thumbprint: Option<String>,
    /// By the name of a site: for how long browsers shall insist on TLS.
    pub(super) transport: BTreeMap<String, Transport>,
    /// Templates that stand in for the program's, by their names.
    pub(super) templates: BTreeMap<String, String>,
}

/// For how long browsers shall insist on TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transport {
    pub(super) since: Timestamp,
    pub(super) max_age: u32,
}

impl Transport {
    /// The line that says it in a site's file.
    pub(super) fn line(self) -> String {
        format!("{SINCE}{}", self.since)
    }
}

impl Here {
    /// What a host will say that has nothing yet.
    pub(super) fn foreseen(build: &Build) -> Self {
        Self { dialect: Dialect::of(build), thumbprint: None, transport: BTreeMap::new(), templates: BTreeMap::new() }
    }

    /// What this host says. nginx is asked only where it matters: with TLS.
    pub(super) async fn of(host: &Look, nginx: &Nginx, foreseen: &Build) -> Result<Self, Cause> {
        let mut here = Self::foreseen(foreseen);
        here.templates = templates(host)?;
        if nginx.speaks_tls()
            && let Some(build) = build::build(host).await?
        {
            here.dialect = Dialect::of(&build);
        }
        here.thumbprint = host.read_text(&tls::thumbprint_file())?.as_deref().and_then(tls::thumbprint_in);
        let now = Timestamp::now();
        for site in &nginx.site {
            if let Some(transport) = transport_of(host, site, now)? {
                here.transport.insert(site.name.to_string(), transport);
            }
        }
        Ok(here)
    }
}

fn templates(host: &Look) -> Result<BTreeMap<String, String>, Cause> {
    let mut found = BTreeMap::new();
    let place = Path::new(CONF_DIR).join("templates");
    for name in render::TEMPLATES.map(|template| template.name) {
        if let Some(text) = host.read_text(&place.join(name))? {
            found.insert(name.to_owned(), text);
        }
    }
    Ok(found)
}

/// Of a site with a certificate that others trust. Since when is read from its own file: there it says so.
fn transport_of(host: &Look, site: &Site, now: Timestamp) -> Result<Option<Transport>, Cause> {
    let Some(certificate) = site.certificate.as_ref().filter(|_| site.hsts != Hsts::Off) else { return Ok(None) };
    let pem = host.read_text(&tls::chain_of(certificate))?;
    if !pem.is_some_and(|pem| trust::is_vouched_for(&pem)) {
        return Ok(None);
    }
    let text = host.read_text(&render::file_of(site))?.unwrap_or_default();
    let said = text.lines().find_map(|line| line.strip_prefix(SINCE)?.parse().ok());
    let since = said.unwrap_or_else(|| Timestamp::from_second(now.as_second()).unwrap_or(now));
    Ok(site.hsts.max_age(since, now).map(|max_age| Transport { since, max_age }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::nginx::build::Version;
    use crate::resources::laws::Play;

    const NEWER: &str = "nginx version: nginx/1.28.0\nbuilt with OpenSSL 3.5.4 30 Sep 2025\nconfigure arguments: --with-http_v2_module --with-http_v3_module\n";
    const PLAIN: &str = "[[site]]\nname = \"a\"\nserver_name = [\"a\"]\nreturn = { code = 204 }\n";

    fn play() -> Play {
        Play::with(|argv, _| (argv[0] == "/usr/sbin/nginx").then(|| (0, NEWER.to_owned()))).file("/usr/sbin/nginx", "")
    }

    async fn here(play: &Play, table: &str) -> Here {
        let nginx: Nginx = toml::from_str(table).unwrap();
        Here::of(&play.host.look(), &nginx, &Build::of_debian("12")).await.unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_nginx_that_is_here_is_asked_only_where_its_version_matters() {
        let play = play();
        let with_tls = format!("{PLAIN}certificate = \"a\"\n");
        assert_eq!(here(&play, PLAIN).await.dialect, Dialect::of(&Build::of_debian("12")));
        assert!(play.ran().is_empty());
        let newer = Build { version: Version(1, 28, 0), openssl: Some(Version(3, 5, 4)), http_v2: true, http_v3: true };
        assert_eq!(here(&play, &with_tls).await.dialect, Dialect::of(&newer));
        assert_eq!(play.ran(), ["/usr/sbin/nginx -V"]);
        std::fs::remove_file(play.place("/usr/sbin/nginx")).unwrap();
        assert_eq!(here(&play, &with_tls).await.dialect, Dialect::of(&Build::of_debian("12")), "what Debian brings");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn browsers_insist_on_tls_only_while_the_certificate_is_trusted_and_the_file_remembers_since_when() {
        let play = play();
        let table = format!("{PLAIN}certificate = \"a\"\n");
        let chain = "/var/lib/hostagent/tls/a/current/fullchain.pem";
        assert!(here(&play, &table).await.transport.is_empty(), "it has none");
        play.put(chain, &trust::tests::pem("hostagent-bootstrap", "hostagent-bootstrap"));
        assert!(here(&play, &table).await.transport.is_empty(), "nobody vouches for it");
        play.put(chain, &trust::tests::pem("an authority", "a"));
        assert_eq!(here(&play, &table).await.transport["a"].max_age, 300);
        play.put("/etc/nginx/hostagent.d/a.conf", &format!("# x\n{SINCE}2020-01-02T03:04:05Z\nserver {{}}\n"));
        let transport = here(&play, &table).await.transport["a"];
        assert_eq!((transport.max_age, transport.line()), (63_072_000, format!("{SINCE}2020-01-02T03:04:05Z")));
        assert!(here(&play, &format!("{table}hsts = \"off\"\n")).await.transport.is_empty());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn templates_and_the_thumbprint_are_read_from_where_they_are() {
        let play = play().file("/etc/hostagent/templates/nginx/site.conf.tera", "mine");
        play.put("/var/lib/hostagent/tls/account/thumbprint", "nIN6ULGT-T_Zj3Gpcaq8fVXvWWVJsbUl6RClJFFXJzI\n");
        let here = here(&play, PLAIN).await;
        assert_eq!(here.templates, BTreeMap::from([("nginx/site.conf.tera".to_owned(), "mine".to_owned())]));
        assert!(here.thumbprint.is_some());
    }
}
