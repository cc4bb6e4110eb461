//! Pushes of very many files and of a very large one, into a directory in place of a bucket.

use std::path::Path;

use serde_json::Value;

use super::plans::measured;
use crate::chore::{Failure, say};

/// Small files, in directories of a thousand.
const FILES: usize = 100_000;

/// Size of the large file, which has no bytes of its own: the file system makes them up.
const LARGE: u64 = 5 << 30;

/// Most memory, in megabytes, whatever the size of a push.
const MEMORY_LIMIT: f64 = 256.0;

/// Pushes, and says what it cost.
///
/// # Errors
/// If a push fails, sends another number of files than it should, or needs more memory than it may.
pub(super) fn measure(program: &Path, place: &Path) -> Result<(), Failure> {
    let place = place.join("assets");
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    let many = place.join("many");
    for number in 0..FILES {
        let directory = many.join(format!("{:02}", number / 1_000));
        if number % 1_000 == 0 {
            fs_err::create_dir_all(&directory)?;
        }
        fs_err::write(directory.join(format!("{number}.js")), format!("export default {number}"))?;
    }
    fs_err::write(many.join("index.html"), "<html>")?;
    push(program, &place, "many", (FILES + 1, FILES + 1))?;
    push(program, &place, "many", (FILES + 1, 0))?;

    let large = place.join("large");
    fs_err::create_dir_all(&large)?;
    fs_err::File::create(large.join("large.bin"))?.set_len(LARGE)?;
    fs_err::write(large.join("index.html"), "<html>")?;
    push(program, &place, "large", (2, 2))?;
    // Ten gigabytes are left otherwise.
    fs_err::remove_dir_all(&place)?;
    Ok(())
}

/// Pushes a directory, of which all files and those that have to be sent are known.
fn push(program: &Path, place: &Path, source: &str, (all, sent): (usize, usize)) -> Result<(), Failure> {
    let report = place.join("report.json");
    let line =
        ["assets", "push", "--app", source, "--source", source, "--directory", "bucket", "--format", "json"];
    let cost = measured(program, place, &line, Some(&report))?;
    let said: Value = serde_json::from_str(&fs_err::read_to_string(&report)?)?;
    if said["total"]["files"] != all || said["sent"]["files"] != sent {
        return Err(format!(
            "{} files of {}, not {sent} of {all}",
            said["sent"]["files"], said["total"]["files"]
        )
        .into());
    }
    let number = |name: &str| cost[name].as_f64().unwrap_or(f64::MAX);
    let memory = number("peak_kb") / 1024.0;
    say(&format!(
        "a push of {} files ({} MiB) of which {sent} are sent: {:.0} s, {:.0} s of CPU, {memory:.0} MB",
        all,
        said["total"]["bytes"].as_u64().unwrap_or_default() >> 20,
        number("wall_s"),
        number("cpu_s")
    ));
    if memory > MEMORY_LIMIT {
        return Err(format!("more than {MEMORY_LIMIT} MB").into());
    }
    Ok(())
}
