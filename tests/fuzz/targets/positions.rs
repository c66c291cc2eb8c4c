//! See `entente_fuzz::positions`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entente_fuzz::positions(data));
