//! What of a configuration only the host can say: which words its nginx knows, who answers ACME challenges, which
//! certificates are trusted, and which templates a person put in place of the program's.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::dialect::Dialect;
use super::site::Site;
use super::tls;
use super::{Nginx, render};
use crate::engine::Cause;
use crate::host::nginx::build::{self, Build};
use crate::host::{CONF_DIR, Look};

/// What the host says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) dialect: Dialect,
    /// Of the key of the ACME account.
    pub(super) thumbprint: Option<String>,
    /// By the name of a site: for how many seconds browsers shall insist on TLS, while others trust its certificate.
    pub(super) insists_for: BTreeMap<String, u32>,
    /// Templates that stand in for the program's, by their names.
    pub(super) templates: BTreeMap<String, String>,
}

impl Here {
    /// What a host will say that has nothing yet.
    pub(super) fn foreseen(nginx: &Nginx, build: &Build) -> Self {
        let now = Timestamp::now();
        let insists_for = nginx.site.iter().filter_map(|site| Some((site.name.to_string(), insists(site, now, now)?)));
        let insists_for = insists_for.collect();
        Self { dialect: Dialect::of(build), thumbprint: None, insists_for, templates: BTreeMap::new() }
    }

    /// What this host says. nginx is asked only where it matters: with TLS.
    pub(super) async fn of(host: &Look, nginx: &Nginx, foreseen: &Build) -> Result<Self, Cause> {
        let mut here = Self::foreseen(nginx, foreseen);
        here.templates = templates(host)?;
        if nginx.speaks_tls()
            && let Some(build) = build::build(host).await?
        {
            here.dialect = Dialect::of(&build);
        }
        here.thumbprint = host.read_text(&tls::thumbprint_file())?.as_deref().and_then(tls::thumbprint_in);
        let now = Timestamp::now();
        for site in &nginx.site {
            let Some(certificate) = &site.certificate else { continue };
            let since = host.tls_trusted_since(certificate.as_str())?;
            let since = since.and_then(|since| Timestamp::from_second(since.second()).ok()).unwrap_or(now);
            here.insists_for.extend(insists(site, since, now).map(|seconds| (site.name.to_string(), seconds)));
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

/// For how many seconds browsers insist on TLS at a site, if its certificate has been trusted since then.
fn insists(site: &Site, since: Timestamp, now: Timestamp) -> Option<u32> {
    site.certificate.as_ref().and_then(|_| site.hsts.max_age(since, now))
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
    async fn browsers_insist_longer_the_longer_the_certificate_has_been_trusted() {
        let play = play();
        let table = format!("{PLAIN}certificate = \"a\"\n");
        assert_eq!(here(&play, &table).await.insists_for["a"], 300, "what a first one will begin with");
        let meta = |source: &str, since: &str| {
            let meta = format!(r#"{{"source":"{source}","issuer":null,"made":0,"point":0,"trusted_since":{since}}}"#);
            play.put("/var/lib/hostagent/tls/a/current/meta.json", &meta);
        };
        meta("issued", "1577934245");
        assert_eq!(here(&play, &table).await.insists_for["a"], 63_072_000);
        meta("bootstrap", "1577934245");
        assert_eq!(here(&play, &table).await.insists_for["a"], 300, "nobody vouches for it any more");
        assert!(here(&play, &format!("{table}hsts = \"off\"\n")).await.insists_for.is_empty());
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
