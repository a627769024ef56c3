//! Published files, which tests measure on where they are there.

use std::path::{Path, PathBuf};

/// A published file under `../shared`, or the line that says why a test is skipped.
pub fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIMTAB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("data/audits").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: {} is absent", path.display());
    None
}
