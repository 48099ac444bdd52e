//! The vocabulary of recipes: small strict types. What has one of these types has passed its rule.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, Visitor};

/// What a term can do that is kept as the text it was given as: it is shown, and written down again, as that.
macro_rules! kept_as_text {
    ($term:ty) => {
        impl From<$term> for String {
            fn from(term: $term) -> Self {
                term.0
            }
        }

        impl std::fmt::Display for $term {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

mod account;
mod address;
mod calendar;
mod challenge;
mod fingerprint;
mod hostname;
mod key_type;
mod mode;
mod one_or_many;
mod package_name;
mod path;
mod period;
mod setting;
mod size;
mod ssh_key;
mod unit_name;
mod unit_settings;

pub use account::AccountName;
pub use address::{Address, Remote, sha256};
pub use calendar::CalendarEvent;
pub use challenge::Challenge;
pub use fingerprint::Fingerprint;
pub use hostname::HostName;
pub use key_type::KeyType;
pub use mode::Mode;
pub use one_or_many::OneOrMany;
pub use package_name::PackageName;
pub use path::AbsolutePath;
pub use period::Period;
pub use setting::{SettingValue, TextOrNumber};
pub use size::Size;
pub use ssh_key::{KeyLine, SshKey};
pub use unit_name::UnitName;
pub use unit_settings::UnitSettings;

/// Reads a term from a string; of anything else it says what is wanted, and not just that it is a string.
pub(crate) fn from_text<'de, T, D>(deserializer: D, wanted: &'static str) -> Result<T, D::Error>
where
    T: TryFrom<String, Error = String>,
    D: Deserializer<'de>,
{
    struct Text<T>(&'static str, PhantomData<T>);

    impl<T: TryFrom<String, Error = String>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            T::try_from(text.to_owned()).map_err(E::custom)
        }
    }

    deserializer.deserialize_string(Text(wanted, PhantomData))
}
