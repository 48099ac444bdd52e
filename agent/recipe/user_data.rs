//! EC2 user-data: the bytes an instance was started with, and the recipe in them.
//!
//! User-data is a recipe, whole or in the short form that names a `base` and sets `[vars]`, as text or as gzip. The other
//! things people start instances with are told by name: they are somebody else's, and to ignore one would be to start
//! an instance that does nothing.

use std::io::Read;
use std::string::FromUtf8Error;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::MultiGzDecoder;

use crate::problem::{Place, Problem, Problems, Span};

/// What problems call it.
pub const NAME: &str = "user-data";

/// Bytes of unpacked user-data, at most. EC2 takes 16 KiB, and a text is seldom a tenth of itself as gzip.
pub(crate) const LARGEST: usize = 1 << 20;

/// What other programs start with, in the first bytes, and what to do about it. In this order.
const FORMS: [(&str, &str, &str); 14] = [
    ("#cloud-config", "a `#cloud-config` of cloud-init", CLOUD_CONFIG),
    ("#cloud-boothook", "a `#cloud-boothook` of cloud-init", SCRIPT),
    ("#include", "an `#include` of cloud-init", "give the recipe itself, or name one of the image: `base = \"NAME\"`"),
    ("#part-handler", "a `#part-handler` of cloud-init", SCRIPT),
    ("#upstart-job", "an `#upstart-job` of cloud-init", "write what it starts as a `[[service]]` of a recipe"),
    ("## template:", "a template of cloud-init", "write a recipe: `{{ vars.x }}` and `{{ facts.x }}` stand for values"),
    ("#!", "a script", SCRIPT),
    ("MIME-Version:", MIME, ONE_PART),
    ("Content-Type:", MIME, ONE_PART),
    ("---\n", "YAML", CLOUD_CONFIG),
    ("{", "JSON", "write a recipe: TOML that begins with `format = 1`"),
    ("<powershell>", "a script for Windows", "this host is no Windows; give it a recipe"),
    ("<script>", "a script for Windows", "this host is no Windows; give it a recipe"),
    ("<?xml", "XML", "write a recipe: TOML that begins with `format = 1`"),
];
const CLOUD_CONFIG: &str = "write it as a recipe: `format = 1`, then `[host]`, `[[user]]`, `[[file]]`, `[[run]]` …";
const SCRIPT: &str = "write a recipe: what a command does as `[[file]]`, `[[service]]` …, or the command as `[[run]]`";
const MIME: &str = "MIME, of several parts";
const ONE_PART: &str = "give one recipe alone: nothing else is read";

/// Packed forms that are not gzip.
const PACKED: [(&[u8], &str); 4] =
    [(b"PK\x03\x04", "a zip archive"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];
const GZIP: &[u8] = b"\x1f\x8b";

/// The text of the recipe in user-data, unpacked; `None` when there is nothing in it.
///
/// The text is still to be loaded, under [`NAME`]. Never panics and never takes more memory than a recipe may need,
/// whatever the bytes are.
///
/// # Errors
/// What else it is, and what to write in its place.
pub fn recipe(bytes: &[u8]) -> Result<Option<String>, Problems> {
    let text = if bytes.starts_with(GZIP) { unpacked(bytes)? } else { bytes.to_vec() };
    let is_packed = text.starts_with(GZIP).then_some("gzip within gzip").or_else(|| {
        let packed = PACKED.iter().find(|(magic, _)| text.starts_with(magic));
        packed.map(|(_, name)| *name)
    });
    if let Some(name) = is_packed {
        return Err(nowhere(format!("the user-data is {name}"), "give the recipe as text, or packed once: `gzip -9`"));
    }
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(nowhere("the user-data is UTF-16".to_owned(), "save the recipe as UTF-8"));
    }
    let said = text.trim_ascii_start();
    if said.is_empty() {
        return Ok(None);
    }
    let start = text.len() - said.len();
    if let Some((word, name, hint)) = form(said) {
        return Err(cited(
            &text,
            start,
            word.trim_end().len(),
            &format!("the user-data is {name}, and not a recipe"),
            hint,
        ));
    }
    if let Some(within) = decoded(said) {
        let what = if within.starts_with(GZIP) { "gzip" } else { "a text" };
        let says = format!("the user-data is base64 of {what}: it was encoded once more than EC2 decodes it");
        return Err(cited(&text, start, 0, &says, ENCODED));
    }
    String::from_utf8(text).map(Some).map_err(|error| not_text(&error))
}

const ENCODED: &str = "give it as it is: `--user-data file://recipe.toml`, and in Terraform `user_data`, or \
                       `user_data_base64` for what is encoded already";

/// What this is if it is no recipe.
fn form(text: &[u8]) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let starts_with = |start: &str| {
        let head = text.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    FORMS.iter().find(|(start, ..)| starts_with(start))
}

/// What base64 over the whole text holds. A recipe is none: it has quotes or brackets.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let within = BASE64_STANDARD.decode(packed).ok()?;
    let is_text = std::str::from_utf8(&within).is_ok_and(|text| !text.contains('\0'));
    // A word may happen to be base64 of something.
    (within.len() >= 8 && (is_text || within.starts_with(GZIP))).then_some(within)
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, Problems> {
    let mut text = Vec::new();
    let most = u64::try_from(LARGEST).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(bytes).take(most).read_to_end(&mut text);
    match read {
        Ok(_) if text.len() > LARGEST => {
            let says = format!("the user-data is gzip of more than {} MiB", LARGEST >> 20);
            Err(nowhere(says, "this is no recipe: look at what was packed"))
        }
        Ok(_) => Ok(text),
        Err(error) => {
            let says = format!("the user-data is gzip, and damaged: {error}");
            Err(nowhere(says, "was it cut off? EC2 takes 16 KiB at most; `gzip --test` says whether a file is whole"))
        }
    }
}

/// Says where the text stops being one. The line is not shown: nobody knows what it is.
fn not_text(error: &FromUtf8Error) -> Problems {
    let (valid, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
    let mut problems = Problems::default();
    let shown = String::from_utf8_lossy(valid);
    let sources = problems.sources_mut();
    let source = sources.add(NAME, &shown);
    sources.hide(&Span::new(source, 0..shown.len()));
    let problem = Problem::new(Span::new(source, shown.len()..shown.len()), "the user-data is not UTF-8");
    problems.push(problem.hint("save the recipe as UTF-8; of what is packed, only gzip is read"));
    problems
}

fn nowhere(says: String, hint: &str) -> Problems {
    let mut problems = Problems::default();
    problems.push(Problem::new(Place::Nowhere, says).hint(hint));
    problems
}

/// A problem of the first `length` bytes from `at` on. Only they are shown: what follows may hold what nobody may see.
fn cited(text: &[u8], at: usize, length: usize, says: &str, hint: &str) -> Problems {
    let mut problems = Problems::default();
    // Blanks and a word that was found there: both are text.
    let shown = String::from_utf8_lossy(text.get(..at + length).unwrap_or_default());
    let source = problems.sources_mut().add(NAME, &shown);
    problems.push(Problem::new(Span::new(source, at..shown.len()), says).hint(hint));
    problems
}

#[cfg(test)]
mod tests;
