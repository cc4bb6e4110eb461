//! Tasks under way.

use std::collections::BTreeSet;

use super::Run;
use crate::engine::step::SubmitError;
use crate::engine::task::{self, TaskEnd};
use crate::event::Outcome;
use crate::ident::NodeName;
use crate::plan::Action;

impl Run<'_, '_> {
    /// Begins the turn of a task.
    pub(super) fn start_task(&mut self, name: &NodeName) {
        let changed: BTreeSet<NodeName> = self.changed_at.keys().cloned().collect();
        match task::turn(&self.execution, &self.world, name, &changed, &self.printed.0) {
            Ok(Some(turn)) => self.tasks.push(turn),
            Ok(None) => {
                // It was due for all that was known.
                let known = self.world.state.tasks.get(name).cloned();
                self.executed.tasks.extend(known.map(|facts| (name.clone(), facts)));
                self.nothing_left(name);
            }
            Err(failure) => self.end(name, Outcome::Failed(failure)),
        }
    }

    /// Takes in what a task came to.
    pub(super) fn task_ended(&mut self, name: &NodeName, result: Result<TaskEnd, SubmitError>) {
        match result {
            Ok(TaskEnd { did, gives, outputs, facts, receipt }) => {
                if let Some(receipt) = receipt {
                    self.execution.engine.keep_receipt(&receipt);
                }
                self.execution.engine.asked.learn_task_outputs(name, gives, &outputs);
                self.world.outputs.insert(name.clone(), outputs);
                self.executed.tasks.extend(facts.map(|facts| (name.clone(), facts)));
                if let Some(flight) = self.flights.get_mut(name) {
                    flight.did = Some(did);
                }
                self.end(name, if did == Action::None { Outcome::Unchanged } else { Outcome::Done });
            }
            Err(SubmitError::Failed(failure)) => self.end(name, Outcome::Failed(failure)),
            Err(SubmitError::LockLost) => {
                self.lock_lost(None);
                self.end(name, Outcome::Abandoned);
            }
        }
    }
}
