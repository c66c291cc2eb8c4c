//! See `entente_fuzz::codes`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entente_fuzz::codes(data));
