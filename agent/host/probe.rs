//! A question put to a running server, as data that a resource can hold.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::{Error, Look};

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Option<String>, Error>> + 'a>>;

/// A question put to a running server. It is part of how a resource works, not of what is wanted: two probes count as equal.
#[derive(Clone)]
pub struct Probe(Rc<dyn for<'a> Fn(&'a Look) -> Answer<'a>>);

impl Probe {
    /// A probe that asks this.
    pub fn new(ask: impl AsyncFn(&Look) -> Result<Option<String>, Error> + 'static) -> Self {
        let ask = Rc::new(ask);
        Self(Rc::new(move |host| {
            let ask = Rc::clone(&ask);
            Box::pin(async move { ask(host).await })
        }))
    }

    /// Puts the question. The answer is what the server complains of or the reason it gives, or nothing.
    ///
    /// # Errors
    /// When nobody could be asked.
    pub async fn ask(&self, host: &Look) -> Result<Option<String>, Error> {
        (self.0)(host).await
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}
