//! Whether CAA records let a CA issue (RFC 8659). Pure.

use crate::host::dns::Rule;

/// The tags that RFC 8659 and its followers define: who does not know a critical one may issue nothing.
const KNOWN: [&str; 6] = ["issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"];

/// Why these records keep a CA from issuing; nothing if they do not. They are those of the name, or of the nearest name
/// above it that has any; the CA goes by `identities`.
pub fn forbids(records: &[Rule], is_wildcard: bool, identities: &[String]) -> Option<String> {
    let rules = records.iter().map(|rule| (rule.critical, rule.tag.as_str(), rule.value.as_str()));
    let rules: Vec<(bool, &str, &str)> = rules.collect();
    if let Some((_, tag, _)) = rules.iter().find(|(critical, tag, _)| *critical && !KNOWN.contains(tag)) {
        return Some(format!("`{tag}` is critical, and no CA knows it"));
    }
    let of = |wanted: &str| -> Vec<&str> {
        rules.iter().filter(|(_, tag, _)| *tag == wanted).map(|(_, _, value)| *value).collect()
    };
    // For wildcards alone, where there is such a rule.
    let wild = if is_wildcard { of("issuewild") } else { Vec::new() };
    let values = if wild.is_empty() { of("issue") } else { wild };
    // What follows the first `;` are the CA's own conditions.
    let allowed: Vec<&str> = values.iter().map(|value| value.split(';').next().unwrap_or_default().trim()).collect();
    let is_allowed =
        allowed.iter().any(|allowed| identities.iter().any(|identity| identity.eq_ignore_ascii_case(allowed)));
    if values.is_empty() || is_allowed {
        return None;
    }
    let mut named: Vec<String> =
        allowed.into_iter().filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect();
    named.sort();
    named.dedup();
    Some(if named.is_empty() { "no CA may issue".to_owned() } else { format!("only {} may issue", named.join(", ")) })
}

/// The names at which a rule about this one may stand, the nearest first.
pub fn places(name: &str) -> impl Iterator<Item = &str> {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    std::iter::successors(Some(plain), |name| name.split_once('.').map(|(_, above)| above))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(all: &[(&str, &str)]) -> Vec<Rule> {
        let of = |(tag, value): &(&str, &str)| Rule {
            critical: tag.starts_with('!'),
            tag: tag.trim_start_matches('!').to_owned(),
            value: (*value).to_owned(),
        };
        all.iter().map(of).collect()
    }

    fn says(all: &[(&str, &str)], is_wildcard: bool) -> Option<String> {
        forbids(&rules(all), is_wildcard, &["ca.example".to_owned(), "other.example".to_owned()])
    }

    #[test]
    fn who_is_named_may_issue_and_nobody_else() {
        assert_eq!(says(&[], false), None);
        assert_eq!(says(&[("issue", "CA.example; validationmethods=dns-01")], false), None);
        assert_eq!(says(&[("issue", "x.example"), ("issue", "ca.example")], false), None);
        assert_eq!(says(&[("issue", "x.example")], false).unwrap(), "only `x.example` may issue");
        assert_eq!(says(&[("issue", ";")], false).unwrap(), "no CA may issue");
        assert_eq!(says(&[("iodef", "mailto:a@example.org")], false), None);
    }

    #[test]
    fn wildcards_have_rules_of_their_own_where_there_are_any() {
        let both = [("issue", "ca.example"), ("issuewild", ";")];
        assert_eq!((says(&both, false), says(&both, true).unwrap().as_str()), (None, "no CA may issue"));
        assert_eq!(says(&[("issue", "ca.example")], true), None);
        assert_eq!(says(&[("issuewild", ";")], false), None);
    }

    #[test]
    fn a_critical_rule_that_nobody_knows_forbids_everything() {
        let unknown = [("issue", "ca.example"), ("!policy", "x")];
        assert_eq!(says(&unknown, false).unwrap(), "`policy` is critical, and no CA knows it");
        assert_eq!(says(&[("issue", "ca.example"), ("policy", "x"), ("!issue", "ca.example")], false), None);
    }

    #[test]
    fn rules_are_looked_for_up_to_the_last_label() {
        assert_eq!(places("*.www.example.org").collect::<Vec<_>>(), ["www.example.org", "example.org", "org"]);
    }
}
