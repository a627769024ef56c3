//! A world as files in a folder.

use crate::error::Error;
use crate::tokenizer::tokenizer_files;
use crate::world::{Split, World};
use std::path::{Path, PathBuf};
use trimtab_run::write_atomic;
use trimtab_text::record::write_jsonl;

/// Prompts in each cell of the evaluation that [`World::export`] writes.
pub const EVALUATION_ITEMS: usize = 40;

impl World {
    /// Writes the world into a folder, which is made if need be; gives the files in the order written.
    ///
    /// `tokenizer/` (what a checkpoint folder needs beside weights), `corpus.txt` and `corpus-heldout.txt` (a document a
    /// line), `demonstrations.jsonl`, `prompts-train.jsonl`, `prompts-heldout.jsonl`, `evaluation.jsonl`, and last
    /// `world.json` (seed, settings, facts, topics). Each file is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::Folder`], [`Error::Run`]: the disk refuses, by name.
    pub fn export(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let corpus = self.corpus();
        let mut files: Vec<(String, Vec<u8>)> =
            tokenizer_files().into_iter().map(|(name, bytes)| (format!("tokenizer/{name}"), bytes)).collect();
        files.push(("corpus.txt".into(), lines(&corpus.train)));
        files.push(("corpus-heldout.txt".into(), lines(&corpus.held_out)));
        files.push(("demonstrations.jsonl".into(), write_jsonl(&self.demonstrations())?));
        files.push(("prompts-train.jsonl".into(), write_jsonl(&self.prompts(Split::Train))?));
        files.push(("prompts-heldout.jsonl".into(), write_jsonl(&self.prompts(Split::HeldOut))?));
        files.push(("evaluation.jsonl".into(), write_jsonl(&self.evaluation_items(EVALUATION_ITEMS))?));
        // A world is numbers, names and flags: it always serialises.
        let world = serde_json::to_value(self).unwrap_or_default();
        files.push(("world.json".into(), format!("{world:#}\n").into_bytes()));

        let tokenizer = folder.join("tokenizer");
        std::fs::create_dir_all(&tokenizer).map_err(|cause| Error::Folder { path: tokenizer, cause })?;
        let mut written = Vec::with_capacity(files.len());
        for (name, bytes) in files {
            let path = folder.join(name);
            write_atomic(&path, &bytes)?;
            written.push(path);
        }
        Ok(written)
    }
}

fn lines(documents: &[String]) -> Vec<u8> {
    documents.iter().flat_map(|document| document.bytes().chain([b'\n'])).collect()
}
