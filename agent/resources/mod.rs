//! What a host consists of: one kind a file. A kind knows the host and no feature.

pub mod apt_source;
pub mod config_set;
pub mod drop_in;
pub mod file;
pub mod package;
pub mod pg_database;
pub mod pg_extension;
pub mod pg_grant;
pub mod pg_role;
pub mod pg_schema;
pub mod pg_scram;
mod pg_setting_list;
pub mod probe;
pub mod service;
pub mod timer;
pub mod unit_file;

#[cfg(test)]
mod pg_matrix;
