//! What `systemd-analyze calendar` says of each of these, on Debian 12 and 13.

use super::*;

fn said(text: &str) -> Option<String> {
    CalendarEvent::try_from(text.to_owned()).err()
}

#[test]
fn what_systemd_takes_is_taken() {
    for event in TAKEN {
        assert_eq!(said(event), None, "{event}");
    }
}

#[test]
fn what_systemd_refuses_is_refused_with_a_reason() {
    for (event, why) in REFUSED {
        let said = said(event).unwrap_or_else(|| panic!("{event:?} was taken"));
        assert!(said.contains(&format!("is not a calendar event: {why}\nhint: ")), "{event}: {said}");
    }
    assert!(said("0 4 * * *").unwrap().ends_with("every day is `*-*-* 04:00` here"));
}

const TAKEN: &[&str] = &[
    "daily",
    "Daily",
    "anually",
    "semi-annually",
    "daily UTC",
    "weekly Europe/Berlin",
    "Mon *-*-* 04:00",
    "Monday",
    "mon,fri *-1/2-1,3 *:30:45",
    "Sat,Thu,Mon-Wed,Sat-Sun",
    "Wed..Wed,Wed *-1",
    "Wed, 17:48",
    "Mon,",
    "Mon,Sun 12-*-* 2,1:23",
    "10-15",
    "2003-03-05 05:40",
    "12,14,13,12:20,10,30",
    "*:0/15",
    "*:5..5",
    "*-29..99/100",
    "1970..7-1-1",
    "00:00:5..5/1",
    "*:2/3",
    "*-*~1 Utc",
    "*-*~07/1",
    "*-*~05,3",
    "*-02~03..05",
    "*-*~* 00:00:00",
    "2016-03-27 03:17:00.4200005",
    "2016-03-27 03:17:00/0.42",
    "00:00:1.125..2.125",
    "00:00:1.0..3.8",
    "1..3-1..3 1..3:1..3",
    "9..11,13:00,30",
    "*-04-31",
    "99-1-1",
    "2199-*-*",
    "@1234567890",
    "@1234567890 UTC",
    "@7258118399",
    "*-*-*   04:00",
    "04:00 CEST",
    "04:00 GB",
    "04:00 America/Argentina/Buenos_Aires",
    "04:00 Etc/GMT+5",
];

const DATE: &str = "a date is `*-*-*`, `*-12-24` or `12-24`, a time has hours and minutes, as `04:00`";
const TIME: &str = "a time has hours and minutes, as `04:00`";

const REFUSED: &[(&str, &str)] = &[
    ("", "it is empty"),
    ("test", "`test` is neither a number nor a word that is known"),
    ("dayly", "`dayly` is neither a number nor a word that is known"),
    ("daily weekly", "`daily` is neither a number nor a word that is known"),
    ("daily  UTC", "`daily` is neither a number nor a word that is known"),
    (" 04:00", "a number is missing"),
    ("04:00 ", "a time is `04:00` or `04:00:00`, and a time zone comes after it"),
    ("04:00 tomorrow", "a time is `04:00` or `04:00:00`, and a time zone comes after it"),
    ("04:00 /etc/localtime", "a time is `04:00` or `04:00:00`, and a time zone comes after it"),
    ("04:00Z", "`Z` cannot follow a number"),
    ("2026-01-01T04:00:00", "`T` cannot follow a number"),
    ("0 4 * * *", DATE),
    ("*-*-* 4", TIME),
    ("7:", "a number is missing"),
    ("7:60", "there is no minute `60`"),
    ("24:00", "there is no hour `24`"),
    ("00:00:60", "there is no second `60`"),
    ("00:00:00.0..00.9", "a range of less than a second needs a step, as `0..0.9/0.1`"),
    ("00:00:5..5", "a range of less than a second needs a step, as `0..0.9/0.1`"),
    ("00:00:00/0.0000001", "`/0` repeats nothing"),
    ("00:00:1.", "a fraction of a second has digits"),
    ("2000-03-05 00:00.1:00", "`.` cannot follow a number"),
    ("*-13-01", "there is no month `13`"),
    ("13-1", "there is no month `13`"),
    ("*-*-32", "there is no day `32`"),
    ("*-*-0", "there is no day `0`"),
    ("*-*~29", "there is no day before the end of a month `29`"),
    ("*-*~5/5", "`5/5` of the day before the end of a month never comes to a second time"),
    ("2016~11-22", "`~` comes before the day"),
    ("2200-01-01", "there is no year `2200`"),
    ("121212:1:2", "there is no hour `121212`"),
    ("99999999999:00", "99999999999 is too large"),
    ("*:0/60", "`0/60` of the minute never comes to a second time"),
    ("*:9..5", "`9..5` of the minute never comes to a second time"),
    ("*:0/0", "`/0` repeats nothing"),
    ("1,,2:00", "a number is missing"),
    ("*-*-*,1", "`,1` cannot follow a date"),
    ("Mon Tue", "`Tue` is neither a number nor a word that is known"),
    ("Mon..", "its days have no end"),
    ("Mon.Fri", "days run from one to another with two dots: `Mon..Fri`"),
    ("Mon..Wed..Fri", "`.` cannot follow a day of the week"),
    ("Fri..Mon", "its days run backwards: a week begins on Monday, and ends on Sunday"),
    ("Mon,Dienstag", "`Dienstag` is no day of the week"),
    ("Mon:00", "`:` cannot follow a day of the week"),
    ("@", "`@` is no second from 1970 to 2199"),
    ("@7258118400", "`@7258118400` is no second from 1970 to 2199"),
    ("@-1", "`@-1` is no second from 1970 to 2199"),
];
