//! Calendar events, which say when a timer of systemd starts.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

mod parts;
mod zone;

use parts::{Part, chain, expect};

/// A calendar event as systemd.time(7) has it: days of the week, a date, a time, a time zone, each of which may be left
/// out, such as `"Mon..Fri 04:00"` or `"*-*-01 03:30 Europe/Berlin"`; or a word such as `"daily"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("examples" = ["daily", "Mon..Fri 04:00", "*-*-01 03:30 Europe/Berlin"]))]
pub struct CalendarEvent(String);

impl CalendarEvent {
    /// An event known to the program.
    pub fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The event.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CalendarEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::from_text(deserializer, "a calendar event in quotes, such as \"daily\" or \"Mon..Fri 04:00\"")
    }
}

impl TryFrom<String> for CalendarEvent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match event(&text) {
            Ok(()) => Ok(Self(text)),
            Err(why) => {
                let hint = if text.split(' ').filter(|field| !field.is_empty()).count() == 5 {
                    "that is how cron writes it; four in the morning of every day is `*-*-* 04:00` here"
                } else {
                    "such as `daily`, `Mon..Fri 04:00` or `*-*-01 03:30 Europe/Berlin`; systemd.time(7) has all forms"
                };
                Err(format!("`{}` is not a calendar event: {why}\nhint: {hint}", text.escape_debug()))
            }
        }
    }
}

/// Events that are a word.
const WORDS: [&str; 13] = [
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "semi-annually",
    "biannually",
    "bi-annually",
    "annually",
    "yearly",
    // A slip that systemd takes forever.
    "anually",
];

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The last second that systemd plans for, 2199-12-31 23:59:59.
const LAST_SECOND: u64 = 7_258_118_399;

/// Says why systemd would not take it. Which time zones there are only the host knows, so of those the form alone counts.
fn event(text: &str) -> Result<(), String> {
    let text = zone::stripped(text);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    let rest = weekdays(text)?;
    if let Some(seconds) = rest.strip_prefix('@') {
        return second(seconds);
    }
    time(date(rest)?)
}

/// Days of the week; what comes after them.
fn weekdays(text: &str) -> Result<&str, String> {
    let (mut rest, mut from) = (text, None);
    loop {
        let Some((day, after)) = weekday(rest) else {
            return if rest.len() == text.len() { Ok(text) } else { Err(format!("`{rest}` is no day of the week")) };
        };
        if from.is_some_and(|first| first > day) {
            return Err("its days run backwards: a week begins on Monday, and ends on Sunday".to_owned());
        }
        let is_end = from.is_some();
        from = None;
        rest = match after.chars().next() {
            None | Some(' ') => return Ok(after.trim_start_matches(' ')),
            Some(',') => after.get(1..).unwrap_or_default(),
            // A single `-` is how it was written long ago.
            Some('.' | '-') if !is_end => {
                from = Some(day);
                let open = after.strip_prefix("..").or_else(|| after.strip_prefix('-'));
                open.ok_or("days run from one to another with two dots: `Mon..Fri`")?
            }
            Some(other) => return Err(format!("`{other}` cannot follow a day of the week")),
        };
        if rest.is_empty() || rest.starts_with(' ') {
            return if from.is_none() {
                Ok(rest.trim_start_matches(' '))
            } else {
                Err("its days have no end".to_owned())
            };
        }
    }
}

/// The number of the day that a text begins with, and the rest of it.
fn weekday(text: &str) -> Option<(usize, &str)> {
    let letters = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(letters)?;
    let is = |day: &str| {
        word.eq_ignore_ascii_case(day) || day.get(..3).is_some_and(|short| word.eq_ignore_ascii_case(short))
    };
    DAYS.iter().position(|day| is(day)).map(|number| (number, rest))
}

/// A date, if there is one; what comes after it.
fn date(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        return Ok(text);
    }
    let (first, rest) = chain(text, Part::Any)?;
    if rest.is_empty() || rest.starts_with(':') {
        return Ok(text);
    }
    let (from_the_end, rest) = dash(rest)?;
    let (second, rest) = chain(rest, Part::Any)?;
    let (month, day, from_the_end, rest) = if rest.is_empty() || rest.starts_with(' ') {
        (first, second, from_the_end, rest)
    } else if from_the_end {
        return Err("`~` comes before the day".to_owned());
    } else {
        let (last, rest) = dash(rest)?;
        let (third, rest) = chain(rest, Part::Any)?;
        first.fits(Part::Year)?;
        (second, third, last, rest)
    };
    month.fits(Part::Month)?;
    day.fits(if from_the_end { Part::LastDay } else { Part::Day })?;
    if rest.is_empty() || rest.starts_with(' ') {
        return Ok(rest.trim_start_matches(' '));
    }
    Err(format!("`{rest}` cannot follow a date"))
}

/// The sign before a day: whether it counts from the end of the month, and what comes after.
fn dash(text: &str) -> Result<(bool, &str), String> {
    let day =
        text.strip_prefix('-').map(|rest| (false, rest)).or_else(|| text.strip_prefix('~').map(|rest| (true, rest)));
    day.ok_or_else(|| "a date is `*-*-*`, `*-12-24` or `12-24`, a time has hours and minutes, as `04:00`".to_owned())
}

/// A time, with which it ends.
fn time(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let (hour, rest) = chain(text, Part::Any)?;
    hour.fits(Part::Hour)?;
    let rest = expect(rest, ':', "a time has hours and minutes, as `04:00`")?;
    let (minute, rest) = chain(rest, Part::Any)?;
    minute.fits(Part::Minute)?;
    if rest.is_empty() {
        return Ok(());
    }
    let rest = expect(rest, ':', "a time is `04:00` or `04:00:00`, and a time zone comes after it")?;
    let (second, rest) = chain(rest, Part::Second)?;
    second.fits(Part::Second)?;
    if rest.is_empty() { Ok(()) } else { Err(format!("`{rest}` cannot follow a time")) }
}

/// A second since 1970, as strtoul(3) reads it.
fn second(text: &str) -> Result<(), String> {
    let number = text.trim_start();
    let number = number.strip_prefix('+').unwrap_or(number);
    let is_known =
        number.bytes().all(|b| b.is_ascii_digit()) && number.parse().is_ok_and(|number: u64| number <= LAST_SECOND);
    if is_known { Ok(()) } else { Err(format!("`@{text}` is no second from 1970 to 2199")) }
}

#[cfg(test)]
mod tests;
