//! What must hold of any bytes from outside: for the fuzzers in `fuzz/`, and for a test that shows them all that those ever
//! found of interest. No part of the interface.
//!
//! Each function returns which promise is broken, or panics where the program would.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::aws;
use crate::aws::imds::answers;
use crate::elsewhere;
use crate::engine::Plan;
use crate::facts::Facts;
use crate::problem::{Place, Problems, Span, Style};
use crate::recipe::loading::{Bases, NotLoaded, load};
use crate::recipe::{self, user_data as told};

/// A function that judges bytes.
pub type Judge = fn(&[u8]) -> Result<(), String>;

/// Each by the name of its fuzzer.
pub const ALL: [(&str, Judge); 3] = [("recipe", recipe), ("user_data", user_data), ("imds", imds)];

/// Between a recipe and the texts of the bases `one`, `two` and so on; the last one is also what any address has.
pub const SEAM: &str = "\n#=== base\n";

/// A secret, in what is shown to a fuzzer. Where it stands as one, it is shown to nobody.
pub const CANARY: &str = "canary-7d1f";

/// A recipe with this in it is given a value for `domain`.
const WANTS_DOMAIN: &[u8] = b"domain = { required";

/// No larger ones are read as a recipe: they only take longer.
const LONG: usize = 64 << 10;

/// A recipe, perhaps with bases behind [`SEAM`]: read, merged, woven, compiled with the facts of the example.
///
/// Whatever is in it: the same in a second reading. What is cited is in the texts, and what is printed has no control
/// characters and no secret. A plan has an order.
pub fn recipe(bytes: &[u8]) -> Result<(), String> {
    let first = Read::of(bytes);
    first.keeps_the_promises()?;
    let again = Read::of(bytes);
    if first.outcome() == again.outcome() { Ok(()) } else { Err("read twice, it is not the same".to_owned()) }
}

/// User-data: as it is, and as gzip of that; also as a text from elsewhere. What is a recipe keeps [`recipe`]'s promises.
pub fn user_data(bytes: &[u8]) -> Result<(), String> {
    let plain = told::recipe(bytes);
    match &plain {
        Ok(Some(text)) if text.len() > told::LARGEST => return Err(format!("{} bytes were unpacked", text.len())),
        Ok(Some(text)) if text.trim_ascii().is_empty() => return Err("nothing counts as something".to_owned()),
        Ok(Some(text)) if text.len() <= LONG => recipe(text.as_bytes())?,
        Ok(None | Some(_)) => {}
        Err(problems) => judged(problems)?,
    }
    if let Ok(text) = elsewhere::unpacked(bytes, told::LARGEST)
        && text.len() > told::LARGEST.max(bytes.len())
    {
        return Err(format!("{} bytes were unpacked from elsewhere", text.len()));
    }
    let says = |read: Result<Option<String>, Problems>| read.map_err(|problems| problems.render(Style::Plain));
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    if is_packed || bytes.len() > LONG || says(told::recipe(&gzip(bytes)?)) == says(plain) {
        Ok(())
    } else {
        Err("packed, it is not the same".to_owned())
    }
}

/// An answer of the metadata service, as every kind of answer in turn.
///
/// What goes on from here into files, commands, paths and logs is made of harmless characters, and no key of a role is in
/// an error.
pub fn imds(bytes: &[u8]) -> Result<(), String> {
    let is_word = |text: &str| {
        !text.is_empty() && text.len() <= 255 && text.chars().all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c))
    };
    if let Ok(document) = answers::document(bytes) {
        let id = document.instance_id.as_str().to_owned();
        let others = [
            document.account_id,
            document.availability_zone,
            document.image_id,
            document.instance_type,
            document.region,
        ];
        if let Some(word) = others.into_iter().flatten().chain([id]).find(|word| !is_word(word)) {
            return Err(format!("the document says {word:?}"));
        }
    }
    if let Ok(word) = answers::word(bytes)
        && !is_word(&word)
    {
        return Err(format!("a word is {word:?}"));
    }
    if let Ok(text) = answers::text(bytes) {
        is_one_line(&text)?;
    }
    let keys = answers::tag_keys(bytes, "hostagent:");
    if let Some(key) = keys.iter().find(|key| key.contains(['/', '?', '#', '%', ' ']) || !key.is_ascii()) {
        return Err(format!("the key {key:?} is no piece of a path"));
    }
    let _ = answers::read_all(bytes);
    role(bytes)
}

fn role(bytes: &[u8]) -> Result<(), String> {
    let Some(why) = aws::not_credentials(bytes) else { return Ok(()) };
    is_one_line(&why.says)?;
    // It may read what is not JSON as a whole, such as a wrong character in what nobody asks for.
    let Ok(told) = serde_json::from_slice::<serde_json::Value>(bytes) else { return Ok(()) };
    let word = |key: &str| told.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let is_said_anyway = ["Code", "Message"].iter().any(|key| word(key).contains(CANARY));
    if format!("{why:?}").contains(CANARY) && !is_said_anyway {
        return Err("an error tells a key".to_owned());
    }
    Ok(())
}

/// What came of a recipe.
enum Read {
    Planned(Plan),
    Wrong(Box<Problems>),
}

impl Read {
    fn of(bytes: &[u8]) -> Self {
        let mut parts = split(bytes).into_iter();
        let text = parts.next().unwrap_or_default();
        let bases: Vec<&[u8]> = parts.collect();
        let names: Vec<String> = ["one", "two", "three"].into_iter().map(str::to_owned).collect();
        let read = |name: &str| {
            let part = names.iter().position(|known| known == name).and_then(|index| bases.get(index));
            let part = part.ok_or_else(|| "it is not there".to_owned())?;
            Ok((format!("{name}.toml"), part.to_vec()))
        };
        let fetched = |_: &_| bases.last().map(|part| part.to_vec());
        let bases = Bases { names: &names, read: &read, fetched: &fetched };
        // One that a recipe does not declare is a problem, so it is given only to those that want it.
        let wants_it = bytes.windows(WANTS_DOMAIN.len()).any(|window| window == WANTS_DOMAIN);
        let domain = wants_it.then(|| ("domain".to_owned(), "api.example.org".to_owned()));
        let overrides: BTreeMap<String, String> = domain.into_iter().collect();
        match load("recipe.toml", text, &overrides, &bases) {
            Ok(document) => match recipe::plan(&document, &Facts::example()) {
                Ok(plan) => Self::Planned(plan),
                Err(problems) => Self::Wrong(Box::new(problems)),
            },
            Err(NotLoaded::Wrong(problems)) => Self::Wrong(Box::new(problems)),
            Err(NotLoaded::Lacks(lacking)) => Self::Wrong(Box::new(lacking.refused("nobody fetched it", "fetch it"))),
        }
    }

    fn keeps_the_promises(&self) -> Result<(), String> {
        match self {
            Self::Planned(plan) => has_an_order(plan),
            Self::Wrong(problems) if problems.is_empty() => Err("it is refused without a reason".to_owned()),
            Self::Wrong(problems) => judged(problems),
        }
    }

    /// All that matters of it.
    fn outcome(&self) -> String {
        match self {
            Self::Planned(plan) => plan
                .in_order()
                .fold(String::new(), |text, step| text + &format!("{} {} {}\n", step.id, step.wanted, step.at)),
            Self::Wrong(problems) => problems.render(Style::Plain),
        }
    }
}

/// Every step has one place, and what comes first is before it: no ring.
fn has_an_order(plan: &Plan) -> Result<(), String> {
    let mut done = BTreeSet::new();
    for (number, work) in plan.works.iter().enumerate() {
        if work.first.iter().any(|before| *before >= number) {
            return Err(format!("work {number} does not come after what it needs"));
        }
        for index in &work.steps {
            let Some(step) = plan.steps.get(*index) else { return Err(format!("there is no step {index}")) };
            if let Some(before) = step.first.named.iter().find(|before| !done.contains(*before)) {
                return Err(format!("`{}` does not come after step {before}", step.id));
            }
            if !done.insert(*index) {
                return Err(format!("`{}` is done twice", step.id));
            }
        }
    }
    if done.len() == plan.steps.len() { Ok(()) } else { Err("a step is never done".to_owned()) }
}

fn judged(problems: &Problems) -> Result<(), String> {
    let sources = problems.sources();
    for problem in problems.sorted() {
        for place in [Some(&problem.at), problem.other.as_ref()].into_iter().flatten() {
            if let Place::Span(span) = place
                && sources.whole(span.source).get(span.range.clone()).is_none()
            {
                return Err(format!("`{}` cites {:?}, which is not in the text", problem.says, span.range));
            }
        }
    }
    let _ = problems.render(Style::Coloured);
    let text = problems.render(Style::Plain);
    // What turns the direction of writing shows another text than there is.
    let commands =
        |c: &char| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if let Some(control) = text.chars().find(commands) {
        return Err(format!("{control:?} would reach the terminal: {text:?}"));
    }
    if text.contains(CANARY) && sources_hide(problems, CANARY) {
        return Err(format!("a secret is told:\n{text}"));
    }
    Ok(())
}

/// Whether a word stands in the texts, and everywhere as something that may not be seen.
fn sources_hide(problems: &Problems, word: &str) -> bool {
    let sources = problems.sources();
    let mut is_there = false;
    for source in sources.ids() {
        for (at, found) in sources.whole(source).match_indices(word) {
            is_there = true;
            if !sources.is_hidden(&Span::new(source, at..at + found.len())) {
                return false;
            }
        }
    }
    is_there
}

fn is_one_line(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control()) {
        Some(control) => Err(format!("{control:?} would reach the log: {text:?}")),
        None => Ok(()),
    }
}

/// The parts between seams.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let seam = SEAM.as_bytes();
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(seam.len()).position(|window| window == seam) {
        let (part, behind) = rest.split_at(at);
        parts.push(part);
        rest = behind.get(seam.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).and_then(|()| packer.finish()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
