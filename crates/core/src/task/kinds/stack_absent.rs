//! `stack_absent`: a stack that is not to be there.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::super::{
    Contents, Gives, Keeps, ReadContext, TaskChange, TaskDone, TaskFailure, TaskKind, WriteContext,
};
use super::arguments::Problems;
use super::changes::nothing;
use super::stack;

pub(super) struct StackAbsent;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    name: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State(Option<stack::Seen>);

#[async_trait]
impl TaskKind for StackAbsent {
    const KIND: &'static str = "stack_absent";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const KEEPS: Keeps = Keeps::NoStack;
    const SERVICE: &'static str = "cloudformation";
    const GIVES: Gives = Gives::NOTHING;
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        spec.name.clone()
    }

    fn contents(spec: &Spec, state: &State) -> Option<Contents> {
        state.0.as_ref().and_then(|seen| seen.contents(&spec.name))
    }

    fn undeletable(spec: &Spec, state: &State) -> Option<TaskFailure> {
        state.0.as_ref().and_then(|seen| seen.undeletable(&spec.name))
    }

    fn check(spec: &Spec) -> Vec<String> {
        Problems::default().length("name", &spec.name, 128).signs("name", &spec.name, "-").take()
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        Ok(State(stack::read(context, &spec.name, true).await?))
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        stack::diff_absent(&spec.name, state.0.as_ref())
    }

    /// What is gone stays gone.
    fn diff_removed(&self, _spec: &Spec, _state: &State) -> TaskChange {
        nothing()
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        _planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        stack::remove(context, &spec.name).await
    }
}
