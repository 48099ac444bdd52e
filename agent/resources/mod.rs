//! What a host consists of: one kind a file. A kind knows the host and no feature.

pub mod config_set;
pub mod file;
pub mod nginx_workers;
pub mod probe;
