//! Repository chores: `cargo xtask <command>`.

mod bench;
mod chore;
mod ci;
mod demo;
mod dist;
mod fuzz;
mod generate;
mod image;
mod python;
mod resource_types;
mod speed;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Repository chores
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the generated files: schemas, command line reference, exit codes
    Gen {
        /// Write nothing; fail if a file is not up to date
        #[arg(long)]
        check: bool,
    },
    /// Write the file of resource types, from which replacements are predicted, from the installed package cfn-lint
    ResourceTypes {
        /// Write nothing; fail if the file is not what the package yields
        #[arg(long)]
        check: bool,
    },
    /// Check the rules of the architecture: dependencies, purity, file lengths
    Tidy,
    /// Install the emulator and run all tests; further arguments go to `cargo test`
    Test {
        /// For `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything a change has to pass
    Ci {
        /// Release build, long tests and the benchmark as well
        #[arg(long)]
        full: bool,
    },
    /// Run Runway and runway-rs side by side on the cases of `fixtures/compat` and report every difference
    Compat {
        /// Parts of the names of cases; all of them without any
        cases: Vec<String>,
        /// Keep the report as docs/compat.md
        #[arg(long)]
        write: bool,
        /// Show what the programs print
        #[arg(long)]
        verbose: bool,
    },
    /// Measure runway-rs beside Runway on the emulator
    Bench {
        /// Shapes such as `flat:10`, `chain:20`, `layered:50`, `diamond:10`; all of the report without any
        shapes: Vec<String>,
        /// Keep the report as docs/benchmark.md
        #[arg(long)]
        write: bool,
    },
    /// Measure asset push beside valpop's way of working, over a slow network and without one
    BenchAssets {
        /// Keep the report as docs/benchmark-assets.md
        #[arg(long)]
        write: bool,
    },
    /// Feed changed and generated inputs to everything that reads text
    Fuzz {
        /// How many inputs
        #[arg(long, default_value_t = 100_000)]
        count: u64,
        /// Chooses the inputs
        #[arg(long, default_value_t = 2)]
        seed: u64,
        /// Number of the first input
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Measure what large configs, plans and pushes cost
    Speed,
    /// Build the release binary, static where the platform allows it
    Dist,
    /// Put the files of the container's image together without Docker, and push a build from there to the emulator
    Image,
    /// Deploy the demo on the embedded provider: plan, create, change, remove, fail, destroy
    Demo,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Gen { check } => generate::run(check),
        Command::ResourceTypes { check } => resource_types::run(check),
        Command::Tidy => tidy::run(),
        Command::Test { arguments } => ci::test(&arguments),
        Command::Ci { full } => ci::run_all(full),
        Command::Compat { cases, write, verbose } => ci::compat(&cases, write, verbose),
        Command::Bench { shapes, write } => bench::run_bench(&shapes, write),
        Command::BenchAssets { write } => bench::assets::run(write),
        Command::Fuzz { count, seed, from } => fuzz::run(fuzz::Limits::new(count, seed, from)),
        Command::Speed => speed::measure(),
        Command::Dist => dist::build().map(|path| chore::say(&format!("built {}", path.display()))),
        Command::Image => image::run(),
        Command::Demo => demo::run_demo(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            chore::say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
