//! Which recipe is this boot's, from what the platform says now and what it said before. Pure.

use std::collections::BTreeMap;

use crate::recipe::user_data;

use super::super::kept::Kept;
use super::super::{Exit, Refusal};
use super::platform::{Answer, Told};

/// What a boot is to go by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// What the instance is told, or was.
    pub(super) told: Kept,
    /// Whether it was told now.
    pub(super) is_new: bool,
    /// What is to be known of it.
    pub(super) notes: Vec<String>,
}

/// A boot that came to nothing.
#[derive(Debug)]
pub(super) struct Ended {
    /// A stable word for reports.
    pub(super) code: &'static str,
    pub(super) refusal: Refusal,
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code(), refusal }
    }
}

/// What to go by.
///
/// # Errors
/// When nobody answers and nothing of this instance was kept; when user-data is no recipe.
pub(super) fn of(answer: Answer, kept: Option<Kept>) -> Result<Choice, Ended> {
    match answer {
        Answer::Told(told) => {
            let told = accepted(told)?;
            let mut notes = Vec::new();
            if let Some(then) = kept.filter(|kept| !kept.is_of(told.instance.as_ref())).and_then(|kept| kept.instance) {
                notes.push(format!("this disk was that of `{then}`: what was kept of it is not used"));
            }
            Ok(Choice { told, is_new: true, notes })
        }
        // A host that was an instance and shows no sign of it now is more likely one whose firmware says less.
        Answer::Elsewhere => Ok(match kept.filter(Kept::has_recipe) {
            Some(told) => {
                let note = format!("nothing says that this is EC2: {}", used(&told));
                Choice { told, is_new: false, notes: vec![note] }
            }
            None => Choice { told: Kept::default(), is_new: false, notes: Vec::new() },
        }),
        Answer::None { instance, why } => match kept {
            Some(told) if told.is_of(instance.as_ref()) => {
                let note = format!("{} ({}): {}", why.says, why.code, used(&told));
                Ok(Choice { told, is_new: false, notes: vec![note] })
            }
            _ => {
                let refusal = Refusal::Said { says: why.says, hint: Some(why.hint), exit: Exit::UNASKED };
                Err(Ended { code: why.code, refusal })
            }
        },
    }
}

fn used(told: &Kept) -> &'static str {
    if told.has_recipe() {
        "the recipe that was kept at the last boot is used"
    } else {
        "the recipe is the host's own, as at the last boot"
    }
}

/// An answer as it is kept, its user-data unpacked.
fn accepted(told: Told) -> Result<Kept, Ended> {
    let bytes = told.user_data.unwrap_or_default();
    let user_data = user_data::recipe(&bytes).map_err(|problems| Ended::from(Refusal::Recipe(Box::new(problems))))?;
    let (mut base, mut vars) = (None, BTreeMap::new());
    for (tag, value) in told.tags {
        if tag == "hostagent:recipe" {
            base = Some(value.trim().to_owned()).filter(|name| !name.is_empty());
        } else if let Some(name) = tag.strip_prefix("hostagent:var:") {
            vars.insert(name.to_owned(), value);
        }
    }
    Ok(Kept { instance: told.instance, user_data, base, vars })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::InstanceId;
    use crate::aws::imds::Unanswered;
    use crate::report::json::RECIPE_IS_WRONG;

    fn id(name: &str) -> Option<InstanceId> {
        InstanceId::parse(name)
    }

    fn told(instance: &str, user_data: &str, tags: &[(&str, &str)]) -> Answer {
        let tags = tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
        let user_data = Some(user_data.as_bytes().to_vec());
        Answer::Told(Told { instance: id(instance), user_data, tags })
    }

    fn silence(instance: Option<&str>) -> Answer {
        let (says, hint) = ("nobody answers".to_owned(), "wait".to_owned());
        Answer::None { instance: instance.and_then(id), why: Unanswered { code: "imds-silent", says, hint } }
    }

    fn kept(instance: &str) -> Kept {
        Kept { instance: id(instance), user_data: Some("format = 1\n".to_owned()), ..Kept::default() }
    }

    #[test]
    fn what_is_told_now_counts_and_not_what_was_kept() {
        let tags = [("hostagent:recipe", "nano"), ("hostagent:var:domain", "example.org"), ("hostagent:note", "x")];
        let choice = of(told("i-00000002", "", &tags), Some(kept("i-00000002"))).unwrap();
        assert!(choice.is_new && choice.notes.is_empty());
        assert_eq!((choice.told.user_data.as_deref(), choice.told.base.as_deref()), (None, Some("nano")));
        assert_eq!(choice.told.vars, BTreeMap::from([("domain".to_owned(), "example.org".to_owned())]));
    }

    #[test]
    fn a_copy_of_an_instance_starts_with_its_own_recipe() {
        let choice = of(told("i-00000002", "format = 1\n", &[]), Some(kept("i-00000001"))).unwrap();
        assert_eq!(choice.told.instance, id("i-00000002"));
        assert_eq!(choice.notes, ["this disk was that of `i-00000001`: what was kept of it is not used"]);
    }

    #[test]
    fn when_nobody_answers_what_was_kept_of_this_instance_is_used_and_said() {
        for instance in [Some("i-00000001"), None] {
            let choice = of(silence(instance), Some(kept("i-00000001"))).unwrap();
            assert!(!choice.is_new && choice.told == kept("i-00000001"));
            assert_eq!(
                choice.notes,
                ["nobody answers (imds-silent): the recipe that was kept at the last boot is used"]
            );
        }
    }

    #[test]
    fn when_nobody_answers_and_nothing_was_kept_nothing_is_done() {
        for kept in [None, Some(kept("i-00000001"))] {
            let ended = of(silence(Some("i-00000002")), kept).unwrap_err();
            assert_eq!((ended.code, ended.refusal.exit()), ("imds-silent", Exit::UNASKED));
        }
    }

    #[test]
    fn an_instance_that_was_told_nothing_remembers_that_too() {
        let nothing = Kept { instance: id("i-00000001"), ..Kept::default() };
        let choice = of(silence(Some("i-00000001")), Some(nothing)).unwrap();
        assert_eq!(choice.notes, ["nobody answers (imds-silent): the recipe is the host's own, as at the last boot"]);
    }

    #[test]
    fn user_data_of_another_form_is_a_wrong_recipe() {
        let ended = of(told("i-00000001", "#!/bin/sh\n", &[]), Some(kept("i-00000001"))).unwrap_err();
        assert_eq!((ended.code, ended.refusal.exit()), (RECIPE_IS_WRONG, Exit::WRONG));
    }
}
