//! How the nginx that is here was built: what `nginx -V` says of its version, its modules and its TLS library.

use std::fmt;
use std::path::Path;

use crate::host::programs::Program;
use crate::host::{Error, Look};

/// Where every package of it has the program.
const PROGRAM: &str = "/usr/sbin/nginx";

/// A version of three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// The version that a text begins with, such as `1.22.1` or `3.5.4 30 Sep 2025`.
    pub fn leading(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text.get(..end)?.split('.').map(str::parse::<u16>);
        let mut next = || numbers.next()?.ok();
        Some(Self(next()?, next()?, next()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A build of nginx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its version.
    pub version: Version,
    /// The OpenSSL that it runs with; nothing where it is built with another library.
    pub openssl: Option<Version>,
    /// Whether it speaks HTTP/2.
    pub http_v2: bool,
    /// Whether it speaks HTTP/3.
    pub http_v3: bool,
}

impl Build {
    /// What `nginx -V` said. The library that it runs with counts, not the one that it was built with: a host may have a
    /// newer one.
    pub fn parse(said: &str) -> Option<Self> {
        let after = |mark: &str| said.split_once(mark).map(|(_, rest)| rest);
        let version = Version::leading(after("nginx version: ")?.split_once('/')?.1)?;
        let library = after("running with OpenSSL ").or_else(|| after("built with OpenSSL "));
        let arguments = after("configure arguments:").unwrap_or_default();
        let has = |module: &str| arguments.split_whitespace().any(|word| word == module);
        Some(Self {
            version,
            openssl: library.and_then(Version::leading),
            http_v2: has("--with-http_v2_module"),
            http_v3: has("--with-http_v3_module"),
        })
    }

    /// What a release of Debian brings, for a host that has none yet.
    pub fn of_debian(release: &str) -> Self {
        let (version, openssl) = match release {
            "11" => (Version(1, 18, 0), Version(1, 1, 1)),
            "13" => (Version(1, 26, 3), Version(3, 5, 0)),
            _ => (Version(1, 22, 1), Version(3, 0, 0)),
        };
        Self { version, openssl: Some(openssl), http_v2: true, http_v3: version >= Version(1, 25, 0) }
    }
}

/// Asks the nginx that is here; nothing where there is none, or one that speaks of itself in another way.
///
/// # Errors
/// When it is there and cannot be asked.
pub async fn build(host: &Look) -> Result<Option<Build>, Error> {
    if host.found_through(Path::new(PROGRAM))?.is_none() {
        return Ok(None);
    }
    let said = host.ask(&Program::asks(PROGRAM).arg("-V")).await?;
    Ok(Build::parse(&said.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "nginx version: nginx/1.22.1
built with OpenSSL 3.0.15 3 Sep 2024 (running with OpenSSL 3.0.17 1 Jul 2025)
TLS SNI support enabled
configure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx --with-http_ssl_module --with-http_v2_module
";

    #[test]
    fn version_library_and_modules_are_read_from_what_it_says() {
        let wanted =
            Build { version: Version(1, 22, 1), openssl: Some(Version(3, 0, 17)), http_v2: true, http_v3: false };
        assert_eq!(Build::parse(BOOKWORM), Some(wanted.clone()));

        let newer = BOOKWORM.replace("nginx/1.22.1", "nginx/1.28.0 (Ubuntu)").replace("_v2_", "_v3_");
        let newer = newer.replace(" (running with OpenSSL 3.0.17 1 Jul 2025)", "");
        let build = Build::parse(&newer).unwrap();
        assert_eq!((build.version, build.openssl), (Version(1, 28, 0), Some(Version(3, 0, 15))));
        assert!(build.http_v3 && !build.http_v2);
    }

    #[test]
    fn another_library_is_no_openssl_and_what_is_no_nginx_is_nothing() {
        let boring = BOOKWORM.replace("OpenSSL", "BoringSSL");
        assert_eq!(Build::parse(&boring).unwrap().openssl, None);
        for text in ["", "nginx version: nginx/", "nginx version: nginx/1.22", "bash: nginx: not found"] {
            assert_eq!(Build::parse(text), None, "{text}");
        }
        assert_eq!(Version(1, 9, 10).max(Version(1, 10, 0)).to_string(), "1.10.0", "numbers, not text");
    }
}
