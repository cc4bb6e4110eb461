//! What was measured, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::project::Shape;
use super::{ACTIONS, Action, Program};

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) peak_mb: f64,
    pub(crate) requests: BTreeMap<String, usize>,
    pub(crate) code: i64,
}

/// Times of runs that ask nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartUp {
    pub(crate) version: Duration,
    pub(crate) config_error: Duration,
}

/// What the two programs left behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparison {
    pub(crate) stacks_equal: bool,
    pub(crate) graphs_equal: bool,
    /// Nodes of the graph after deploy, update and destroy: Runway's and ours.
    pub(crate) nodes: Vec<(usize, usize)>,
}

/// Everything of one run of the benchmark.
#[derive(Debug)]
pub(crate) struct Report {
    start_up: StartUp,
    pub(crate) rows: BTreeMap<(Shape, Action, Program), Measured>,
    pub(crate) comparisons: Vec<(Shape, Comparison)>,
}

/// Seconds between two looks of Runway at a stack: as measured, and unless told otherwise.
const POLL: (f64, f64) = (1.0, 30.0);

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::PlanNew => "plan, all new",
            Self::Deploy => "first deploy",
            Self::Again => "no-op deploy, the first",
            Self::Known => "no-op deploy",
            Self::PlanSame => "plan, no change",
            Self::UpdateOne => "update one",
            Self::Destroy => "destroy",
        }
    }
}

impl Measured {
    fn total(&self) -> usize {
        self.requests.values().sum()
    }
}

impl Report {
    pub(crate) fn new(start_up: StartUp) -> Self {
        Self { start_up, rows: BTreeMap::new(), comparisons: Vec::new() }
    }

    /// The whole report.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::from(HEAD);
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let _ = writeln!(
            text,
            "Start-up of runway-rs, median: `--version` {:.1} ms, a config error {:.1} ms.\n",
            ms(self.start_up.version),
            ms(self.start_up.config_error)
        );
        self.runs(&mut text);
        self.default_poll(&mut text);
        self.ends(&mut text);
        self.requests(&mut text);
        text
    }

    fn pairs(&self) -> impl Iterator<Item = (Shape, Action, &Measured, &Measured)> {
        let shapes: Vec<Shape> = self.comparisons.iter().map(|(shape, _)| *shape).collect();
        shapes.into_iter().flat_map(|shape| ACTIONS.map(|action| (shape, action))).filter_map(
            |(shape, action)| {
                let of = |program| self.rows.get(&(shape, action, program));
                Some((shape, action, of(Program::Runway)?, of(Program::RunwayRs)?))
            },
        )
    }

    /// Requests, wall time and CPU time of Runway divided by ours, if both were measured.
    pub(crate) fn ratios(&self, shape: &str, action: Action) -> Option<[f64; 3]> {
        let (_, _, theirs, ours) =
            self.pairs().find(|pair| pair.0.to_string() == shape && pair.1 == action)?;
        let requests = |measured: &Measured| f64::from(u32::try_from(measured.total()).unwrap_or(u32::MAX));
        let per = |theirs: f64, ours: f64| theirs / ours.max(0.001);
        Some([
            per(requests(theirs), requests(ours)),
            per(theirs.wall_s, ours.wall_s),
            per(theirs.cpu_s, ours.cpu_s),
        ])
    }

    fn runs(&self, text: &mut String) {
        text.push_str("## Runs\n\nEach cell: Runway / runway-rs. The last two columns are Runway's divided by ours.\n\n");
        text.push_str("| shape | run | wall s | CPU s | peak MB | requests | wall | CPU |\n");
        text.push_str("|---|---|---|---|---|---|---|---|\n");
        for (shape, action, theirs, ours) in self.pairs() {
            let failed =
                if theirs.code == 0 { String::new() } else { format!(" (Runway: exit {})", theirs.code) };
            let _ = writeln!(
                text,
                "| {shape} | {}{failed} | {:.2} / {:.2} | {:.2} / {:.3} | {:.0} / {:.0} | {} / {} | {:.1} | {:.0} |",
                action.name(),
                theirs.wall_s,
                ours.wall_s,
                theirs.cpu_s,
                ours.cpu_s,
                theirs.peak_mb,
                ours.peak_mb,
                theirs.total(),
                ours.total(),
                theirs.wall_s / ours.wall_s,
                theirs.cpu_s / ours.cpu_s.max(0.001),
            );
        }
        text.push('\n');
    }

    /// Runway's default settings, reckoned from what was measured.
    fn default_poll(&self, text: &mut String) {
        let chains =
            self.pairs().filter(|(shape, action, ..)| *action == Action::Deploy && shape.levels() > 1);
        let _ = write!(
            text,
            "## With Runway's default settings\n\nRunway looks at a running stack once in {:.0} s unless `CFNGIN_STACK_POLL_TIME` says otherwise; above it \
             was {:.0} s. Every level of the graph waits for at least one look, so the first deploy takes longer by the difference \
             once a level. The sum, not a measurement:\n\n| shape | levels | Runway s | runway-rs s | ratio |\n|---|---|---|---|---|\n",
            POLL.1, POLL.0
        );
        for (shape, _, theirs, ours) in chains {
            let levels = shape.levels();
            let sum = theirs.wall_s + (POLL.1 - POLL.0) * levels as f64;
            let _ = writeln!(
                text,
                "| {shape} | {levels} | {sum:.0} | {:.2} | {:.0} |",
                ours.wall_s,
                sum / ours.wall_s
            );
        }
        text.push('\n');
    }

    fn ends(&self, text: &mut String) {
        text.push_str(
            "## What is left behind\n\nStacks are compared with status, template, parameters, outputs and tags, after the first deploy, \
             the update and the destroy. Runway writes its graph from several threads at once and can lose entries; ours has \
             to hold every stack.\n\n| shape | stacks | graphs | nodes, Runway / runway-rs, after each |\n|---|---|---|---|\n",
        );
        for (shape, comparison) in &self.comparisons {
            let equal = |yes: bool| if yes { "equal" } else { "differ" };
            let nodes: Vec<String> =
                comparison.nodes.iter().map(|(theirs, ours)| format!("{theirs} / {ours}")).collect();
            let _ = writeln!(
                text,
                "| {shape} | {} | {} | {} |",
                equal(comparison.stacks_equal),
                equal(comparison.graphs_equal),
                nodes.join(", ")
            );
        }
        text.push('\n');
    }

    fn requests(&self, text: &mut String) {
        text.push_str(
            "## Requests by operation\n\n| shape | run | program | requests |\n|---|---|---|---|\n",
        );
        for (shape, action, theirs, ours) in self.pairs() {
            for (name, measured) in [("Runway", theirs), ("runway-rs", ours)] {
                let all: Vec<String> = measured
                    .requests
                    .iter()
                    .map(|(operation, count)| format!("{operation} {count}"))
                    .collect();
                let _ = writeln!(text, "| {shape} | {} | {name} | {} |", action.name(), all.join(", "));
            }
        }
    }
}

const HEAD: &str = "# Beside Runway

Written by `cargo xtask bench --write`: Runway 2.8.4 and a release build of runway-rs, one after the other on the same moto server, on one
machine with two cores that client and server share. One run a cell; compare ratios, not seconds. moto answers at once and takes 3 to 9 ms
for a request, so what is compared is the programs' own cost and the number of their requests. CPU and peak memory are the client's.

";
