//! Whether two ways to write a PostgreSQL setting mean the same: `128MB` and 16384 pages of 8 kB.

/// Whether a value as a recipe writes it is the one that `pg_settings` shows. `kind` is its `vartype`.
pub(super) fn same(wanted: &str, setting: &str, unit: Option<&str>, kind: &str) -> bool {
    match kind {
        "bool" => matches!((boolean(wanted), boolean(setting)), (Some(one), Some(other)) if one == other),
        "enum" => wanted.eq_ignore_ascii_case(setting),
        "integer" | "real" => match (number(wanted, unit), number(setting, unit)) {
            (Some(one), Some(other)) if kind == "integer" => (one.round() - other.round()).abs() < 0.5,
            (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-9,
            _ => false,
        },
        _ => wanted == setting,
    }
}

/// `parse_bool` of PostgreSQL: any beginning of a word that is not the beginning of another.
fn boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// The number in the setting's own unit.
fn number(text: &str, unit: Option<&str>) -> Option<f64> {
    let text = text.trim();
    let octal =
        text.strip_prefix('0').filter(|rest| !rest.is_empty() && rest.bytes().all(|b| (b'0'..=b'7').contains(&b)));
    if let Some(octal) = octal {
        return u32::from_str_radix(octal, 8).ok().map(f64::from);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).ok().map(f64::from);
    }
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, given) = text.split_at_checked(end)?;
    let digits: f64 = digits.trim().parse().ok()?;
    match (given.trim(), unit) {
        ("", _) => Some(digits),
        (given, Some(unit)) => Some(digits * factor(given)? / factor(unit)?),
        (_, None) => None,
    }
}

/// A unit in bytes or in milliseconds; `8kB` is a unit of PostgreSQL's too.
fn factor(unit: &str) -> Option<f64> {
    let end = unit.find(|c: char| c.is_ascii_alphabetic())?;
    let (count, name) = unit.split_at_checked(end)?;
    let count: f64 = if count.is_empty() { 1.0 } else { count.parse().ok()? };
    let one = match name {
        "B" | "ms" => 1.0,
        "kB" => 1024.0,
        "MB" => 1_048_576.0,
        "GB" => 1_073_741_824.0,
        "TB" => 1_099_511_627_776.0,
        "us" => 0.001,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some(count * one)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The units of `postgresql_alter_system` in community.postgresql.
    #[test]
    fn a_value_is_the_same_in_any_unit() {
        for (wanted, setting, unit, kind, expected) in [
            ("128MB", "16384", Some("8kB"), "integer", true),
            ("131072kB", "16384", Some("8kB"), "integer", true),
            ("16384", "16384", Some("8kB"), "integer", true),
            ("0.125GB", "16384", Some("8kB"), "integer", true),
            ("129MB", "16384", Some("8kB"), "integer", false),
            ("4MB", "4096", Some("kB"), "integer", true),
            ("1min", "60", Some("s"), "integer", true),
            ("1h", "3600000", Some("ms"), "integer", true),
            ("100", "100", None, "integer", true),
            ("100", "50", None, "integer", false),
            ("0777", "0777", None, "integer", true),
            ("511", "0777", None, "integer", true),
            ("0.50", "0.5", None, "real", true),
            ("true", "on", None, "bool", true),
            ("of", "off", None, "bool", true),
            ("yes", "off", None, "bool", false),
            ("REPLICA", "replica", None, "enum", true),
            ("localhost", "*", None, "string", false),
        ] {
            assert_eq!(same(wanted, setting, unit, kind), expected, "{wanted} {setting}");
        }
    }
}
