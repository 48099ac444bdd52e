//! What a run is going to bring, so that a plan is true of what is still to come.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::{Host, Look};

/// What a plan will put in place of files: path to content, or to nothing.
pub type Coming = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Host {
    /// Says that this run is going to bring `id`, so that later looks count on it.
    pub fn expect(&self, id: &impl Display) {
        self.0.expected.borrow_mut().insert(id.to_string());
    }

    /// Says which paths the plan of this run wants there: whichever resource had them before, nobody takes them away.
    pub fn wants(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.0.wanted.borrow_mut().extend(paths);
    }

    /// Says which units (`nginx`, `postgresql@15-main`) this run starts itself, when their configuration is there: a
    /// package that brings one does not start it. What other units packages bring is started as Debian does.
    pub fn starts_units(&self, names: impl IntoIterator<Item = String>) {
        self.0.units.borrow_mut().extend(names);
    }

    /// Forgets every expectation; from here on the host speaks for itself.
    pub fn expect_nothing(&self) {
        self.0.expected.borrow_mut().clear();
        self.0.foreseen.borrow_mut().clear();
    }
}

impl Look {
    /// Tells whether this run is going to bring `id` (such as `user:ops`) although it is not there yet.
    pub fn expects(&self, id: &impl Display) -> bool {
        self.0.expected.borrow().contains(&id.to_string())
    }

    /// Every id this run is going to bring whose text begins with this, such as `file:/etc/nginx/`.
    pub fn expected_under(&self, beginning: &str) -> Vec<String> {
        let expected = self.0.expected.borrow();
        let from = expected.range(beginning.to_owned()..);
        from.take_while(|id| id.starts_with(beginning)).cloned().collect()
    }

    /// Says what `id` will put at a path when it is applied (nothing: it will be gone), so that a plan knows who has to
    /// load it. It counts while `id` is expected, and no longer.
    pub fn foresee(&self, id: &impl Display, path: &Path, content: Option<&[u8]>) {
        let mut foreseen = self.0.foreseen.borrow_mut();
        foreseen.entry(id.to_string()).or_default().insert(path.to_owned(), content.map(<[u8]>::to_vec));
    }

    /// What an expected id will put where, if it said so.
    pub fn foreseen(&self, id: &impl Display) -> Option<Coming> {
        self.expects(id).then(|| self.0.foreseen.borrow().get(&id.to_string()).cloned()).flatten()
    }

    /// Whether a resource of this run's plan wants something at this path.
    pub fn is_wanted(&self, path: &Path) -> bool {
        self.0.wanted.borrow().contains(path)
    }
}
