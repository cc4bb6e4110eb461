//! What a change has to pass.

use crate::chore::{Failure, cargo, run, run_with, say};
use crate::{bench, fuzz, generate, image, python, resource_types, speed, tidy};

/// Plans beside what deploys really do, ten thousand of them, and runs with and without a cache.
const SOUNDNESS: [&str; 12] = [
    "test",
    "--release",
    "--locked",
    "--workspace",
    "--features",
    "runway-local/test-support",
    "--test",
    "engine",
    "--",
    "soundness",
    "cached",
    "--nocapture",
];

/// The lock's explorations, optimised: they visit millions of states.
const EXPLORATIONS: [&str; 9] = [
    "test",
    "--release",
    "--locked",
    "--package",
    "runway-core",
    "--features",
    "test-support",
    "--test",
    "lock",
];

/// Runs every test, after installing what they talk to.
///
/// # Errors
/// If something cannot be installed, or a test fails.
pub(crate) fn test(arguments: &[String]) -> Result<(), Failure> {
    python::install("moto")?;
    python::install("runway")?;
    let mut all = vec!["test", "--locked", "--workspace", "--features", "runway-local/test-support"];
    all.extend(arguments.iter().map(String::as_str));
    run(cargo(), &all)
}

/// Runs Runway and runway-rs side by side.
///
/// # Errors
/// If something cannot be installed, or there is a difference that no case lists.
pub(crate) fn compat(cases: &[String], write: bool, verbose: bool) -> Result<(), Failure> {
    python::install("moto")?;
    python::install("runway")?;
    let mut all = vec!["test", "--locked", "--package", "runway-cli", "--test", "compat", "--"];
    all.extend(cases.iter().map(String::as_str));
    all.extend(write.then_some("--write"));
    all.extend(verbose.then_some("--verbose"));
    run(cargo(), &all)
}

/// Formatting, lints, generated files, rules, tests; with `full` the release build and its benchmark too.
///
/// # Errors
/// The first check that fails.
pub(crate) fn run_all(full: bool) -> Result<(), Failure> {
    run(cargo(), &["fmt", "--all", "--check"])?;
    tidy::run()?;
    generate::run(true)?;
    let features = "runway-local/test-support";
    run(
        cargo(),
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--features",
            features,
            "--",
            "-D",
            "warnings",
        ],
    )?;
    test(&[])?;
    // After the tests, which install the package that it looks into.
    resource_types::run(true)?;
    if full {
        say("a hundred thousand changed and generated inputs:");
        fuzz::run(fuzz::Limits::new(100_000, 2, 0))?;
        say("the larger explorations of the lock:");
        run_with("RUNWAY_RS_LONG_TESTS", cargo(), &EXPLORATIONS)?;
        say("plans beside what deploys do, ten thousand times, and runs with and without a cache:");
        run_with("RUNWAY_RS_LONG_TESTS", cargo(), &SOUNDNESS)?;
        say("the program in the files of the container's image:");
        image::run()?;
        speed::measure()?;
        bench::run_bench(&[], false)?;
        bench::assets::run(false)?;
    }
    Ok(())
}
