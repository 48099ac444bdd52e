//! Toy resources that behave like the real ones where it matters to the engine: they take several steps, wait in between,
//! are applied together, cannot be looked at before something else is there, have to follow what others change, and fail.

use std::cell::RefCell;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::Access;
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};

/// Two files that hold one text. A herd is the same, applied together with all others of its kind.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Toy<const HERD: bool> {
    pub(super) name: String,
    pub(super) word: String,
    #[serde(skip)]
    pub(super) needs: Vec<Id>,
    #[serde(skip)]
    pub(super) nature: Nature,
    #[serde(skip)]
    pub(super) fate: Fate,
    /// How often it waits before a look, and before, between and after the steps of its making.
    #[serde(skip)]
    pub(super) waits: [u8; 4],
    /// Whose making began.
    #[serde(skip)]
    pub(super) made: Made,
}

/// Ids of resources that were applied, in that order.
pub(super) type Made = Rc<RefCell<Vec<Id>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Plain,
    /// Can be looked at only when what it needs is there, as a role needs a server.
    Blind,
    /// Holds what its needs hold as well, as a server holds what it has read.
    Follows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Works,
    CannotBeLookedAt,
    PanicsWhenLookedAt,
    /// In the middle of its making.
    Fails,
    Panics,
    DoesNotHold,
}

/// Where a toy of this id is.
pub(super) fn places(name: &str) -> [PathBuf; 2] {
    [format!("/toys/{name}").into(), format!("/toys/{name}.more").into()]
}

impl<const HERD: bool> Toy<HERD> {
    /// What it should hold: for a plan, when what it follows is as foreseen.
    fn wanted(&self, host: &Look) -> Result<String, Cause> {
        let mut text = self.word.clone();
        for need in self.needs.iter().filter(|_| self.nature == Nature::Follows) {
            let [path, _] = places(need.name());
            let coming = host.foreseen(need).and_then(|coming| coming.get(&path).cloned()).flatten();
            let now = match coming {
                Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                None => host.read_text(&path)?,
            };
            text = format!("{text} {}", now.unwrap_or_default());
        }
        Ok(text)
    }
}

impl<const HERD: bool> Resource for Toy<HERD> {
    const TOGETHER: bool = HERD;

    fn id(&self) -> Id {
        Id::new(if HERD { "herd" } else { "toy" }, &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        self.needs.clone()
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        Waits(self.waits[0]).await;
        assert!(self.fate != Fate::PanicsWhenLookedAt, "on purpose");
        if self.fate == Fate::CannotBeLookedAt {
            return Err(Cause::new("toy", "on purpose"));
        }
        for need in self.needs.iter().filter(|_| self.nature == Nature::Blind) {
            if host.found(&places(need.name())[0])?.is_none() {
                return Err(Cause::new("blind", "there is nobody to ask"));
            }
        }
        let wanted = self.wanted(host)?;
        let [one, two] = places(&self.name);
        let now = [host.read_text(&one)?, host.read_text(&two)?].map(Option::unwrap_or_default);
        let changes = Changes::none().value("one", &now[0], &wanted).value("two", &now[1], &wanted);
        if !changes.is_empty() {
            host.foresee(&self.id(), &one, Some(wanted.as_bytes()));
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        self.made.borrow_mut().push(self.id());
        if self.fate == Fate::DoesNotHold {
            return Ok(());
        }
        let wanted = self.wanted(host)?;
        let access = Access { uid: own().0, gid: own().1, mode: 0o640 };
        let [one, two] = places(&self.name);
        Waits(self.waits[1]).await;
        host.replace(&one, wanted.as_bytes(), access)?;
        Waits(self.waits[2]).await;
        assert!(self.fate != Fate::Panics, "on purpose");
        if self.fate == Fate::Fails {
            return Err(Cause::new("toy", "on purpose"));
        }
        host.replace(&two, wanted.as_bytes(), access)?;
        Waits(self.waits[3]).await;
        Ok(())
    }

    fn traces(&self) -> Vec<Trace> {
        places(&self.name).map(Trace::Path).into()
    }
}

fn own() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

/// Gives way so many times.
struct Waits(u8);

impl Future for Waits {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
