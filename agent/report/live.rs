//! A run on a terminal: one line for each resource under way, with its time, below the lines of those that are done.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

use crate::engine::Id;

use super::colour::Ink;
use super::words::tame;

/// How often times are drawn anew. Five times a second is lively and costs a slow line little.
const BEAT: Duration = Duration::from_millis(200);

/// The moving lines at the foot of a terminal.
#[derive(Debug)]
pub(crate) struct Live {
    all: MultiProgress,
    foot: ProgressBar,
    running: BTreeMap<Id, ProgressBar>,
    ink: Ink,
    _echo: NoEcho,
}

impl Live {
    /// Nothing moves yet.
    pub(crate) fn new(ink: Ink) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10));
        let foot = all.add(ProgressBar::new(0));
        foot.set_style(style(ink, "  {msg:.dim} {pos} of {len}, {elapsed}", "  {msg} {pos} of {len}, {elapsed}"));
        Self { all, foot, running: BTreeMap::new(), ink, _echo: NoEcho::begin() }
    }

    /// So many resources.
    pub(crate) fn began(&self, resources: usize) {
        self.foot.set_length(u64::try_from(resources).unwrap_or_default());
        self.foot.set_message("looking:");
        self.foot.enable_steady_tick(BEAT);
    }

    /// A resource is being put right.
    pub(crate) fn started(&mut self, id: &Id) {
        self.foot.set_message("working:");
        let line = self.all.insert_before(&self.foot, ProgressBar::new_spinner());
        line.set_style(style(self.ink, "  {spinner:.cyan} {msg}  {elapsed:.dim}", "  {spinner} {msg}  {elapsed}"));
        line.set_message(tame(id.as_str()));
        line.enable_steady_tick(BEAT);
        self.running.insert(id.clone(), line);
    }

    /// A resource is done with.
    pub(crate) fn ended(&mut self, id: &Id) {
        if let Some(line) = self.running.remove(id) {
            line.finish_and_clear();
            self.all.remove(&line);
        }
        self.foot.inc(1);
    }

    /// What is under way.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Id> {
        self.running.keys()
    }

    /// Says at the foot that the run is going to stop.
    pub(crate) fn stopping(&self) {
        self.foot.set_message("stopping:");
    }

    /// Puts finished lines above the moving ones.
    pub(crate) fn above(&self, text: &str) {
        // A terminal that went away ends nothing.
        drop(self.all.println(text.strip_suffix('\n').unwrap_or(text)));
    }

    /// Takes the moving lines away.
    pub(crate) fn clear(&self) {
        self.foot.finish_and_clear();
        drop(self.all.clear());
    }
}

/// While this lives, a terminal does not show `^C` for Ctrl-C: that would push the moving lines out of their place.
#[derive(Debug)]
struct NoEcho(Option<Termios>);

impl NoEcho {
    fn begin() -> Self {
        let was = tcgetattr(std::io::stdin()).ok();
        if let Some(mut now) = was.clone() {
            now.local_flags.remove(LocalFlags::ECHOCTL);
            set(&now);
        }
        Self(was)
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        if let Some(was) = &self.0 {
            set(was);
        }
    }
}

/// Sets the terminal's manners, unless this process is in the background: the kernel would stop it for that (SIGTTOU).
/// A terminal that refuses is merely less tidy.
fn set(manners: &Termios) {
    if tcgetpgrp(std::io::stdin()) == Ok(getpgrp()) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, manners);
    }
}

fn style(ink: Ink, coloured: &str, plain: &str) -> ProgressStyle {
    let template = if ink.is_on() { coloured } else { plain };
    // A template of ours is right, or a test would show it.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
