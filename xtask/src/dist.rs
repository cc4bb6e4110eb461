//! The binary as it is given to others.

use std::path::PathBuf;
use std::process::Command;

use crate::chore::{Failure, cargo, root, say};

/// Links the C library into the binary.
const STATIC: &str = "-C target-feature=+crt-static";

/// Builds the release binary, without any library that has to be there at run time where the platform allows it, and
/// returns its path.
///
/// # Errors
/// If the build fails.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let target = host()?;
    let is_static = target.contains("linux");
    build_for(&target, is_static.then_some(("RUSTFLAGS", STATIC)))
}

/// Builds it as the Dockerfile does: for musl, which needs nothing of the system to find hosts by their names.
///
/// # Errors
/// If the build fails.
pub(crate) fn build_for_image() -> Result<PathBuf, Failure> {
    let host = host()?;
    let processor = host.split('-').next().unwrap_or_default();
    let built = build_for(&format!("{processor}-unknown-linux-musl"), Some(("TARGET_CC", "musl-gcc")));
    built.map_err(|error| {
        format!(
            "{error}\nhelp: `rustup target add {processor}-unknown-linux-musl` and musl-gcc (Debian: apt install musl-tools) are needed"
        )
        .into()
    })
}

fn build_for(target: &str, variable: Option<(&str, &str)>) -> Result<PathBuf, Failure> {
    // Build scripts and procedural macros are for the host and must stay dynamic: naming the target keeps them apart.
    let arguments = ["build", "--release", "--locked", "--package", "runway-cli", "--target", target];
    let mut command = Command::new(cargo());
    command.args(arguments).current_dir(root()).envs(variable);
    let shown = variable.map(|(name, value)| format!("{name}='{value}' ")).unwrap_or_default();
    say(&format!("$ {shown}cargo {}", arguments.join(" ")));
    let status = command.status()?;
    if !status.success() {
        return Err(format!("the build ended with {status}").into());
    }
    let place = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(place.join(target).join("release/runway-rs"))
}

/// The platform this runs on, as rustc calls it.
fn host() -> Result<String, Failure> {
    let said = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(said.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say what it runs on".into())
}
