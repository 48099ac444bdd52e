//! `hostagent` brings this host to the state its recipe describes.

fn main() {}
