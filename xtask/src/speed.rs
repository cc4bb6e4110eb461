//! What large configs cost: CPU time of `runway-rs validate` for 1,000 stacks with 3,000 lookups, and CPU time and memory of
//! a plan of 2,000 stacks of which 50 change; memory of pushes of 100,000 files and of a file of 5 GiB.

mod assets;
mod plans;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::chore::{Failure, root, say};
use crate::dist;

/// Stacks of the config; each has three lookups that read other stacks.
const STACKS: usize = 1_000;

/// Stacks that do not depend on one another.
const LAYER: usize = 50;

/// Templates that the stacks share.
const TEMPLATES: usize = 40;

/// How often the program is run: its CPU time is known in hundredths of a second only.
const RUNS: u32 = 40;

/// Most CPU time of one run, in milliseconds.
const LIMIT: f64 = 100.0;

/// Builds the release binary and measures it.
///
/// # Errors
/// If it cannot be built or run, or takes longer than it may.
pub(crate) fn measure() -> Result<(), Failure> {
    let program = dist::build()?;
    let place = root().join("target/speed");
    write(&place)?;
    let validate = |name: &str| -> Result<(), Failure> {
        let status = Command::new(&program)
            .args(["validate", "-c", name])
            .current_dir(&place)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{} validate: {status}", program.display()).into())
        }
    };
    let cost = |name: &str| -> Result<f64, Failure> {
        validate(name)?;
        let before = time_of_children()?;
        for _ in 0..RUNS {
            validate(name)?;
        }
        Ok((time_of_children()? - before) / f64::from(RUNS))
    };
    let (large, small) = (cost("large.yml")?, cost("small.yml")?);
    say(&format!(
        "one stack: {small:.1} ms of CPU; {STACKS} stacks with {} lookups: {large:.1} ms",
        STACKS * 3
    ));
    if large > LIMIT {
        return Err(format!("more than {LIMIT} ms").into());
    }
    plans::measure(&program, &place)?;
    assets::measure(&program, &place)
}

/// CPU time of all child processes that ended, in milliseconds.
fn time_of_children() -> Result<f64, Failure> {
    // Linux counts in hundredths of a second, whatever the kernel does inside (proc(5), `sysconf(_SC_CLK_TCK)`).
    let stat = fs_err::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |field: usize| behind_name.split(' ').nth(field).and_then(|text| text.parse::<u32>().ok());
    match (ticks(13), ticks(14)) {
        (Some(user), Some(system)) => Ok(f64::from(user + system) * 10.0),
        _ => Err("/proc/self/stat has no times of children".into()),
    }
}

fn write(place: &Path) -> Result<(), Failure> {
    fs_err::create_dir_all(place.join("templates"))?;
    let template = "Parameters:\n  Size: {Type: String}\n  In0: {Type: String}\n  In1: {Type: String}\n  In2: {Type: String}\nResources:\n  Topic: {Type: \"AWS::SNS::Topic\", Properties: {DisplayName: !Ref Size}}\nOutputs:\n  Out: {Value: !Ref Topic}\n";
    for index in 0..TEMPLATES {
        fs_err::write(place.join(format!("templates/{index}.yml")), template)?;
    }
    fs_err::write(place.join("large.yml"), config(STACKS))?;
    fs_err::write(place.join("small.yml"), config(1))?;
    Ok(())
}

/// Layers of stacks, each of which reads three outputs of the layer before.
fn config(stacks: usize) -> String {
    let mut text = String::from("namespace: speed\ncfngin_bucket: \"\"\nstacks:\n");
    for index in 0..stacks {
        let template = index % TEMPLATES;
        let _ = write!(
            text,
            "  - name: stack-{index}\n    template_path: templates/{template}.yml\n    variables:\n      Size: small\n"
        );
        for lookup in 0..3 {
            let _ = match (index / LAYER * LAYER).checked_sub(LAYER) {
                Some(layer) => {
                    let source = layer + (index + lookup) % LAYER;
                    writeln!(text, "      In{lookup}: ${{output stack-{source}.Out}}")
                }
                None => writeln!(text, "      In{lookup}: ${{default none::x}}"),
            };
        }
    }
    text
}
