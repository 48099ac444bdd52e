//! What a host consists of: one kind a file. A kind knows the host and no feature.

pub mod drop_in;
pub mod file;
pub mod config_set;
pub mod probe;
pub mod service;
pub mod timer;
pub mod unit_file;
