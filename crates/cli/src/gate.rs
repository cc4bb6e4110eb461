//! Shows a plan and asks whether to carry it out.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use miette::Diagnostic;
use runway_core::engine::{Approval, Gate, Planned};
use runway_core::error::{Finding, Problem};
use runway_core::exit::ExitCode;
use runway_core::plan::{Loss, Purpose};
use runway_core::render;
use runway_core::render::details::Depth;
use runway_core::render::text::TextOptions;
use thiserror::Error;

use crate::output::{self, Output};

/// Asks at the terminal, unless `--yes` or CI answers.
pub(crate) struct Ask {
    pub(crate) output: Output,
    /// `--yes` or CI.
    pub(crate) standing: bool,
    /// Protected stacks that may be updated without asking.
    pub(crate) approve_protected: Vec<String>,
    /// How much a plan tells.
    pub(crate) depth: Depth,
    /// Set once a plan was shown: from then on progress speaks for itself.
    pub(crate) shown: AtomicBool,
    /// Progress is JSON on standard output, so the plan is too.
    pub(crate) json: bool,
}

impl Ask {
    /// Prints a plan and its warnings where a person (or program) looks for it.
    pub(crate) fn show(&self, planned: &Planned) {
        self.shown.store(true, Ordering::Relaxed);
        self.output.findings(&planned.warnings, ExitCode::Ok);
        if self.json {
            let document = self.output.targeted(&render::json::plan(&planned.plan));
            self.output.data(&output::one_line(&document));
        } else {
            let options =
                TextOptions { width: self.output.width, style: self.output.style, depth: self.depth };
            self.output.data(&self.output.headed(&render::text::plan(&planned.plan, &options)));
        }
    }
}

impl Ask {
    /// Protected stacks that the plan updates and that were not approved by name.
    fn protected(&self, planned: &Planned) -> Vec<String> {
        let steps = planned.plan.steps.iter().filter(|step| step.is_protected());
        let names = steps.map(|step| step.name.as_str().to_owned());
        names.filter(|name| !self.approve_protected.contains(name)).collect()
    }

    fn refuse(&self, problem: GateProblem) -> Approval {
        self.output.findings(&[Finding::general(problem)], ExitCode::Refused);
        Approval::Refused(ExitCode::Refused)
    }
}

/// Why a plan is not carried out.
#[derive(Debug, Error, Diagnostic)]
enum GateProblem {
    #[error("nothing was changed: there is no terminal to ask for approval")]
    #[diagnostic(
        code(run::not_approved),
        help("--yes (or the variable CI) approves the plan without asking")
    )]
    NobodyToAsk,

    #[error("nothing was changed: the plan loses, or may lose, data of {lost}")]
    #[diagnostic(
        code(run::data_loss),
        help(
            "a person may approve the plan at a terminal; otherwise {allow}, an entry of `acknowledge` in the config, or a DeletionPolicy and UpdateReplacePolicy that keep the data"
        )
    )]
    DataLoss { lost: String, allow: String },

    #[error("nothing was changed: the config protects stacks that the plan updates: {stacks}")]
    #[diagnostic(
        code(run::protected),
        help(
            "a person may approve the plan at a terminal; otherwise name each stack: --approve-protected NAME"
        )
    )]
    Protected { stacks: String },
}

impl Problem for GateProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Refused
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
            let lost: Vec<String> = planned.plan.refused_losses().map(Loss::allow).collect();
            if !lost.is_empty() {
                let allow = lost.iter().map(|what| format!("--allow {what}")).collect::<Vec<_>>().join(" ");
                return self.refuse(GateProblem::DataLoss { lost: lost.join(", "), allow });
            }
            let protected = self.protected(planned);
            if protected.is_empty() {
                return Approval::Standing;
            }
            return self.refuse(GateProblem::Protected { stacks: protected.join(", ") });
        }
        if !output::can_ask() {
            return self.refuse(GateProblem::NobodyToAsk);
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
