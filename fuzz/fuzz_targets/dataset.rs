//! Any bytes as a dataset: the first byte says what they are read as, the rest is the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_text::dataset::{Want, read_bytes};

const WANTS: [Want; 5] = [Want::Demonstrations, Want::Comparisons, Want::Rankings, Want::Prompts, Want::Corpus];

fuzz_target!(init: trimtab_text::contain::keep_hook_silent(), |data: &[u8]| {
    if let Some((&choice, file)) = data.split_first() {
        // The seeds are whole files: their first byte, a brace, a bracket or Parquet's P, is put back for them.
        let _ = read_bytes("fuzz", file, WANTS[choice as usize % WANTS.len()]);
        let _ = read_bytes("fuzz", data, WANTS[file.len() % WANTS.len()]);
    }
});
