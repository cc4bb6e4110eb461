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
    // Build scripts and procedural macros are for the host and must stay dynamic: naming the target keeps them apart.
    let arguments = ["build", "--release", "--locked", "--package", "runway-cli", "--target", &target];
    let mut command = Command::new(cargo());
    command.args(arguments).current_dir(root());
    let mut shown = format!("$ cargo {}", arguments.join(" "));
    if target.contains("linux") {
        shown = format!("$ RUSTFLAGS='{STATIC}' {}", &shown[2..]);
        command.env("RUSTFLAGS", STATIC);
    }
    say(&shown);
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
