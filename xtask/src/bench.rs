//! Runway and runway-rs on the same emulator, in one run: what each run costs, and whether both leave the same behind.

pub(crate) mod assets;
mod delay;
mod project;
mod report;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chore::{Failure, root, say};
use crate::{dist, python};
use project::{Project, Shape};
use report::{Comparison, Measured, Report, StartUp};
use server::Server;

/// What is measured, in this order.
const ACTIONS: [Action; 7] = [
    Action::PlanNew,
    Action::Deploy,
    Action::Again,
    Action::Known,
    Action::PlanSame,
    Action::UpdateOne,
    Action::Destroy,
];

/// The shape whose runs without changes have to be so many times cheaper than Runway's.
const HELD: &str = "flat:200";
/// Runway's requests, seconds and seconds of CPU, divided by ours, at least.
const AT_LEAST: [(&str, f64); 3] = [("requests", 80.0), ("wall time", 10.0), ("CPU time", 40.0)];

/// The two programs.
const PROGRAMS: [Program; 2] = [Program::Runway, Program::RunwayRs];

/// How often start-up is measured.
const START_UPS: usize = 31;

/// Region of all stacks.
const REGION: &str = "us-east-1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Runway,
    RunwayRs,
}

/// One run of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Plan of stacks that do not exist yet.
    PlanNew,
    /// First deploy.
    Deploy,
    /// Deploy without a change; what is learned is kept.
    Again,
    /// The same with what was learned.
    Known,
    /// Plan without a change.
    PlanSame,
    /// Deploy with one changed parameter.
    UpdateOne,
    Destroy,
}

/// Measures the shapes (`flat:10`; all of them if none is named), prints a Markdown report, and keeps it under
/// `docs/` if `write` is set.
///
/// # Errors
/// If something cannot be built, installed or started, or if a run of ours does not end with success.
pub(crate) fn run_bench(shapes: &[String], write: bool) -> Result<(), Failure> {
    let shapes: Vec<Shape> = match shapes {
        [] => Shape::all(),
        named => named.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
    };
    python::install("moto")?;
    python::install("runway")?;
    let ours = dist::build()?;
    let place = root().join("target/bench");
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    fs_err::create_dir_all(&place)?;
    let server = Server::start()?;
    let mut report = Report::new(start_up(&ours, &place)?);
    for shape in shapes {
        say(&format!("{shape}:"));
        let mut ends = BTreeMap::new();
        for program in PROGRAMS {
            let place = place.join(format!("{shape}-{program:?}"));
            let bench = Bench { server: &server, ours: &ours, place, program };
            let (rows, left) = bench.all_actions(shape)?;
            report
                .rows
                .extend(rows.into_iter().map(|(action, measured)| ((shape, action, program), measured)));
            ends.insert(program, left);
        }
        report.comparisons.push((shape, compare(&ends)));
    }
    let text = report.to_markdown();
    if write {
        fs_err::write(root().join("docs/benchmark.md"), &text)?;
    }
    crate::chore::print(&text);
    held(&report)
}

/// Whether a run without changes is as cheap beside Runway's as it has to be, if that was measured.
fn held(report: &Report) -> Result<(), Failure> {
    let Some(ratios) = report.ratios(HELD, Action::Known) else { return Ok(()) };
    for ((what, least), ratio) in AT_LEAST.into_iter().zip(ratios) {
        say(&format!("no-op deploy of {HELD}, {what}: Runway {ratio:.0} times as much, {least:.0} wanted"));
    }
    let missed = AT_LEAST.iter().zip(ratios).find(|((_, least), ratio)| ratio < least);
    match missed {
        Some(((what, least), ratio)) => Err(format!("{what}: {ratio:.1} times, not {least}").into()),
        None => Ok(()),
    }
}

struct Bench<'a> {
    server: &'a Server,
    /// The release binary of runway-rs.
    ours: &'a Path,
    place: PathBuf,
    program: Program,
}

/// Stacks and graph after each deploy.
type Left = Vec<(Value, Option<Value>)>;

impl Bench<'_> {
    fn all_actions(&self, shape: Shape) -> Result<(Vec<(Action, Measured)>, Left), Failure> {
        self.server.reset()?;
        self.server.make_bucket(REGION)?;
        let project = Project { shape, changed: false };
        project.write(&self.place)?;
        let (mut rows, mut left) = (Vec::new(), Vec::new());
        for action in ACTIONS {
            if action == Action::UpdateOne {
                Project { changed: true, ..project }.write(&self.place)?;
            }
            let measured = self.measure(action)?;
            say(&format!("  {:?} {action:?}: {:.2} s", self.program, measured.wall_s));
            rows.push((action, measured));
            if matches!(action, Action::Deploy | Action::UpdateOne | Action::Destroy) {
                left.push((self.server.stacks(REGION)?, self.server.graph()?));
            }
        }
        Ok((rows, left))
    }

    fn measure(&self, action: Action) -> Result<Measured, Failure> {
        self.server.forget_requests()?;
        let result = self.place.join("measured.json");
        let log = fs_err::File::create(self.place.join(format!("{action:?}.log")))?;
        let mut command = Command::new(python::interpreter("moto"));
        command.arg(root().join("tests/python/measure.py")).arg(&result);
        command.args(self.command_line(action)).current_dir(&self.place);
        command.env_clear().envs(self.server.client_environment(&self.place, REGION));
        if self.program == Program::Runway {
            // Runway looks once in 30 s unless told otherwise; the report says what that means.
            command.envs([("CI", "1"), ("DEPLOY_ENVIRONMENT", "test"), ("CFNGIN_STACK_POLL_TIME", "1")]);
        }
        let error_log = log.file().try_clone()?;
        let status = command.stdin(Stdio::null()).stdout(log.into_parts().0).stderr(error_log).status()?;
        if !status.success() {
            return Err(format!("measure.py ended with {status}").into());
        }
        let measured = read_measured(&result, self.server)?;
        if measured.code != 0 && self.program == Program::RunwayRs {
            return Err(
                format!("runway-rs ended with {}: see {}", measured.code, self.place.display()).into()
            );
        }
        Ok(measured)
    }

    fn command_line(&self, action: Action) -> Vec<String> {
        let verb = match action {
            Action::PlanNew | Action::PlanSame => "plan",
            Action::Deploy | Action::Again | Action::Known | Action::UpdateOne => "deploy",
            Action::Destroy => "destroy",
        };
        match self.program {
            Program::Runway => {
                let runway = python::interpreter("runway").with_file_name("runway");
                vec![runway.display().to_string(), verb.to_owned()]
            }
            Program::RunwayRs => {
                let mut line = vec![self.ours.display().to_string(), verb.to_owned()];
                line.extend(
                    ["-c", "infra.cfn/cfngin.yml", "--param", "namespace=example"].map(str::to_owned),
                );
                if verb != "plan" {
                    line.push("--yes".to_owned());
                }
                line
            }
        }
    }
}

/// What `measure.py` wrote, and the requests that the server counted meanwhile.
fn read_measured(result: &Path, server: &Server) -> Result<Measured, Failure> {
    let measured: Value = serde_json::from_str(&fs_err::read_to_string(result)?)?;
    let number = |name: &str| measured[name].as_f64().unwrap_or_default();
    Ok(Measured {
        wall_s: number("wall_s"),
        cpu_s: number("cpu_s"),
        peak_mb: number("peak_kb") / 1024.0,
        requests: server.requests()?,
        code: measured["code"].as_i64().unwrap_or(-1),
    })
}

/// Median times from start to end of a run that needs no cloud.
fn start_up(ours: &Path, place: &Path) -> Result<StartUp, Failure> {
    let config = place.join("mistaken.yml");
    fs_err::write(&config, "namespace: example\nstacks:\n  - name: a\n    tempalte_path: t.yml\n")?;
    let config = config.display().to_string();
    Ok(StartUp {
        version: median(ours, &["--version"], 0)?,
        config_error: median(ours, &["validate", "-c", &config], 10)?,
    })
}

fn median(ours: &Path, arguments: &[&str], code: i32) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..START_UPS {
        let mut command = Command::new(ours);
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status()?;
        times.push(start.elapsed());
        if status.code() != Some(code) {
            return Err(format!("runway-rs {} ended with {status}", arguments.join(" ")).into());
        }
    }
    times.sort_unstable();
    Ok(times[START_UPS / 2])
}

fn compare(ends: &BTreeMap<Program, Left>) -> Comparison {
    let (Some(theirs), Some(ours)) = (ends.get(&Program::Runway), ends.get(&Program::RunwayRs)) else {
        return Comparison::default();
    };
    let names =
        |graph: &Option<Value>| graph.as_ref().and_then(Value::as_object).map_or(0, serde_json::Map::len);
    let pairs = || theirs.iter().zip(ours);
    Comparison {
        stacks_equal: pairs().all(|(theirs, ours)| theirs.0 == ours.0),
        graphs_equal: pairs().all(|(theirs, ours)| sorted(theirs.1.as_ref()) == sorted(ours.1.as_ref())),
        nodes: pairs().map(|(theirs, ours)| (names(&theirs.1), names(&ours.1))).collect(),
    }
}

/// A graph without the order of its arrays, which means nothing. An absent object is an empty graph.
fn sorted(graph: Option<&Value>) -> Option<BTreeMap<String, Vec<String>>> {
    let Some(graph) = graph else { return Some(BTreeMap::new()) };
    let mut graph: BTreeMap<String, Vec<String>> = serde_json::from_value(graph.clone()).ok()?;
    graph.values_mut().for_each(|needs| needs.sort_unstable());
    Some(graph)
}
