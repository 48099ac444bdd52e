//! The vocabulary of recipes: small strict types. What has one of these types has passed its rule.

mod account;
mod mode;
mod path;
mod size;

pub use account::AccountName;
pub use mode::Mode;
pub use path::AbsolutePath;
pub use size::Size;
