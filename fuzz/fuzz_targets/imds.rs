#![no_main]

use hostagent::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::imds(bytes).unwrap_or_else(|broken| panic!("{broken}")));
