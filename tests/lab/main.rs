//! `cargo lab`
fn main() {}
