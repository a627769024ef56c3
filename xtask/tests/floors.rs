//! The floors of the architecture: crates use only crates of lower floors, never one beside or above them.

use std::collections::BTreeMap;
use std::process::Command;

/// Floor of each crate, from the architecture page. The binary may use them all and nothing uses it.
const FLOORS: [(&str, u32); 12] = [
    ("trimtab-engine", 1),
    ("trimtab-text", 1),
    ("trimtab-stats", 1),
    ("trimtab-run", 1),
    ("trimtab-alignment", 2),
    ("trimtab-people", 2),
    ("trimtab-world", 2),
    ("trimtab-audit", 3),
    ("trimtab-oversight", 3),
    ("trimtab-report", 4),
    ("trimtab", 5),
    ("xtask", 5),
];

/// Every (crate, crate of ours it uses) of the workspace: normal, build and development dependencies alike.
fn imports() -> BTreeMap<String, Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let name_of = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    let ours: Vec<String> = packages.iter().map(name_of).collect();
    let uses = |package: &serde_json::Value| {
        let names = package["dependencies"].as_array().expect("a list of dependencies").iter().map(name_of);
        names.filter(|name| ours.contains(name)).collect()
    };
    packages.iter().map(|package| (name_of(package), uses(package))).collect()
}

#[test]
fn crates_use_only_lower_floors() {
    let floors: BTreeMap<&str, u32> = FLOORS.into();
    let imports = imports();
    assert!(imports.len() > 1, "the workspace was found");
    for (name, uses) in &imports {
        let floor = floors.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no floor: add it to FLOORS here"));
        for used in uses {
            let below =
                floors.get(used.as_str()).unwrap_or_else(|| panic!("{used} has no floor: add it to FLOORS here"));
            assert!(below < floor, "{name} (floor {floor}) must not use {used} (floor {below})");
        }
    }
}
