//! The only code that talks to AWS. Whether this host is EC2's at all is looked up in its firmware, and nothing is asked
//! anywhere before that says so.
//!
//! Clients of services are made when something needs one; see [`Session`].

pub mod imds;
pub mod instance;
mod not_had;
mod objects;
mod parameters;
mod role;
mod secrets;
mod session;
#[cfg(test)]
pub(crate) mod testing;
mod zones;

pub use instance::{InstanceId, Platform};
pub use not_had::{Kind, NotHad};
pub(crate) use role::not_credentials;
pub use session::{Environment, Session};
pub use zones::Change;
