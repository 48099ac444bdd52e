//! hostagent makes an EC2 host what its recipe says.
//!
//! ```text
//!  recipe.toml ─┐
//!  facts ───────┴─► compile ─► Plan (typed resources, a graph) ─► run ─► Outcome ─► report
//!                    pure       plain data, printable            one loop   plain data
//! ```
//!
//! Imports point downwards, and `tests/layers.rs` keeps it so:
//!
//! | layer | what it knows |
//! |---|---|
//! | `cli` | verbs, exit codes |
//! | `recipe` | the document, and every feature |
//! | `features` | one table each, and the resources it becomes; never each other |
//! | `resources` | one kind each, and the host |
//! | `report` | an outcome, and where it is shown |
//! | `engine` | plans and runs, no kind |
//! | `elsewhere` | texts that services have, and the last good copy of each |
//! | `aws` | AWS, and whether this host is there |
//! | `host` | the machine |
//!
//! `problem`, `log`, `terms`, `secret`, `template` and `facts` are the words they share.

pub mod aws;
pub mod cli;
pub mod elsewhere;
pub mod engine;
pub mod facts;
pub mod features;
pub mod host;
pub mod log;
pub mod problem;
pub mod recipe;
pub mod report;
pub mod resources;
pub mod secret;
pub mod template;
pub mod terms;
