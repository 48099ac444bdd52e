//! Why a CA did not give what was asked, in its own words; and what it means for the next try.

use std::fmt;
use std::time::Duration;

/// The beginning of every error type of ACME (RFC 8555, 6.7).
const URN: &str = "urn:ietf:params:acme:error:";

/// What it means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody answered, or not the CA: it may pass.
    Away,
    /// Too much was asked of the CA.
    Limited,
    /// The CA asks for this name no more until a person says otherwise.
    Paused,
    /// The CA looked at a name and did not find what it should.
    Unproven,
    /// The CA would not: a look of our own found so, and it was not asked.
    Unready,
    /// The account is not (or no more) the CA's.
    NoAccount,
    /// The order, or what it was made of, is no more.
    Gone,
    /// Somebody else has renewed this certificate already.
    Replaced,
    /// The CA lacks the profile.
    NoProfile,
    /// The nonce was used up.
    BadNonce,
    /// What the CA gave cannot be used.
    Unusable,
    /// A name could not be shown by DNS: the CA was not asked to look.
    Dns,
    /// Anything else: asked again, it says the same.
    Refused,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub kind: Kind,
    /// What happened: a lowercase fragment, in the CA's words.
    pub says: String,
    /// How long the CA wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The names that it was about, if it said.
    pub names: Vec<String>,
    /// What to do about it, if that is known better than by its kind.
    fix: Option<String>,
}

impl Refusal {
    /// A refusal of a kind.
    pub fn new(kind: Kind, says: impl fmt::Display) -> Self {
        // What a server says goes to terminals and logs: it is one line, and commands nobody.
        let says = says.to_string().replace(char::is_control, " ");
        Self { kind, says, retry_after: None, names: Vec::new(), fix: None }
    }

    /// A refusal of which the type, the words and the status are known.
    pub fn of_problem(kind: &str, detail: &str, status: Option<u16>) -> Self {
        let word = kind.strip_prefix(URN).unwrap_or(kind);
        let kind = match word {
            _ if unpause_link(detail).is_some() => Kind::Paused,
            "rateLimited" => Kind::Limited,
            "badNonce" => Kind::BadNonce,
            "accountDoesNotExist" => Kind::NoAccount,
            // An account that was deactivated is refused as unauthorized, in words.
            "unauthorized" if is_of_an_account(detail) => Kind::NoAccount,
            "unauthorized" | "connection" | "dns" | "caa" | "incorrectResponse" | "tls" | "rejectedIdentifier" => {
                Kind::Unproven
            }
            "alreadyReplaced" => Kind::Replaced,
            "invalidProfile" => Kind::NoProfile,
            "orderNotReady" => Kind::Gone,
            "serverInternal" => Kind::Away,
            _ if status == Some(429) => Kind::Limited,
            _ if status == Some(404) => Kind::Gone,
            _ if status.is_some_and(|status| status >= 500) => Kind::Away,
            _ => Kind::Refused,
        };
        let says = match (detail.is_empty(), word.is_empty()) {
            (false, false) => format!("the CA says `{word}`: {detail}"),
            (false, true) => format!("the CA says: {detail}"),
            (true, false) => format!("the CA says `{word}`"),
            (true, true) => "the CA refused without a word".to_owned(),
        };
        Self::new(kind, says)
    }

    /// With the CA's wish to be left alone for so long.
    #[must_use]
    pub fn retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after.or(self.retry_after);
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// With the names that it was about.
    #[must_use]
    pub fn about(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// Those of the names that were asked for that it was about: by the CA's list, or by its words. None if it was about
    /// the whole, or it does not say.
    pub fn blames(&self, asked: &[String]) -> Vec<String> {
        // A CA that is away or has no account blames no name; nor does a limit, unless it is that of one.
        let is_of_names = match self.kind {
            Kind::Unproven | Kind::Unready | Kind::Paused => true,
            Kind::Limited => self.says.contains("failed authorizations"),
            _ => false,
        };
        if !is_of_names {
            return Vec::new();
        }
        let listed: Vec<String> = asked.iter().filter(|name| self.names.contains(name)).cloned().collect();
        if !listed.is_empty() {
            return listed;
        }
        let words = || self.says.split(|c: char| !(c.is_ascii_alphanumeric() || "-.*:".contains(c)));
        let is_said = |name: &&String| words().any(|word| word.trim_end_matches(['.', ':']).eq_ignore_ascii_case(name));
        let said: Vec<String> = asked.iter().filter(is_said).cloned().collect();
        // It was about something, and there is only one.
        if said.is_empty() && asked.len() == 1 { asked.to_vec() } else { said }
    }

    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Away | Kind::BadNonce => "acme-away",
            Kind::Limited => "acme-limited",
            Kind::Paused => "acme-paused",
            Kind::Unproven => "acme-unproven",
            Kind::Unready => "acme-unready",
            Kind::NoAccount => "acme-account",
            Kind::Unusable => "acme-unusable",
            Kind::Dns => "acme-dns",
            Kind::Gone | Kind::Replaced | Kind::NoProfile | Kind::Refused => "acme-refused",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        if let Some(fix) = &self.fix {
            return fix.clone();
        }
        match self.kind {
            Kind::Away | Kind::BadNonce | Kind::Gone => {
                "it is tried again later by itself; is the CA reached from this host?".into()
            }
            Kind::Limited => {
                "it is tried again by itself when the CA allows it; until then more tries only make it longer".into()
            }
            Kind::Paused => match unpause_link(&self.says) {
                Some(link) => format!("put right why it failed, then open {link} and confirm"),
                None => "put right why it failed, then ask the CA to go on".into(),
            },
            Kind::Unproven => {
                "does the name lead to this host, is port 80 open to everybody, and does no CAA record forbid this CA?"
                    .into()
            }
            Kind::NoAccount => "the next run makes a new account".into(),
            Kind::Unready => {
                "put it right, and the next run goes on; if the world sees it otherwise than this host, `preflight = false` in `[tls]`"
                    .into()
            }
            Kind::Replaced | Kind::NoProfile => "it is tried again without that".into(),
            Kind::Unusable => "the certificate that was there is still in use; if it comes again, ask the CA".into(),
            Kind::Dns => "look at the zone, and at `dns` of the `[[tls.certificate]]`".into(),
            Kind::Refused => "look at the `[[tls.certificate]]` and at the CA's conditions".into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

/// The page on which a person lifts a pause, if the CA's words name one.
pub fn unpause_link(says: &str) -> Option<&str> {
    let speaks_of_it = says.contains("temporarily prevented") || says.contains("paused") || says.contains("unpause");
    let mut links = says.split_whitespace().filter(|word| word.starts_with("https://"));
    let link = if speaks_of_it { links.find(|link| link.contains("unpause")) } else { None };
    link.map(|link| link.trim_end_matches(['.', ',', ')', '"']))
}

/// The value of a `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date.
pub fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Whether these are a CA's words about an account that is no more. A name may have that word in it, and so may the page that
/// a CA found where it looked for an answer.
fn is_of_an_account(detail: &str) -> bool {
    let detail = detail.to_ascii_lowercase();
    ["account is not valid", "account is deactivated", "account has been deactivated", "key exists but is deactivated"]
        .iter()
        .any(|words| detail.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(word: &str, detail: &str) -> Kind {
        Refusal::of_problem(&format!("{URN}{word}"), detail, Some(403)).kind
    }

    #[test]
    fn what_the_ca_means_is_told_apart() {
        assert_eq!(kind("rateLimited", "too many certificates"), Kind::Limited);
        assert_eq!(kind("unauthorized", "Invalid response from http://a.example/"), Kind::Unproven);
        assert_eq!(kind("unauthorized", "Account is not valid, has status \"deactivated\""), Kind::NoAccount);
        assert_eq!(kind("caa", "CAA record for a.example prevents issuance"), Kind::Unproven);
        assert_eq!(kind("alreadyReplaced", ""), Kind::Replaced);
        assert_eq!(kind("malformed", "no"), Kind::Refused);
        assert_eq!(Refusal::of_problem("about:blank", "", Some(503)).kind, Kind::Away);
    }

    #[test]
    fn a_paused_name_gives_the_link_to_the_person() {
        let detail = "Your account is temporarily prevented from requesting certificates for a.example and possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause?jwt=eyJ.";
        let refusal = Refusal::of_problem(&format!("{URN}rateLimited"), detail, Some(429));
        assert_eq!(refusal.kind, Kind::Paused);
        assert!(
            refusal.hint().contains("open https://portal.letsencrypt.org/sfe/v1/unpause?jwt=eyJ and"),
            "{}",
            refusal.hint()
        );
        assert_eq!(unpause_link("too many: see https://letsencrypt.org/docs/rate-limits/"), None);
    }

    #[test]
    fn names_are_blamed_by_the_ca_s_list_or_by_its_words() {
        let asked = ["a.example", "www.a.example", "b.example"].map(str::to_owned);
        let of = |kind, says: &str| Refusal::new(kind, says).blames(&asked);
        let paused = "prevented from requesting certificates for www.a.example, b.example and possibly others.";
        assert_eq!(of(Kind::Paused, paused), ["www.a.example", "b.example"]);
        assert_eq!(of(Kind::Unproven, "Cannot issue for \"a.example\": policy"), ["a.example"]);
        assert_eq!(of(Kind::Limited, "too many failed authorizations (5) for \"b.example\" in 1h"), ["b.example"]);
        let limit = "too many certificates (50) already issued for \"a.example\"";
        assert!(of(Kind::Limited, limit).is_empty() && of(Kind::Away, "b.example").is_empty());
        let listed = Refusal::new(Kind::Unproven, "no b.example").about(vec!["a.example".to_owned()]);
        assert_eq!(listed.blames(&asked), ["a.example"]);
        assert_eq!(Refusal::new(Kind::Unproven, "no").blames(&asked[..1]), ["a.example"]);
    }

    #[test]
    fn what_a_server_says_is_one_line() {
        assert_eq!(Refusal::new(Kind::Away, "a\nb\u{1b}[31m").says, "a b [31m");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        assert_eq!(retry_after("3600", now), Some(Duration::from_hours(1)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 08:01:00 GMT", now), Some(Duration::from_mins(1)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 07:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
