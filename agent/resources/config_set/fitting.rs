//! Files whose text depends on what only the host can say, such as the version of the server that reads them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use serde::{Serialize, Serializer};

use super::ConfigFile;
use crate::engine::{Cause, Id};
use crate::host::Look;

type Made<'a> = Pin<Box<dyn Future<Output = Result<Vec<ConfigFile>, Cause>> + 'a>>;

/// Makes the files of a set for the host as it is. They have the paths that the set has; two fittings count as equal.
#[derive(Clone)]
pub struct Fitting {
    needs: Vec<Id>,
    make: Rc<dyn for<'a> Fn(&'a Look) -> Made<'a>>,
}

impl Fitting {
    /// A fitting that makes files so, when `needs` are there: as in [`Resource::needs`](crate::engine::Resource::needs).
    pub fn new(needs: Vec<Id>, make: impl AsyncFn(&Look) -> Result<Vec<ConfigFile>, Cause> + 'static) -> Self {
        let make = Rc::new(make);
        let make: Rc<dyn for<'a> Fn(&'a Look) -> Made<'a>> = Rc::new(move |host| {
            let make = Rc::clone(&make);
            Box::pin(async move { make(host).await })
        });
        Self { needs, make }
    }

    pub(super) async fn files(&self, host: &Look) -> Result<Vec<ConfigFile>, Cause> {
        (self.make)(host).await
    }

    pub(super) fn needs(&self) -> &[Id] {
        &self.needs
    }
}

impl fmt::Debug for Fitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fitting")
    }
}

impl Serialize for Fitting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}
