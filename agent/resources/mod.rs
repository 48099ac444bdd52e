//! What a host consists of: one kind a file. A kind knows the host and no feature.

pub mod authorized_keys;
pub mod config_set;
pub mod directory;
pub mod download;
pub mod file;
pub mod group;
pub mod hostname;
pub mod link;
pub mod locale;
pub mod package;
pub mod probe;
pub mod run;
pub mod service;
pub mod sshd;
pub mod sudoers;
pub mod swap;
pub mod sysctl;
pub mod timezone;
pub mod user;

#[cfg(test)]
mod laws;
