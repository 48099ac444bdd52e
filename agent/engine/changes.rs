//! How the host differs from what is wanted: what a plan shows, a run reports, and a second look finds empty.

use std::fmt;

use serde::Serialize;

/// Every difference of one resource, in the order it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    list: Vec<Change>,
    /// Things worth telling that are no difference, such as "edited by hand, kept".
    #[serde(skip)]
    notes: Vec<String>,
    /// Whether the resource is not there at all.
    #[serde(skip)]
    creates: bool,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What differs, such as `mode`.
    pub what: String,
    /// What the host has.
    pub from: Shown,
    /// What it will have.
    pub to: Shown,
    /// Whether it merely follows from something else that differs, such as a reload: nobody drifted there.
    #[serde(skip)]
    pub follows: bool,
}

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nothing is there.
    Absent,
    /// A short value.
    Plain(String),
    /// Lines, shown as a diff.
    Text(String),
    /// Something secret: only that it differs.
    Hidden,
    /// Nobody can say before it happens.
    Unknown,
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Plain(text) | Self::Text(text) => serializer.serialize_str(text),
            Self::Hidden => serializer.serialize_str("(hidden)"),
            Self::Unknown => serializer.serialize_str("(not known yet)"),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Plain(text) if text.is_empty() => f.write_str("(empty)"),
            Self::Plain(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{} lines", text.lines().count()),
            Self::Hidden => f.write_str("(hidden)"),
            Self::Unknown => f.write_str("(not known yet)"),
        }
    }
}

impl Changes {
    /// No difference: as wanted.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a difference if these two differ.
    #[must_use]
    pub fn value<T: PartialEq + fmt::Display>(self, what: &str, now: &T, want: &T) -> Self {
        if now == want {
            self
        } else {
            self.differs(what, Shown::Plain(now.to_string()), Shown::Plain(want.to_string()))
        }
    }

    /// Adds a difference of permission bits, shown as `0644`.
    #[must_use]
    pub fn mode(self, now: u32, want: u32) -> Self {
        let shown = |mode: u32| Shown::Plain(format!("{mode:04o}"));
        if now == want { self } else { self.differs("mode", shown(now), shown(want)) }
    }

    /// Adds a difference of lines, to be shown as a diff.
    #[must_use]
    pub fn text(self, what: &str, now: Option<&str>, want: &str) -> Self {
        if now == Some(want) {
            return self;
        }
        let from = now.map_or(Shown::Absent, |text| Shown::Text(text.to_owned()));
        self.differs(what, from, Shown::Text(want.to_owned()))
    }

    /// Adds that something secret differs, unless it is the same.
    #[must_use]
    pub fn secret(self, what: &str, same: bool) -> Self {
        if same { self } else { self.differs(what, Shown::Hidden, Shown::Hidden) }
    }

    /// Adds something that is not there and will be.
    #[must_use]
    pub fn appears(self, what: &str, want: impl fmt::Display) -> Self {
        self.differs(what, Shown::Absent, Shown::Plain(want.to_string()))
    }

    /// Adds something that is there and will not be.
    #[must_use]
    pub fn disappears(self, what: &str, now: impl fmt::Display) -> Self {
        self.differs(what, Shown::Plain(now.to_string()), Shown::Absent)
    }

    /// Adds a difference.
    #[must_use]
    pub fn differs(mut self, what: &str, from: Shown, to: Shown) -> Self {
        self.list.push(Change { what: what.to_owned(), from, to, follows: false });
        self
    }

    /// Adds a difference that follows from another resource's, such as that a server has yet to read a file.
    #[must_use]
    pub fn follows(mut self, what: &str, from: Shown, to: Shown) -> Self {
        self.list.push(Change { what: what.to_owned(), from, to, follows: true });
        self
    }

    /// These differences, and then those.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.list.extend(more.list);
        self.notes.extend(more.notes);
        self
    }

    /// The same differences, all of them following from another resource's.
    #[must_use]
    pub(crate) fn all_follow(mut self) -> Self {
        self.list.iter_mut().for_each(|change| change.follows = true);
        self
    }

    /// Adds the differences of a part, each named after it.
    #[must_use]
    pub fn within(mut self, part: &str, inner: Self) -> Self {
        self.list.extend(inner.list.into_iter().map(|change| {
            let what = if change.what.is_empty() { part.to_owned() } else { format!("{part} {}", change.what) };
            Change { what, ..change }
        }));
        self.notes.extend(inner.notes);
        self
    }

    /// Says that the resource is not there at all yet.
    #[must_use]
    pub fn creating(mut self) -> Self {
        self.creates = true;
        self
    }

    /// Adds a remark that is no difference.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The difference of a thing of which nothing is known but that it is to come.
    #[must_use]
    pub(crate) fn note_absent(self) -> Self {
        self.differs("state", Shown::Absent, Shown::Plain("present".into())).creating()
    }

    /// Whether everything is as wanted.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether some difference is no mere consequence: if the recipe did not ask for it newly, somebody changed the host.
    pub fn stands_alone(&self) -> bool {
        self.list.iter().any(|change| !change.follows)
    }

    /// Whether the resource is not there at all yet.
    pub fn creates(&self) -> bool {
        self.creates
    }

    /// The differences.
    pub fn list(&self) -> &[Change] {
        &self.list
    }

    /// The remarks.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, change) in self.list.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{} {} -> {}", change.what, change.from, change.to)?;
        }
        Ok(())
    }
}
