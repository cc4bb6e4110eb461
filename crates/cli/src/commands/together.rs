//! What the targets of a run have in common.

use std::sync::{Arc, Mutex};

use runway_core::clock::Clock;
use runway_core::engine::Interrupt;
use runway_core::plan::saved::SavedPlan;

use super::Context;
use super::pages::Pages;
use super::session::Session;
use crate::output::Output;
use crate::selection::Strays;
use crate::work::{Turns, Work};

/// What all targets of a run share.
pub(super) struct Together<'t> {
    pub(super) works: &'t [&'t Work],
    pub(super) output: &'t Output,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) interrupt: &'t Interrupt,
    pub(super) turns: &'t Turns,
    pub(super) pages: &'t Pages,
    pub(super) planned: &'t Mutex<Vec<SavedPlan>>,
}

impl Together<'_> {
    /// The session of one target; `beside` says whether others go on at the same time.
    pub(super) fn session<'s>(
        &'s self,
        context: &'s Context,
        work: &'s Work,
        strays: &'s Strays<'s>,
        beside: bool,
    ) -> Session<'s> {
        Session {
            context,
            work,
            strays,
            output: self.output.of(work.label.as_deref(), beside),
            clock: Arc::clone(&self.clock),
            interrupt: self.interrupt,
            at: self.works.iter().position(|other| std::ptr::eq(*other, work)).unwrap_or_default(),
            pages: self.pages,
            turns: self.turns,
            planned: self.planned,
        }
    }
}
