//! Corrupt Parquet files are refused in words: where the library that reads them panics, nobody sees it.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use std::sync::atomic::{AtomicUsize, Ordering};
use trimtab_text::contain::keep_hook_silent;
use trimtab_text::dataset::{Want, read_bytes};

static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Found by fuzzing: a page that names a dictionary which is not there made the library panic, and the panic was printed.
#[test]
fn a_corrupt_parquet_file_never_panics_aloud() {
    std::panic::set_hook(Box::new(|_| {
        SEEN.fetch_add(1, Ordering::SeqCst);
    }));
    keep_hook_silent();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../goldens/text");
    let mut refused = 0;
    for name in ["pairs.snappy.parquet", "messages.zstd.parquet", "delta.v1.parquet", "delta.v2.parquet"] {
        let whole = std::fs::read(format!("{folder}/{name}")).unwrap();
        for at in 0..whole.len() {
            for value in [0, 0x7F, 0xFF, whole[at] ^ 1, whole[at] ^ 0x10] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                refused += usize::from(read_bytes(name, &bytes, Want::Comparisons).is_err());
            }
        }
    }
    assert_eq!(SEEN.load(Ordering::SeqCst), 0, "panics that a person would see");
    assert!(refused > 1000, "only {refused} corrupt files were refused");
}
