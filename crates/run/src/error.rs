//! What can go wrong around a run folder. Every one of these is the user's to mend (exit code 2).

use std::{
    io,
    path::{Path, PathBuf},
};

/// An error of this crate: where, what, what was expected, what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{}: cannot {action}: {cause}\n  {}", path.display(), advice(cause))]
    Io {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The target of an atomic write is a device, a folder or a pipe.
    #[error("{}: not a regular file, so it cannot be replaced\n  expected a file, or a name that is not taken\n  try: another path", .0.display())]
    NotAFile(PathBuf),
    /// Another process writes this run.
    #[error("{}: another process{holder} is writing this run\n  expected to be the only one\n  try: wait for it, or --name OTHER for a new run", dir.display())]
    Locked {
        /// The run folder.
        dir: PathBuf,
        /// ` (pid N)` where it is known.
        holder: String,
    },
    /// The folder exists, is not empty and holds no manifest.
    #[error("{}: the folder is not empty and is not a run (no manifest.json)\n  expected a run folder, an empty folder, or none\n  try: --name OTHER, or move the files elsewhere", .0.display())]
    NotARun(PathBuf),
    /// manifest.json cannot be understood.
    #[error("{}: {problem}\n  expected a manifest of format {}\n  try: --name OTHER for a new run, or the version of trimtab that wrote this one", path.display(), crate::MANIFEST_FORMAT)]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The run was made with another config or seed.
    #[error("{}: this run was started with another config\n  expected {}\n  try: --name OTHER for a new run, or rerun the stage that the key belongs to and the later ones", path.display(), differences.join("\n           "))]
    ConfigChanged {
        /// The manifest.
        path: PathBuf,
        /// One `key = OLD, got NEW` for each key that differs.
        differences: Vec<String>,
    },
    /// A stage name that is not a plain folder name.
    #[error(
        "stage {0:?}: not a stage name\n  expected a-z, 0-9, _ and -, starting with a letter\n  try: one of the names that --help lists"
    )]
    StageName(String),
    /// `finish` without `begin`.
    #[error(
        "stage {0}: finished without having begun\n  expected begin before finish\n  try: report this as a bug, with manifest.json"
    )]
    NotBegun(String),
    /// An input is not what it was when the stage began.
    #[error("{}: changed while stage {stage} was reading it\n  expected sha256 {expected}, got {got}\n  try: run the same command again, once the file is at rest", path.display())]
    InputChanged {
        /// The stage that read it.
        stage: String,
        /// The input.
        path: PathBuf,
        /// Its hash at the beginning, or `absent`.
        expected: String,
        /// Its hash at the end, or `absent`.
        got: String,
    },
    /// A metrics file that does not fit the checkpoint.
    #[error("{}: {problem}\n  expected the first {bytes} bytes that the checkpoint recorded, whole lines\n  try: rerun the stage from its beginning", path.display())]
    BadMetrics {
        /// The metrics file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The length in the checkpoint.
        bytes: u64,
    },
    /// The saved state of a stage cannot be used.
    #[error("{}: {problem}\n  expected the state that state.json points to\n  try: remove state.json, and the stage starts from its beginning", path.display())]
    BadCheckpoint {
        /// state.json or the file in question.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The test hook TRIMTAB_STOP_AFTER is malformed.
    #[error(
        "TRIMTAB_STOP_AFTER={0:?}: not understood\n  expected STAGE:STEP, as in ppo:3\n  try: unset it; it exists for tests of resuming"
    )]
    StopAfter(String),
    /// The interrupt handler could not be installed.
    #[error("Ctrl-C handler: {0}\n  expected to install it once\n  try: report this as a bug")]
    Signal(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |cause| Self::Io { action, path, cause }
    }
}

/// Expectation and advice for what the system says most often.
fn advice(cause: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match cause.kind() {
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => {
            "expected room on the disk; nothing was replaced\n  try: free space or raise the limit, then run the same command again: it continues"
        }
        K::PermissionDenied | K::ReadOnlyFilesystem => {
            "expected a folder that you may write to\n  try: another folder, or change its permissions"
        }
        K::NotFound => "expected it to exist\n  try: check the path, or create the folder",
        K::NotADirectory => "expected every part of the path but the last to be a folder\n  try: check the path",
        K::IsADirectory => "expected a file, not a folder\n  try: check the path",
        _ => "expected the system to allow it\n  try: check the path and the disk, then run the same command again",
    }
}
