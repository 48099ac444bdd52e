//! Which recipe is this boot's, from what the platform says now and what it said before. Pure.

use std::collections::BTreeMap;

use crate::recipe::user_data;
use crate::report::json::RECIPE_IS_WRONG;

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
        let code = if matches!(refusal, Refusal::Recipe(_)) { RECIPE_IS_WRONG } else { "refused" };
        Self { code, refusal }
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
            if let Some(then) = kept.filter(|kept| !kept.is_of(told.instance.as_deref())).and_then(|kept| kept.instance)
            {
                notes.push(format!("this disk was that of `{then}`: what was kept of it is not used"));
            }
            Ok(Choice { told, is_new: true, notes })
        }
        // A host that was an instance and shows no sign of it now is more likely one whose firmware says less.
        Answer::NotEc2 => Ok(match kept.filter(Kept::has_recipe) {
            Some(told) => {
                let note = format!("nothing says that this is EC2: {}", used(&told));
                Choice { told, is_new: false, notes: vec![note] }
            }
            None => Choice { told: Kept::default(), is_new: false, notes: Vec::new() },
        }),
        Answer::None { instance, why } => match kept {
            Some(told) if told.is_of(instance.as_deref()) => {
                let note = format!("{} ({}): {}", why.says, why.code, used(&told));
                Ok(Choice { told, is_new: false, notes: vec![note] })
            }
            _ => {
                let refusal = Refusal::Said { says: why.says, hint: why.hint, exit: Exit::UNASKED };
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
    use super::super::platform::Why;
    use super::*;

    fn told(instance: &str, user_data: &str, tags: &[(&str, &str)]) -> Answer {
        let tags = tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
        let user_data = Some(user_data.as_bytes().to_vec());
        Answer::Told(Told { instance: Some(instance.to_owned()), user_data, tags })
    }

    fn silence(instance: Option<&str>) -> Answer {
        let why = Why { code: "imds-silent", says: "nobody answers".to_owned(), hint: None };
        Answer::None { instance: instance.map(str::to_owned), why }
    }

    fn kept(instance: &str) -> Kept {
        Kept { instance: Some(instance.to_owned()), user_data: Some("format = 1\n".to_owned()), ..Kept::default() }
    }

    #[test]
    fn what_is_told_now_counts_and_not_what_was_kept() {
        let tags = [("hostagent:recipe", "nano"), ("hostagent:var:domain", "example.org"), ("hostagent:note", "x")];
        let choice = of(told("i-2", "", &tags), Some(kept("i-2"))).unwrap();
        assert!(choice.is_new && choice.notes.is_empty());
        assert_eq!((choice.told.user_data.as_deref(), choice.told.base.as_deref()), (None, Some("nano")));
        assert_eq!(choice.told.vars, BTreeMap::from([("domain".to_owned(), "example.org".to_owned())]));
    }

    #[test]
    fn a_copy_of_an_instance_starts_with_its_own_recipe() {
        let choice = of(told("i-2", "format = 1\n", &[]), Some(kept("i-1"))).unwrap();
        assert_eq!(choice.told.instance.as_deref(), Some("i-2"));
        assert_eq!(choice.notes, ["this disk was that of `i-1`: what was kept of it is not used"]);
    }

    #[test]
    fn when_nobody_answers_what_was_kept_of_this_instance_is_used_and_said() {
        for instance in [Some("i-1"), None] {
            let choice = of(silence(instance), Some(kept("i-1"))).unwrap();
            assert!(!choice.is_new && choice.told == kept("i-1"));
            assert_eq!(
                choice.notes,
                ["nobody answers (imds-silent): the recipe that was kept at the last boot is used"]
            );
        }
    }

    #[test]
    fn when_nobody_answers_and_nothing_was_kept_nothing_is_done() {
        for kept in [None, Some(kept("i-1"))] {
            let ended = of(silence(Some("i-2")), kept).unwrap_err();
            assert_eq!((ended.code, ended.refusal.exit()), ("imds-silent", Exit::UNASKED));
        }
    }

    #[test]
    fn an_instance_that_was_told_nothing_remembers_that_too() {
        let nothing = Kept { instance: Some("i-1".to_owned()), ..Kept::default() };
        let choice = of(silence(Some("i-1")), Some(nothing)).unwrap();
        assert_eq!(choice.notes, ["nobody answers (imds-silent): the recipe is the host's own, as at the last boot"]);
    }

    #[test]
    fn user_data_of_another_form_is_a_wrong_recipe() {
        let ended = of(told("i-1", "#!/bin/sh\n", &[]), Some(kept("i-1"))).unwrap_err();
        assert_eq!((ended.code, ended.refusal.exit()), (RECIPE_IS_WRONG, Exit::WRONG));
    }
}
