//! The vocabulary of recipes: small strict types. What has one of these types has passed its rule.

mod account;
mod fingerprint;
mod mode;
mod package_name;
mod path;
mod size;
mod unit_name;
mod unit_settings;

pub use account::AccountName;
pub use fingerprint::Fingerprint;
pub use mode::Mode;
pub use package_name::PackageName;
pub use path::AbsolutePath;
pub use size::Size;
pub use unit_name::UnitName;
pub use unit_settings::{UnitSetting, UnitSettings};
