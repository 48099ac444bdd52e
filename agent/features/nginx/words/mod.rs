//! The vocabulary of `[nginx]`: what has one of these types cannot break out of its directive.
//!
//! Only `config`, `snippet` and the `extra_…` keys are nginx's own language and go in as they are.

mod addresses;
mod logs;
mod names;
mod paths;
mod quote;
mod values;

pub use addresses::{Listen, Network, Resolver, ServerAddress, Socket};
pub use logs::{AccessLog, CachePath, ErrorLog};
pub use names::{DnsName, Name, ServerName, SiteName, Strategy, UpstreamName};
pub use paths::{ConfigPath, ErrorPage, LocationPath, StatusCodes, Target, TryFile, Url, UrlPath};
pub use quote::{quoted, word};
pub use values::{Buffer, HeaderName, HeaderValue, NextUpstream, Rate, StatusCode, Text, WorkerProcesses};

/// Whether it can stand in a configuration without quotes: no space, quote, backslash, `;`, `{`, `}`, `#` or control
/// character. What may start a variable counts as plain.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | ';' | '{' | '}' | '#'))
}

/// Whether a person could have typed it on one line.
fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Of one word: every text that it takes, and every text that it refuses with a hint.
#[cfg(test)]
fn all<T: TryFrom<String, Error = String>>(fine: &[&str], wrong: &[&str]) {
    for text in fine {
        assert!(T::try_from((*text).to_owned()).is_ok(), "{text}");
    }
    for text in wrong {
        let said = T::try_from((*text).to_owned()).err().unwrap_or_else(|| panic!("{text:?} was taken"));
        assert!(said.contains("\nhint: "), "{said}");
    }
}
