//! Of which of its names a certificate is ordered, when not all of them can be proven. Pure.
//!
//! A name cannot be proven while a failure of it rests (the CA said no, or paused it), or when a look before the order finds
//! that it leads elsewhere. The others are not made to suffer for it, and nobody loses what works:
//!
//! | what is there | what is ordered |
//! |---|---|
//! | all names can be proven | all of them |
//! | no certificate of a wanted CA yet | those that can: the first certificate is rather one of two names than none |
//! | one that serves, and a name that it lacks cannot be proven | nothing; when it is due, it is renewed without that name |
//! | one that serves, and of those that it lacks some can be proven and none of its own fails | its own with those |
//! | one that serves and is due, and a name of its own cannot be proven | nothing yet: the name may come back, and all of them are served meanwhile |
//! | the same, with less than a quarter of its lifetime left, or when the CA's window for it is over | those that can: rather than let it lapse for all |
//!
//! Until it is whole the certificate has failed, whatever was issued: loudly, with every name and why, and exit code 1.

use std::collections::BTreeSet;

use crate::host::tls_store::pair::normal;

/// What there is of a certificate, as far as it matters to the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The wanted names that a certificate in use proves, as certificates write them; none if no CA that is wanted has
    /// issued it.
    pub(super) in_use: BTreeSet<String>,
    /// Whether it is due.
    pub(super) is_due: bool,
    /// Whether it cannot wait any more.
    pub(super) presses: bool,
    /// Whether it is to be another one, apart from its names.
    pub(super) differs: bool,
}

impl Standing {
    /// Whether an order of these names is worth it, of all that are wanted.
    pub(super) fn is_worth(&self, can: &[String], wanted: &[String]) -> bool {
        if can.is_empty() {
            return false;
        }
        let can: BTreeSet<String> = can.iter().map(|name| normal(name)).collect();
        if wanted.iter().all(|name| can.contains(&normal(name))) || self.in_use.is_empty() || self.presses {
            return true;
        }
        let gives_up = !self.in_use.is_subset(&can);
        let gains = !can.is_subset(&self.in_use);
        !gives_up && (self.is_due || self.differs || gains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn is_worth(standing: &Standing, can: &str) -> bool {
        standing.is_worth(&names(can), &names("a b c"))
    }

    fn serving(text: &str) -> Standing {
        Standing { in_use: names(text).into_iter().collect(), ..Standing::default() }
    }

    #[test]
    fn the_first_certificate_is_rather_of_two_names_than_none() {
        assert!(is_worth(&Standing::default(), "a b"));
        assert!(!is_worth(&Standing::default(), ""));
    }

    #[test]
    fn a_name_that_is_added_and_cannot_be_proven_leaves_what_works_alone() {
        assert!(!is_worth(&serving("a b"), "a b"));
        assert!(is_worth(&Standing { is_due: true, ..serving("a b") }, "a b"), "its renewals, too");
        assert!(is_worth(&serving("a b"), "a b c"));
        assert!(is_worth(&serving("a"), "a b"), "another one that was added is not made to wait");
        assert!(is_worth(&Standing { differs: true, ..serving("a b") }, "a b"));
    }

    #[test]
    fn a_name_that_is_served_is_given_up_only_rather_than_let_all_lapse() {
        let due = Standing { is_due: true, ..serving("a b c") };
        assert!(!is_worth(&due, "a b") && is_worth(&due, "a b c"));
        assert!(!is_worth(&Standing { differs: true, ..serving("a b c") }, "a b"));
        assert!(!is_worth(&serving("a b"), "b c"), "not for a new one either");
        assert!(is_worth(&Standing { presses: true, ..due }, "a b"));
    }

    #[test]
    fn letters_do_not_make_another_name() {
        assert!(serving("a").is_worth(&names("A B"), &names("A b")));
    }
}
