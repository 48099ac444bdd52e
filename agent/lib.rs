//! hostagent makes an EC2 host what its recipe says.
//!
//! ```text
//!  recipe.toml ─┐
//!  facts ───────┴─► compile ─► Plan (typed resources, a graph) ─► run ─► Outcome ─► report
//!                    pure       plain data, printable            one loop   plain data
//! ```
//!
//! Imports point downwards, and `tests/layers.rs` keeps it so, and this table true:
//!
//! | layer | what it knows |
//! |---|---|
//! | `cli` | verbs, exit codes: the only one that knows both the recipe and the report |
//! | `log` | where events go |
//! | `report` | an outcome, and where it is shown |
//! | `fuzzing` | what must hold of any bytes from outside; not for use |
//! | `recipe` | the document, and every feature |
//! | `features` | one table each, and the resources it becomes; never each other |
//! | `resources` | one kind each, and the host |
//! | `secret` | a reference to a value, and the value at the moment of use |
//! | `engine` | plans and runs; no kind and no feature |
//! | `facts` | what a recipe can read of the host |
//! | `acme` | CAs, and when a certificate is due |
//! | `elsewhere` | texts that services have, and the last good copy of each |
//! | `aws` | AWS, and whether this host is there |
//! | `host` | the machine, and nobody else touches it |
//! | `terms` | strict words, such as a user's name |
//! | `template` | texts to be filled in |
//! | `problem` | what is wrong with a recipe |
//!
//! Where something goes:
//!
//! | what is new | where |
//! |---|---|
//! | a table of the recipe | a file in `features/`, its texts in `templates/`, its line in `recipe/tables.rs` |
//! | a key of a table | its feature; if it has a rule, a type in `terms/`, or in the feature's `words` if nobody else has it |
//! | something that can differ and be put right | a kind: a file in `resources/` |
//! | something to be read from the machine, or a way to change it | `host/`: a method of `Look` or of `Touch` |
//! | a rule for every kind: order, drift, removal, signals | `engine/` |
//! | something a person or a program is told of a run | `report/` |
//! | a verb | a file in `cli/` |
//!
//! A module that grows gets a folder beside its file (`service.rs`, `service/`); a layer or a feature of many files is a folder
//! with a `mod.rs`. Tests stand beside the code; what only a machine can show is in `tests/`.

pub mod acme;
pub mod aws;
pub mod cli;
pub mod elsewhere;
pub mod engine;
pub mod facts;
pub mod features;
#[doc(hidden)]
pub mod fuzzing;
pub mod host;
pub mod log;
pub mod problem;
pub mod recipe;
pub mod report;
pub mod resources;
pub mod secret;
pub mod template;
pub mod terms;
