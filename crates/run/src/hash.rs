//! Content hashes, the ones that `sha256sum` prints.

use crate::Error;
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs::File, io::Read, path::Path};

/// SHA-256 of a file, 64 lower-case hexadecimal digits.
///
/// # Errors
/// [`Error::Io`].
pub fn sha256_file(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hex(&digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

/// SHA-256 of bytes in memory, 64 lower-case hexadecimal digits.
///
/// ```
/// assert!(trimtab_run::sha256_bytes(b"abc").starts_with("ba7816bf8f01cfea")); // FIPS 180-2, appendix B.1
/// ```
#[must_use]
pub fn sha256_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A hash of the part of a config that a stage depends on; the order of keys does not matter.
///
/// ```
/// use serde_json::json;
/// use trimtab_run::config_hash;
/// assert_eq!(config_hash(&json!({"lr": 0.1, "steps": 2})), config_hash(&json!({"steps": 2, "lr": 0.1})));
/// assert_ne!(config_hash(&json!([1, 2])), config_hash(&json!([2, 1])));
/// ```
#[must_use]
pub fn config_hash(config: &serde_json::Value) -> String {
    sha256_bytes(sorted(config).to_string().as_bytes())
}

fn sorted(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of FIPS 180-2, appendix B, and the empty message.
    #[test]
    fn published_vectors() {
        assert_eq!(sha256_bytes(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
        assert_eq!(sha256_file(&path).unwrap(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
