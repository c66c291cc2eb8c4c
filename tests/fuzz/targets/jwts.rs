//! See `entente_fuzz::jwts`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entente_fuzz::jwts(data));
