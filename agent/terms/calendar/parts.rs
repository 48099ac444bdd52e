//! The numbers of a calendar event: `*`, `1..5`, `0/15`, `1,15`.

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Not known yet.
    Any,
    Year,
    Month,
    Day,
    /// A day counted from the end of the month.
    LastDay,
    Hour,
    Minute,
    /// In microseconds.
    Second,
}

/// One second.
const MICROSECONDS: u64 = 1_000_000;

/// systemd keeps its numbers in an `int`, microseconds too.
const LARGEST: u64 = i32::MAX as u64;

/// So many numbers may stand in one place.
const MOST: usize = 241;

impl Part {
    /// Its name, and the least and the greatest that there is.
    fn range(self) -> Option<(&'static str, u64, u64)> {
        Some(match self {
            Self::Any => return None,
            Self::Year => ("year", 1970, 2199),
            Self::Month => ("month", 1, 12),
            Self::Day => ("day", 1, 31),
            Self::LastDay => ("day before the end of a month", 1, 28),
            Self::Hour => ("hour", 0, 23),
            Self::Minute => ("minute", 0, 59),
            Self::Second => ("second", 0, 60 * MICROSECONDS - 1),
        })
    }
}

/// One of the numbers: `4`, `4..8`, `4/2`, `4..8/2`.
#[derive(Debug, Clone, Copy)]
struct Number {
    start: u64,
    stop: Option<u64>,
    repeat: u64,
}

/// All numbers of a place; none for `*`.
#[derive(Debug)]
pub(super) struct Chain<'t> {
    text: &'t str,
    numbers: Vec<Number>,
}

/// The numbers that a text begins with, and the rest of it.
pub(super) fn chain(text: &str, part: Part) -> Result<(Chain<'_>, &str), String> {
    let (mut rest, mut numbers) = (text, Vec::new());
    if let Some(after) = text.strip_prefix('*') {
        rest = after;
    } else {
        loop {
            let (number, after) = number(rest, part)?;
            numbers.push(number);
            rest = after;
            let Some(next) = rest.strip_prefix(',') else { break };
            rest = next;
        }
    }
    if numbers.len() > MOST {
        return Err("it is too long".to_owned());
    }
    let written = text.get(..text.len() - rest.len()).unwrap_or_default();
    Ok((Chain { text: written, numbers }, rest))
}

/// What comes after a sign that must be there.
pub(super) fn expect<'t>(text: &'t str, sign: char, why: &str) -> Result<&'t str, String> {
    text.strip_prefix(sign).ok_or_else(|| why.to_owned())
}

fn number(text: &str, part: Part) -> Result<(Number, &str), String> {
    let (start, mut rest) = decimal(text, part)?;
    let (mut stop, mut repeat) = (None, 0);
    if let Some(after) = rest.strip_prefix("..") {
        let (last, after) = decimal(after, part)?;
        (stop, rest) = (Some(last), after);
        repeat = if part == Part::Second { MICROSECONDS } else { 1 };
    }
    if let Some(after) = rest.strip_prefix('/') {
        (repeat, rest) = decimal(after, part)?;
        if repeat == 0 {
            return Err("`/0` repeats nothing".to_owned());
        }
    } else if part == Part::Second && stop.is_some_and(|last| last < start + repeat) {
        return Err("a range of less than a second needs a step, as `0..0.9/0.1`".to_owned());
    }
    match rest.chars().next() {
        None | Some(' ' | ',' | '-' | '~' | ':') => Ok((Number { start, stop, repeat }, rest)),
        Some(other) => Err(format!("`{other}` cannot follow a number")),
    }
}

/// A number in the part's own unit; only seconds have a fraction, which is rounded to microseconds.
fn decimal(text: &str, part: Part) -> Result<(u64, &str), String> {
    let (digits, rest) = digits(text);
    if digits.is_empty() {
        let word = text.split([' ', ':', ',']).next().unwrap_or_default();
        return Err(match word {
            "" => "a number is missing".to_owned(),
            word => format!("`{word}` is neither a number nor a word that is known"),
        });
    }
    let large = || format!("{digits} is too large");
    let mut value: u64 = digits.parse().map_err(|_| large())?;
    let mut after = rest;
    if part == Part::Second {
        value = value.checked_mul(MICROSECONDS).ok_or_else(large)?;
        if let Some(behind) = rest.strip_prefix('.').filter(|behind| !behind.starts_with('.')) {
            let (fraction, next) = self::digits(behind);
            if fraction.is_empty() {
                return Err("a fraction of a second has digits".to_owned());
            }
            let shown = fraction.bytes().chain(std::iter::repeat(b'0')).take(6);
            let rounded = u64::from(fraction.as_bytes().get(6).is_some_and(|digit| *digit >= b'5'));
            value += shown.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')) + rounded;
            after = next;
        }
    }
    if value > LARGEST {
        return Err(large());
    }
    Ok((value, after))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

impl Chain<'_> {
    /// Whether systemd finds all of them in a calendar.
    pub(super) fn fits(&self, part: Part) -> Result<(), String> {
        let Some((name, least, most)) = part.range() else { return Ok(()) };
        let full = |year: u64| match year {
            0..70 if part == Part::Year => year + 2000,
            70..100 if part == Part::Year => year + 1900,
            other => other,
        };
        for number in &self.numbers {
            let (start, repeat) = (full(number.start), number.repeat);
            // A range ends where its last step does; one without a second step is a single number.
            let stop = number.stop.map(full).map(|stop| match stop.checked_sub(start) {
                Some(length) if repeat > 0 => stop - length % repeat,
                _ => stop,
            });
            let (stop, repeat) = if stop == Some(start) { (None, 0) } else { (stop, repeat) };
            let is_one = |value: u64| (least..=most).contains(&value);
            if !is_one(start) || !stop.is_none_or(is_one) {
                return Err(format!("there is no {name} `{}`", self.text));
            }
            let comes_again = match stop {
                Some(stop) => start + repeat <= stop,
                None if part == Part::LastDay => start >= least + repeat,
                None => start + repeat <= most,
            };
            if repeat > most - least || !comes_again {
                return Err(format!("`{}` of the {name} never comes to a second time", self.text));
            }
        }
        Ok(())
    }
}
