//! The demo: everything a deploy tool does, on the embedded provider, in under a minute.

use std::process::Command;

use crate::chore::{Failure, cargo, root, run, say};

/// Builds the program and shows it at work in an empty directory.
///
/// # Errors
/// If the build fails, or a step of the demo does not end as it should.
pub(crate) fn run_demo() -> Result<(), Failure> {
    run(cargo(), &["build", "--locked", "--package", "runway-cli", "--no-default-features"])?;
    let place = root().join("target/demo");
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    let provider = format!("local:{}", place.display());
    for (title, line, expected) in [
        ("What a first deploy would do", "plan -c fixtures/demo/1-create.yml", 0),
        (
            "Deploy: seven stacks in five layers, each started when its own needs are met",
            "deploy --yes -c fixtures/demo/1-create.yml",
            0,
        ),
        ("Again: nothing to do", "deploy --yes -c fixtures/demo/1-create.yml", 0),
        (
            "A change, a new stack, and one that left the config",
            "deploy --yes -c fixtures/demo/2-change.yml",
            0,
        ),
        (
            "A stack fails: its dependants stop, and the reason is shown",
            "deploy --yes -c fixtures/demo/3-failure.yml",
            30,
        ),
        ("What there is now", "status -c fixtures/demo/3-failure.yml", 0),
        ("The persistent graph", "graph show -c fixtures/demo/3-failure.yml", 0),
        ("Delete everything, dependants first", "destroy --yes -c fixtures/demo/3-failure.yml", 0),
    ] {
        say(&format!("\n== {title}\n$ runway-rs {line}\n"));
        let binary = root().join("target/debug/runway-rs");
        let status = Command::new(binary)
            .args(line.split(' '))
            .env("RUNWAY_RS_PROVIDER", &provider)
            .env_remove("CI")
            .current_dir(root())
            .status()?;
        if status.code() != Some(expected) {
            return Err(format!("`runway-rs {line}` ended with {status}, not with {expected}").into());
        }
    }
    Ok(())
}
