//! The lab: real, disposable Debian machines for tests that must be true.
//!
//! A machine is a Debian base root under a throw-away overlay, in network namespaces of its own,
//! booted with its own systemd. It takes less than a second to boot and leaves nothing behind.
//!
//! ```no_run
//! let host = Machine::debian(12).boot();
//! let app = host.backend("127.0.0.1:3000", "hello from the app\n");
//!
//! host.recipe(include_str!("../recipes/nano.toml"));
//! host.agent("converge").exits(0);
//!
//! host.from_outside("10.0.0.50").get("http://api.example.org/").says("hello from the app");
//! assert_eq!(app.requests().len(), 1);
//! ```
//!
//! Why it panics: the lab never recovers. Whatever goes wrong ends the test, or the command, with a
//! sentence that says what was tried and what was heard.
//!
//! A failed test prints the whole conversation with its machine; `HOSTAGENT_LAB_KEEP=1` also keeps the
//! machine, for `cargo lab sh NAME`.
//!
//! ```text
//! install → sources → base + pool + signed      made once, outside the checkout
//! register → network → boot → machine            one machine, and how it is unmade
//! commands, said, unit, digest, argv, agent, clock, image      what a test says to it
//! http, backend, names, outside                  the world around it
//! firmware, metadata, aws                        what makes it an EC2 instance
//! acme                                           a CA, and what may be wrong with one
//! ```

#![expect(
    dead_code,
    unreachable_pub,
    reason = "a library in two programs: tests use one part, the command line another"
)]
#![expect(clippy::shadow_reuse, reason = "what is taken apart step by step keeps its name")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a lab that cannot go on ends the test with a sentence"
)]

pub mod acme;
pub mod agent;
pub mod argv;
pub mod aws;
pub mod backend;
pub mod base;
pub mod boot;
pub mod clock;
pub mod commands;
pub mod digest;
pub mod disk;
pub mod firmware;
pub mod http;
pub mod image;
pub mod install;
pub mod layer;
pub mod machine;
pub mod metadata;
pub mod names;
pub mod network;
pub mod odd;
pub mod outside;
pub mod place;
pub mod pool;
#[cfg(test)]
mod promises;
pub mod register;
pub mod release;
pub mod said;
pub mod signed;
pub mod sources;
pub mod sum;
pub mod tool;
pub mod unit;
pub mod venv;

pub use self::{backend::Backend, commands::eventually, machine::Machine, said::Said};
