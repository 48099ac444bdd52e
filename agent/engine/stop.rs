//! A wish that a run stop: somebody asked, or its time is up. The steps in hand are finished, and no other is begun.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::patience::in_words;

/// A wish that the run stop after the steps in hand.
#[derive(Debug, Clone, Default)]
pub struct Stop(Rc<Cell<Option<Why>>>);

/// Why a run is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody asked.
    Asked,
    /// It had this long.
    Late(Duration),
}

impl Stop {
    /// No such wish yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop.
    pub fn ask(&self) {
        self.0.set(Some(Why::Asked));
    }

    /// Has the run stop because the time that it had is up.
    pub fn time_is_up(&self, had: Duration) {
        self.0.set(self.0.get().or(Some(Why::Late(had))));
    }

    /// Whether it was asked to.
    pub fn asked(&self) -> bool {
        self.0.get().is_some()
    }

    /// Waits until it is to stop.
    pub(super) async fn comes(&self) {
        while !self.asked() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Why it is to stop, if it is.
    pub fn why(&self) -> Option<Why> {
        self.0.get()
    }
}

impl Why {
    /// Why a step was not begun.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Asked => "the run was asked to stop before it".to_owned(),
            Self::Late(had) => format!("the run's time, {}, was up before it", in_words(had)),
        }
    }
}
