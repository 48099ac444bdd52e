//! What a host consists of: one kind a file. A kind knows the host and no feature.
//!
//! Every file here makes a `Resource`, and `tests/layers.rs` keeps it so. What helps a kind is elsewhere:
//!
//! - what the machine says, and how it writes things down (what workers nginx has, how PostgreSQL stores a password):
//!   `host/`, even where only one kind asks;
//! - a value that a recipe gives and that has a rule of its own: `terms/`;
//! - what every kind of file has, its mode, its owner and its content: `file.rs`, the simplest of them;
//! - a part of one kind, and what is made of it for one server (a `config_set` that `visudo` or `sshd` must like): the
//!   folder beside its file.

pub mod apt_source;
pub mod authorized_keys;
pub mod bootstrap_certificate;
pub mod certificate;
pub mod config_set;
pub mod directory;
pub mod download;
pub mod drop_in;
pub mod file;
pub mod group;
pub mod hostname;
pub mod link;
pub mod locale;
pub mod package;
pub mod password_file;
pub mod pg_auto_conf;
pub mod pg_cluster;
pub mod pg_database;
pub mod pg_extension;
pub mod pg_grant;
pub mod pg_role;
pub mod pg_schema;
pub mod pg_version;
pub mod run;
pub mod service;
pub mod swap;
pub mod sysctl;
pub mod timer;
pub mod timezone;
pub mod tls_account;
pub mod unit_file;
pub mod user;

#[cfg(test)]
mod killed;

#[cfg(test)]
pub(crate) mod laws;

#[cfg(test)]
mod pg_matrix;
