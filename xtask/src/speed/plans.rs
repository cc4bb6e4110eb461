//! A plan of many stacks on the embedded provider.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::chore::{Failure, root, say};

/// Stacks of the config, in layers of [`LAYER`], each of which reads an output of the layer before.
const STACKS: usize = 2_000;
const LAYER: usize = 50;
/// Every so many stacks one is changed.
const CHANGED: usize = 40;

/// Most CPU time of the plan, in seconds.
const CPU_LIMIT: f64 = 1.0;
/// Most memory, in megabytes.
const MEMORY_LIMIT: f64 = 150.0;

const TEMPLATE: &str = "Parameters:
  Size: {Type: String}
  In: {Type: String}
Resources:
  Topic: {Type: \"AWS::SNS::Topic\", Properties: {DisplayName: !Ref Size}}
Outputs:
  Out: {Value: !Ref Topic}
";

/// Deploys the stacks and measures a plan that changes some of them.
///
/// # Errors
/// If a run fails, or the plan costs more than it may.
pub(super) fn measure(program: &Path, place: &Path) -> Result<(), Failure> {
    let place = place.join("plans");
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    fs_err::create_dir_all(&place)?;
    fs_err::write(place.join("t.yml"), TEMPLATE)?;
    fs_err::write(place.join("deployed.yml"), config(false))?;
    fs_err::write(place.join("changed.yml"), config(true))?;
    say(&format!("deploying {STACKS} stacks on the embedded provider, once"));
    run(program, &place, &["deploy", "-c", "deployed.yml", "--yes", "--concurrency", "500"])?;
    let measured = run(program, &place, &["plan", "-c", "changed.yml"])?;
    let number = |name: &str| measured[name].as_f64().unwrap_or(f64::MAX);
    let (cpu, memory) = (number("cpu_s"), number("peak_kb") / 1024.0);
    say(&format!(
        "a plan of {STACKS} stacks of which {} change: {cpu:.2} s of CPU, {memory:.0} MB",
        STACKS.div_ceil(CHANGED)
    ));
    if cpu > CPU_LIMIT || memory > MEMORY_LIMIT {
        return Err(format!("more than {CPU_LIMIT} s or {MEMORY_LIMIT} MB").into());
    }
    Ok(())
}

fn run(program: &Path, place: &Path, arguments: &[&str]) -> Result<Value, Failure> {
    measured(program, place, arguments, None)
}

/// Runs the program, keeps what it prints if that is wanted, and says what it cost.
///
/// # Errors
/// If it cannot be run, or fails.
pub(super) fn measured(
    program: &Path,
    place: &Path,
    arguments: &[&str],
    output: Option<&Path>,
) -> Result<Value, Failure> {
    let output = match output {
        Some(path) => fs_err::File::create(path)?.into_parts().0.into(),
        None => Stdio::null(),
    };
    let result = place.join("measured.json");
    let status = Command::new("python3")
        .arg(root().join("tests/python/measure.py"))
        .arg(&result)
        .arg(program)
        .args(arguments)
        .current_dir(place)
        .env("RUNWAY_RS_PROVIDER", format!("local:{}", place.join("cloud").display()))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        .status()?;
    let measured: Value = serde_json::from_str(&fs_err::read_to_string(&result)?)?;
    if !status.success() || measured["code"] != 0 {
        return Err(format!("runway-rs {} ended with {}", arguments.join(" "), measured["code"]).into());
    }
    Ok(measured)
}

fn config(changed: bool) -> String {
    let mut text =
        String::from("namespace: speed\ncfngin_bucket: speed-bucket\npersistent_graph_key: main\nstacks:\n");
    for index in 0..STACKS {
        let size = if changed && index % CHANGED == 0 { "large" } else { "small" };
        let source = index
            .checked_sub(LAYER)
            .map_or_else(|| "none".to_owned(), |below| format!("${{output s{below}.Out}}"));
        let _ = writeln!(
            text,
            "  - {{name: s{index}, template_path: t.yml, variables: {{Size: {size}, In: \"{source}\"}}}}"
        );
    }
    text
}
