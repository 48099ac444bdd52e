//! The vocabulary of recipes: small strict types. What has one of these types has passed its rule.

mod account;
mod fingerprint;
mod hostname;
mod mode;
mod package_name;
mod path;
mod size;
mod ssh_key;

pub use account::AccountName;
pub use fingerprint::Fingerprint;
pub use hostname::HostName;
pub use mode::Mode;
pub use package_name::PackageName;
pub use path::AbsolutePath;
pub use size::Size;
pub use ssh_key::{KeyLine, SshKey};
