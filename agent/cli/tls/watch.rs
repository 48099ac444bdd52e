//! What a run leaves behind for whoever watches the certificates: a text for Prometheus, and what `status` looks at.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::tls_store::Source;
use crate::host::{Error, Host, Look, STATE_DIR};
use crate::resources::certificate::Certificate;
use crate::resources::certificate::standing::{self, Standing};

use super::Refusal;

/// Where `node_exporter` of Debian looks for texts.
const COLLECTOR: &str = "/var/lib/prometheus/node-exporter";
/// The certificates that are to be watched.
const WATCHED: &str = "tls/watched.json";

/// A certificate of the recipe that was last made so.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    name: String,
    directories: Vec<String>,
}

/// Tells whoever watches how the certificates of the recipe are. Nothing is written that is there already.
pub(in crate::cli) async fn tell(host: &Host, certificates: &[Certificate]) {
    if let Err(error) = written(host, certificates).await {
        tracing::warn!(%error, "what watches the certificates could not be told of them");
    }
}

async fn written(host: &Host, certificates: &[Certificate]) -> Result<(), Error> {
    let touch = host.touch();
    let watched: Vec<Watched> = certificates
        .iter()
        .map(|certificate| Watched {
            name: certificate.name.clone(),
            directories: certificate.directories().map(str::to_owned).collect(),
        })
        .collect();
    let kept = touch.read_state(WATCHED)?;
    if watched.is_empty() {
        if kept.is_some() {
            touch.remove_published(&place(&touch)?)?;
            touch.remove_state(WATCHED)?;
        }
        return Ok(());
    }
    let bytes = serde_json::to_vec(&watched).map_err(|error| Error::said("tls-watch", error.to_string()))?;
    if kept.as_deref() != Some(&bytes) {
        touch.write_state_durably(WATCHED, &bytes)?;
    }
    let mut standings = Vec::new();
    for certificate in certificates {
        // One question: a run with nothing to do must stay short.
        let standing = certificate.standing(&touch, 1).await;
        standings.push(standing.map_err(|cause| Error::said("tls-watch", cause.says))?);
    }
    touch.publish(&place(&touch)?, metrics(&standings).as_bytes())
}

/// The certificates of which little is left while their renewal fails, and why.
///
/// # Errors
/// When it cannot be looked at.
pub(in crate::cli) fn endangered(host: &Look) -> Result<Vec<(String, String)>, Refusal> {
    let kept = host.read_state(WATCHED)?;
    let watched: Vec<Watched> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut endangered = Vec::new();
    for one in watched {
        let says = standing::endangered(host, &one.name, &one.directories).map_err(|cause| super::refusal(&cause))?;
        endangered.extend(says.map(|says| (one.name, says)));
    }
    Ok(endangered)
}

fn place(host: &Look) -> Result<PathBuf, Error> {
    Ok(match host.found_through(Path::new(COLLECTOR))? {
        Some(_) => Path::new(COLLECTOR).join("hostagent-tls.prom"),
        None => Path::new(STATE_DIR).join("metrics/tls.prom"),
    })
}

/// The text, in Prometheus's exposition format. It says nothing that a run with nothing to do would change.
fn metrics(standings: &[Standing]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, value: &dyn Fn(&Standing) -> Option<i64>| {
        let _ = writeln!(text, "# HELP hostagent_tls_{name} {help}\n# TYPE hostagent_tls_{name} gauge");
        for (standing, value) in standings.iter().filter_map(|standing| Some((standing, value(standing)?))) {
            // Names of certificates have nothing in them that would have to be escaped.
            let _ = writeln!(text, "hostagent_tls_{name}{{name=\"{}\"}} {value}", standing.name);
        }
    };
    let issued = |standing: &Standing| standing.issued.as_ref().map(|version| version.leaf.to.second());
    family("not_after_seconds", "When the certificate that clients get ends, since 1970.", &|standing| {
        standing.served.iter().map(|served| served.leaf.to.second()).min().or_else(|| issued(standing))
    });
    family("issued_not_after_seconds", "When the certificate on the disk ends, since 1970.", &issued);
    family("last_success_seconds", "When the last certificate came from its issuer, since 1970.", &|standing| {
        let version = standing.issued.as_ref()?;
        (version.meta.source != Source::Bootstrap).then(|| version.meta.made.second())
    });
    family("failures", "Failed tries since the last success.", &|standing| {
        Some(standing.failures.as_ref().map_or(0, |failures| i64::from(failures.count)))
    });
    family("bootstrap", "Whether one that nobody trusts stands in for it.", &|standing| {
        let version = standing.issued.as_ref();
        Some(i64::from(version.is_none_or(|version| version.meta.source == Source::Bootstrap)))
    });
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::host::moment::Moment;
    use crate::host::programs::Real;
    use crate::host::tls_store::{Meta, New, Readers, keys};
    use crate::resources::certificate::Issuer;
    use crate::terms::{Challenge, KeyType};

    fn certificate() -> Certificate {
        Certificate {
            name: "web".into(),
            names: vec!["a.example".into()],
            issuers: vec![Issuer::SelfSigned],
            contact: Vec::new(),
            challenge: Challenge::default(),
            preflight: true,
            dns: None,
            key_type: KeyType::EcdsaP256,
            profile: None,
            preferred_chain: None,
            group: None,
            readers: Vec::new(),
            learned: std::cell::RefCell::default(),
            forced: std::cell::Cell::default(),
        }
    }

    #[tokio::test]
    async fn prometheus_reads_until_when_a_certificate_is_good_and_nothing_is_written_twice() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        let (names, now) = (vec!["a.example".to_owned()], Moment::at(1_795_000_000));
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let chain = keys::self_signed(&key, &names, "own", now, Duration::from_hours(24)).unwrap();
        let meta = Meta { source: Source::SelfSigned, issuer: None, made: now, point: 0, trusted_since: None };
        let new =
            New { key: &key, chain: chain.as_bytes(), names: &names, meta: &meta, readers: Readers { gid: None } };
        host.touch().tls_commit("web", &new, now).unwrap();

        tell(&host, &[certificate()]).await;
        let place = root.path().join("var/lib/hostagent/metrics/tls.prom");
        let text = std::fs::read_to_string(&place).unwrap();
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "hostagent_tls_not_after_seconds{name=\"web\"} 1795086400",
                "hostagent_tls_issued_not_after_seconds{name=\"web\"} 1795086400",
                "hostagent_tls_last_success_seconds{name=\"web\"} 1795000000",
                "hostagent_tls_failures{name=\"web\"} 0",
                "hostagent_tls_bootstrap{name=\"web\"} 0",
            ]
        );
        let before = host.writes();
        tell(&host, &[certificate()]).await;
        assert_eq!(host.writes(), before);

        // Where node_exporter looks, once it is there; and nowhere, once there is nothing to tell.
        std::fs::create_dir_all(root.path().join(COLLECTOR.trim_start_matches('/'))).unwrap();
        tell(&host, &[certificate()]).await;
        let place = root.path().join("var/lib/prometheus/node-exporter/hostagent-tls.prom");
        assert_eq!(std::fs::read_to_string(&place).unwrap(), text);
        tell(&host, &[]).await;
        assert!(!place.exists() && host.look().read_state(WATCHED).unwrap().is_none());
    }
}
