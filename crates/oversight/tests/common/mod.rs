//! What the tests against references share.
#![allow(dead_code)] // each test file uses its own part
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};

/// A file or folder under `../shared`, or the line that says why a test is skipped.
pub fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIMTAB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: {} is absent", path.display());
    None
}

/// The reference numbers of a file.
pub fn reference(test: &str, file: &str) -> Option<Value> {
    let path = shared(test, &format!("fixtures/w2s/{file}"))?;
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// The numbers of an array.
pub fn floats(array: &Value) -> Vec<f64> {
    array.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Asserts that two numbers agree.
pub fn close(got: f64, expected: f64, tolerance: f64, name: &str) {
    assert!((got - expected).abs() <= tolerance, "{name}: got {got}, expected {expected}");
}
