//! Lengths of time.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The units, from the longest on, and how many milliseconds each has.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// No wait of a recipe is longer: systemd counts in microseconds, nginx in milliseconds.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// A length of time: numbers with `d`, `h`, `m` (or `min`), `s`, `ms`, the longest unit first, such as `"30s"` or
/// `"1h30m"`. nginx and systemd both read it, and the same in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(\d+d)?(\d+h)?(\d+m(in)?)?(\d+s)?(\d+ms)?$", "examples" = ["30s", "1h30m"]))]
pub struct Period(String);

impl Period {
    /// A length of time known to the program.
    pub fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The words, as nginx and systemd read them.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time itself.
    pub fn duration(&self) -> Duration {
        length(&self.0).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::from_text(deserializer, "a time in quotes, such as \"30s\"")
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match length(&text) {
            Some(length) if length <= LONGEST => Ok(Self(text.replace("min", "m"))),
            Some(_) => Err(format!("`{text}` is more than 100 years\nhint: a shorter time, such as `\"30d\"`")),
            None => Err(format!(
                "`{}` is not a time\nhint: numbers with `d`, `h`, `m`, `s` or `ms`, the longest first, such as `\"30s\"` or `\"1h30m\"`",
                text.escape_debug()
            )),
        }
    }
}

/// How long it is; `None` where it is no length of time. Like nginx it takes every unit once, and the longest first.
fn length(text: &str) -> Option<Duration> {
    let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end)?;
        let name = if unit == "min" { "m" } else { unit };
        let at = units.iter().position(|(known, _)| *known == name)?;
        let (_, each) = units.get(at)?;
        total = number.parse::<u64>().ok()?.checked_mul(*each)?.checked_add(total)?;
        (rest, units) = (next, units.get(at + 1..)?);
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Result<Period, String> {
        Period::try_from(text.to_owned())
    }

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("0s", 0),
            ("1h30m", 5_400_000),
            ("15min", 900_000),
            ("1d1ms", 86_400_001),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(period(text).unwrap().duration().as_millis(), milliseconds, "{text}");
        }
        let wrong = [
            "", "30", "s", "30 s", "30s;", "-1s", "1.5h", "30s1h", "1s1s", "1w2", "1h30", "1minute", "5mins", "36501d",
        ];
        for text in wrong.into_iter().chain(["99999999999999999999s", "30s\n"]) {
            let said = period(text).unwrap_err();
            assert!(said.contains("\nhint: "), "{said}");
        }
    }

    #[test]
    fn minutes_are_written_as_nginx_reads_them() {
        assert_eq!(period("1h15min").unwrap().as_str(), "1h15m");
    }
}
