//! What a run waits for, told while it waits: whoever shows the run listens.

use std::cell::RefCell;
use std::fmt;

use super::{Host, Look};

/// Whoever listens.
#[derive(Default)]
pub(super) struct Listener(RefCell<Option<Ear>>);

type Ear = Box<dyn FnMut(&str)>;

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Host {
    /// Sends the news of this run there.
    pub fn listen(&self, listener: impl FnMut(&str) + 'static) {
        self.0.listener.0.replace(Some(Box::new(listener)));
    }
}

impl Look {
    /// Tells what is being waited for, such as another program's lock: a lowercase fragment.
    pub fn tell(&self, news: &str) {
        tracing::info!("{news}");
        if let Ok(mut listener) = self.0.listener.0.try_borrow_mut()
            && let Some(listener) = listener.as_mut()
        {
            listener(news);
        }
    }
}
