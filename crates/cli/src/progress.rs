//! Progress: live lines on a terminal, plain lines in a log, JSON lines for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use runway_core::event::{Event, Outcome, Reporter};
use runway_core::ident::NodeName;
use runway_core::render::events;
use runway_core::render::style::{Mark, Style, harmless, shortened};

use crate::output::{Output, is_live};

/// The reporter that fits the output.
pub(crate) fn reporter(output: &Output, json: bool, ci: bool) -> Box<dyn Reporter> {
    if json {
        return Box::new(JsonLines(output.clone()));
    }
    // Requests that are told one by one would tear the live lines apart.
    if output.quiet == 0 && is_live() && !ci && !output.verbose && !output.is_one_of_many {
        return Box::new(Live::new(output.clone()));
    }
    Box::new(Lines(output.clone()))
}

/// One JSON object a line on standard output.
struct JsonLines(Output);

impl Reporter for JsonLines {
    fn event(&mut self, event: &Event) {
        self.0.data(&self.0.targeted(&format!("{}\n", events::json_line(event))));
    }
}

/// One line an event on standard error.
struct Lines(Output);

impl Reporter for Lines {
    fn event(&mut self, event: &Event) {
        for line in events::lines(event) {
            print(&self.0, event, &line);
        }
    }
}

/// Failures and the end are worth a line even when progress is off.
fn print(output: &Output, event: &Event, line: &str) {
    let line = painted(output.error_style, event, line);
    match event {
        Event::StepFinished { outcome: Outcome::Failed(_), .. } | Event::LockLost { .. } => {
            output.essential(&line);
        }
        Event::RunFinished { failed, .. } if !failed.is_empty() => output.essential(&line),
        Event::RunFinished { .. } => output.message(&line),
        _ => output.progress(&line),
    }
}

fn painted(style: Style, event: &Event, line: &str) -> String {
    let mark = match event {
        Event::StepFinished { outcome: Outcome::Failed(_), .. } | Event::LockLost { .. } => Mark::Delete,
        Event::StepFinished { outcome: Outcome::Done, .. } => Mark::Good,
        Event::StepBlocked { .. } | Event::Interrupted { .. } | Event::Warning { .. } => Mark::Warning,
        Event::RunFinished { failed, .. } if !failed.is_empty() => Mark::Delete,
        Event::RunFinished { .. } => Mark::Strong,
        _ => Mark::Faint,
    };
    style.paint(mark, line)
}

/// A live line for every running stack; what is over stands above.
struct Live {
    output: Output,
    bars: MultiProgress,
    running: BTreeMap<NodeName, ProgressBar>,
}

impl Live {
    fn new(output: Output) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { output, bars, running: BTreeMap::new() }
    }

    fn message(&self, name: &NodeName, text: &str) {
        if let Some(bar) = self.running.get(name) {
            let width = self.output.width.saturating_sub(16);
            bar.set_message(shortened(&harmless(&format!("{name}: {text}")), width));
        }
    }
}

impl Reporter for Live {
    fn event(&mut self, event: &Event) {
        match event {
            Event::StepStarted { name, action, .. } => {
                let bar = self.bars.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed:>4} {msg}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(Duration::from_millis(120));
                self.running.insert(name.clone(), bar);
                self.message(name, events::doing(*action));
                return;
            }
            Event::StackStatus { name, status } => {
                self.message(name, status);
                return;
            }
            Event::Resource { name, logical_id, resource_type, status, reason } => {
                let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                self.message(name, &format!("{logical_id} ({resource_type}) {status}{reason}"));
                return;
            }
            Event::StepFinished { name, .. } => {
                if let Some(bar) = self.running.remove(name) {
                    bar.finish_and_clear();
                    self.bars.remove(&bar);
                }
            }
            _ => {}
        }
        let output = &self.output;
        self.bars.suspend(|| {
            for line in events::lines(event) {
                print(output, event, &line);
            }
        });
    }
}
