//! What a host consists of: one kind a file. A kind knows the host and no feature.

pub mod apt_source;
pub mod authorized_keys;
pub mod config_set;
pub mod directory;
pub mod download;
pub mod drop_in;
pub mod file;
pub mod group;
pub mod hostname;
pub mod link;
pub mod locale;
pub mod nginx_workers;
pub mod package;
pub mod pg_auto_conf;
pub mod pg_cluster;
pub mod pg_database;
pub mod pg_extension;
pub mod pg_grant;
pub mod pg_probes;
pub mod pg_role;
pub mod pg_schema;
pub mod pg_scram;
mod pg_setting_list;
pub mod pg_setting_value;
pub mod pg_version;
pub mod probe;
pub mod run;
pub mod service;
pub mod sshd;
pub mod sudoers;
pub mod swap;
pub mod sysctl;
pub mod timer;
pub mod timezone;
pub mod unit_file;
pub mod user;

#[cfg(test)]
mod killed;

#[cfg(test)]
mod laws;

#[cfg(test)]
mod pg_matrix;
