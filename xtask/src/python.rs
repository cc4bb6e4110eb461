//! The Python side of the tests: moto, the AWS emulator, and Runway, the program we are compared with.

use std::path::PathBuf;

use crate::chore::{Failure, root, run};

/// Interpreter of an installed virtual environment.
pub(crate) fn interpreter(name: &str) -> PathBuf {
    root().join("target/python").join(name).join("bin/python")
}

/// Installs a virtual environment below `target/python/` from `tests/python/<name>.txt`, unless it is there already
/// and was made from the same list.
///
/// # Errors
/// If Python, its `venv` module or a package is not available.
pub(crate) fn install(name: &str) -> Result<(), Failure> {
    let list = root().join(format!("tests/python/{name}.txt"));
    let wanted = fs_err::read_to_string(&list)?;
    let place = root().join("target/python").join(name);
    let stamp = place.join("installed.txt");
    if fs_err::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    let (place_text, list_text) = (place.display().to_string(), list.display().to_string());
    run("python3", &["-m", "venv", &place_text]).map_err(|error| {
        format!("{error}\nhelp: Python 3.10 or newer with venv is needed (Debian: apt install python3-venv)")
    })?;
    let install =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", &list_text];
    run(interpreter(name), &install)?;
    fs_err::write(&stamp, wanted)?;
    Ok(())
}
