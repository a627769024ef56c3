//! Any text as a published item file of each format; what is read must be fit to be asked, and reads back as it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use trimtab_audit::item::ItemSet;
use trimtab_audit::reader::read_with;

fuzz_target!(init: trimtab_text::contain::keep_hook_silent(), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A task's data stand behind it, after a line of their own.
    let (task, rows) = text.split_once("\n=====\n").unwrap_or((text, ""));
    for (name, text) in [("fuzz.csv", text), ("fuzz.jsonl", text), ("fuzz.yaml", task)] {
        let files = |path: &Path| Ok(if path == Path::new(name) { text } else { rows }.to_owned());
        let Ok(read) = read_with(Path::new(name), &files) else { continue };
        let written = String::from_utf8(read.set.to_jsonl()).expect("JSON is UTF-8");
        assert_eq!(ItemSet::of_text("written", &written).expect("a set that was read"), read.set);
    }
});
