//! Certificates, as a person reads them: a row each, and below it what is to be known of it.

use jiff::Timestamp;

use super::colour::{Hue, Ink};
use super::sheet::Sheet;
use super::words::{away, list, tame};

/// How much a row matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is to come.
    Differs,
    /// It takes a person.
    Bad,
    /// It matters less.
    Faint,
}

/// A certificate.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// How much it matters.
    pub tone: Tone,
    /// Its state in a word.
    pub state: String,
    /// Its last second, since 1970.
    pub ends: Option<i64>,
    /// Whether it is served.
    pub served: String,
    /// What comes next.
    pub next: String,
    /// When that is.
    pub next_at: Option<i64>,
    /// What it is for.
    pub names: Vec<String>,
    /// Who issues it.
    pub issuer: String,
    /// What went wrong and takes nobody, and what to do about it.
    pub note: Option<(String, String)>,
    /// What takes a person, and what to do about it.
    pub alarms: Vec<(String, String)>,
}

const HEAD: [&str; 5] = ["name", "state", "ends (UTC)", "served", "next (UTC)"];

/// The table; with all names if it is to be `full`.
pub fn text(rows: &[Row], ink: Ink, full: bool, now: Timestamp) -> String {
    let cells: Vec<[String; 5]> = rows.iter().map(|row| cells(row, now)).collect();
    let width = |column: usize| {
        let all = cells.iter().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count());
        all.chain(HEAD.get(column).map(|head| head.len())).max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut sheet = Sheet::new(ink);
    sheet.raw(&ink.paint(Hue::Faint, line(&HEAD.map(str::to_owned), widths, |_, cell| cell).trim_end()));
    sheet.raw("\n");
    for (row, cells) in rows.iter().zip(&cells) {
        let painted = line(cells, widths, |column, cell| match column {
            0 => ink.paint(Hue::Strong, &cell),
            1 => ink.paint(row.tone.hue(), &cell),
            _ => cell,
        });
        sheet.raw(&format!("{}\n", painted.trim_end()));
        let names = if full { row.names.join(", ") } else { list(row.names.iter().map(String::as_str)) };
        let by = if row.issuer.is_empty() { String::new() } else { format!(", by {}", host_of(&row.issuer)) };
        sheet.raw(&format!("  {}\n", ink.paint(Hue::Faint, &tame(&format!("{names}{by}")))));
        for (hue, sign, (says, hint)) in row
            .alarms
            .iter()
            .map(|alarm| (Hue::Bad, "x", alarm))
            .chain(row.note.iter().map(|note| (Hue::Differs, "!", note)))
        {
            sheet.sign(hue, sign, &tame(says));
            sheet.cause("", Some(hint));
        }
    }
    sheet.into_text()
}

impl Tone {
    fn hue(self) -> Hue {
        match self {
            Self::Good => Hue::Good,
            Self::Differs => Hue::Differs,
            Self::Bad => Hue::Bad,
            Self::Faint => Hue::Faint,
        }
    }
}

fn cells(row: &Row, now: Timestamp) -> [String; 5] {
    let at = |second: i64| {
        let Ok(moment) = Timestamp::from_second(second) else { return "-".to_owned() };
        format!("{}, {}", moment.strftime("%Y-%m-%d %H:%M"), away(moment, now))
    };
    let next = row.next_at.map_or_else(|| row.next.clone(), |second| format!("{} {}", row.next, at(second)));
    let ends = row.ends.map_or_else(|| "-".to_owned(), at);
    [tame(&row.name), tame(&row.state), ends, row.served.clone(), next]
}

fn line(cells: &[String; 5], widths: [usize; 5], paint: impl Fn(usize, String) -> String) -> String {
    let padded = cells.iter().zip(widths).enumerate();
    padded.map(|(column, (cell, width))| paint(column, format!("{cell:<width$}"))).collect::<Vec<_>>().join("  ")
}

/// The host of a CA's directory, which is how people know it.
fn host_of(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn row(name: &str, state: &str, days: i64) -> Row {
        Row {
            name: name.to_owned(),
            tone: Tone::Good,
            state: state.to_owned(),
            ends: Some(NOW + days * 86_400),
            served: "yes".to_owned(),
            next: "renewal".to_owned(),
            next_at: Some(NOW + (days - 30) * 86_400),
            names: vec![format!("{name}.example.org")],
            issuer: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            note: None,
            alarms: Vec::new(),
        }
    }

    #[test]
    fn a_row_each_in_columns_and_what_is_wrong_below() {
        let paused = Row {
            next: "waits for a person".to_owned(),
            next_at: None,
            alarms: vec![("the CA says no".to_owned(), "open https://ca.example/unpause".to_owned())],
            ..row("www", "paused", 5)
        };
        let told = text(&[row("api", "valid", 89), paused], Ink::NONE, false, Timestamp::from_second(NOW).unwrap());
        assert_eq!(
            told,
            "\
name  state   ends (UTC)                    served  next (UTC)
api   valid   2027-02-15 11:06, in 89 days  yes     renewal 2027-01-16 11:06, in 59 days
  api.example.org, by acme-v02.api.letsencrypt.org
www   paused  2026-11-23 11:06, in 5 days   yes     waits for a person
  www.example.org, by acme-v02.api.letsencrypt.org
  x the CA says no
      hint: open https://ca.example/unpause
"
        );
    }
}
