//! The seeds of the fuzz targets, whole, cut short and with changed bytes: nothing is wrong with any.

use std::fs;

use crate::files;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the targets are a library of their own as well")]
mod targets;

/// The longest seed of which every byte is changed.
const CHANGED_BYTES: usize = 1_500;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 4] = [
    ("certificates", targets::certificates),
    ("jwts", targets::jwts),
    ("positions", targets::positions),
    ("codes", targets::codes),
];

#[test]
fn no_seed_of_a_fuzz_target_finds_anything() {
    for (name, target) in TARGETS {
        let folder = files::root().join("tests/fuzz/seeds").join(name);
        let mut count = 0;
        for entry in fs::read_dir(&folder).expect("every target has seeds") {
            let seed = fs::read(entry.expect("an entry").path()).expect("a seed can be read");
            target(&seed);
            for end in 0..seed.len() {
                target(&seed[..end]);
            }
            for place in 0..seed.len().min(CHANGED_BYTES) {
                let mut changed = seed.clone();
                changed[place] ^= 1 << (place % 8);
                target(&changed);
            }
            count += 1;
        }
        assert!(count > 1, "{name} has {count} seeds");
    }
}
