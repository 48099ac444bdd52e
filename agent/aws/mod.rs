//! The only code that talks to AWS. Whether this host is EC2's at all is looked up in its firmware, and nothing is asked
//! anywhere before that says so.

pub mod imds;
pub mod instance;

pub use instance::{InstanceId, Platform};
