//! What a host consists of: one kind a file. A kind knows the host and no feature.

pub mod apt_source;
pub mod file;
pub mod config_set;
pub mod probe;
pub mod package;
