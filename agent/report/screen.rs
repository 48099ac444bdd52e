//! What a person sees of a run while it goes on.

use std::io::IsTerminal;

use crate::engine::run::Event;
use crate::engine::{Outcome, Verdict};

use super::live::Live;
use super::out;
use super::terminal::Page;

/// Where a run is shown while it goes on.
#[derive(Debug)]
pub struct Screen {
    page: Page,
    manner: Manner,
    /// Whether the run was asked to stop: what it then skips is listed once, at the end.
    stopping: bool,
    /// Whether anything was shown.
    said: bool,
}

#[derive(Debug)]
enum Manner {
    /// A terminal.
    Live(Live),
    /// A pipe or a file: lines as they happen.
    Plain,
    /// Nowhere: somebody else tells of it.
    Quiet,
}

impl Screen {
    /// Live lines on a terminal, plain ones elsewhere.
    pub fn new(page: Page) -> Self {
        let manner = if std::io::stdout().is_terminal() { Manner::Live(Live::new(page.ink)) } else { Manner::Plain };
        Self { page, manner, stopping: false, said: false }
    }

    /// Lines as they happen, also on a terminal.
    pub fn plain(page: Page) -> Self {
        Self { page, manner: Manner::Plain, stopping: false, said: false }
    }

    /// Nothing.
    pub fn quiet(page: Page) -> Self {
        Self { page, manner: Manner::Quiet, stopping: false, said: false }
    }

    /// Shows what happens.
    pub fn see(&mut self, event: &Event<'_>) {
        match (event, &mut self.manner) {
            (Event::Began { resources }, Manner::Live(live)) => live.began(*resources),
            (Event::Started(id), Manner::Live(live)) => live.started(id),
            (Event::Healed(what), _) => {
                let text = self.page.healed(what);
                self.say(&text);
            }
            (Event::Ended(told), _) => {
                if let Manner::Live(live) = &mut self.manner {
                    live.ended(&told.id);
                }
                let left = self.stopping && matches!(told.verdict, Verdict::Skipped(_));
                if self.page.is_worth_a_line(told) && !left {
                    let text = self.page.told(told);
                    self.say(&text);
                }
            }
            (Event::Began { .. } | Event::Started(_), _) => {}
        }
    }

    /// Shows what the run waits for.
    pub fn waiting(&mut self, news: &str) {
        self.say(&format!("  … {news}\n"));
    }

    /// Answers a signal that asks to stop, and those that follow it.
    pub fn stopping(&mut self) {
        let first = !std::mem::replace(&mut self.stopping, true);
        let running = match &self.manner {
            Manner::Live(live) => {
                live.stopping();
                live.running().map(crate::engine::Id::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        let hand = if running.is_empty() { "what is in hand".to_owned() } else { running };
        if first {
            self.say(&format!("  ! stopping: finishing {hand} first\n"));
        } else {
            self.say(&format!("  ! still finishing {hand}: a step cut in half is worse than a late end\n"));
        }
    }

    /// Says that the time of the run is up.
    pub fn out_of_time(&mut self) {
        if !self.stopping {
            self.say("  ! the time of this run is up\n");
            self.stopping();
        }
    }

    /// Shows how it ended.
    ///
    /// # Errors
    /// When standard output takes no more, other than because its reader went away.
    pub fn end(&self, outcome: &Outcome) -> std::io::Result<()> {
        match &self.manner {
            Manner::Live(live) => live.clear(),
            Manner::Plain => {}
            Manner::Quiet => return Ok(()),
        }
        out::print(&self.page.end(outcome, self.said))
    }

    fn say(&mut self, text: &str) {
        self.said |= !matches!(self.manner, Manner::Quiet);
        match &self.manner {
            Manner::Live(live) => live.above(text),
            // The summary tells if standard output is broken.
            Manner::Plain => drop(out::print(text)),
            Manner::Quiet => {}
        }
    }
}
