//! Shows a plan and asks whether to carry it out.

use async_trait::async_trait;
use runway_core::engine::{Approval, Gate, Planned};
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::render;
use runway_core::render::text::TextOptions;

use crate::output::{self, Output};

/// Asks at the terminal, unless `--yes` or CI answers.
pub(crate) struct Ask {
    pub(crate) output: Output,
    /// `--yes` or CI.
    pub(crate) standing: bool,
    /// Progress is JSON on standard output, so the plan is too.
    pub(crate) json: bool,
}

impl Ask {
    /// Prints a plan and its warnings where a person (or program) looks for it.
    pub(crate) fn show(&self, planned: &Planned) {
        self.output.findings(&planned.warnings, ExitCode::Ok);
        if self.json {
            let line: String = render::json::plan(&planned.plan).lines().map(str::trim_start).collect();
            self.output.data(&format!("{line}\n"));
        } else {
            let options = TextOptions { width: self.output.width, style: self.output.style };
            self.output.data(&render::text::plan(&planned.plan, &options));
        }
    }
}

#[async_trait]
impl Gate for Ask {
    async fn approve(&self, planned: &Planned, again: u32) -> Approval {
        if again > 0 {
            self.output.message("the world changed since the last plan; this is the new one:");
        }
        self.show(planned);
        if self.standing {
            return Approval::Standing;
        }
        if !output::can_ask() {
            self.output.message(
                "error: nothing was changed: there is no terminal to ask for approval\nhelp: --yes (or the variable CI) approves the plan without asking",
            );
            return Approval::Refused(ExitCode::Refused);
        }
        let question = match planned.plan.purpose {
            Purpose::Deploy => "Carry out this plan?",
            Purpose::Destroy => "Delete these stacks?",
        };
        let output = self.output.clone();
        let answer = tokio::task::spawn_blocking(move || output.ask(question)).await.unwrap_or(false);
        if answer {
            Approval::Person
        } else {
            self.output.message("nothing was changed");
            Approval::Refused(ExitCode::Ok)
        }
    }
}
