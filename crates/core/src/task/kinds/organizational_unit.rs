//! `organizational_unit`: a unit of an organization, with the units above it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::{
    Change, Given, Gives, Keeps, ReadContext, Service, TaskAction, TaskChange, TaskDone, TaskFailure,
    TaskKind, WriteContext,
};
use super::arguments::{Problems, Wanted};
use super::calls::{change, failure, refused, text, unless};
use super::changes::{Details, Outputs, nothing};
use super::organization;

const CREATE: Change = Change::new(Service::Organizations, "CreateOrganizationalUnit");
const DELETE: Change = Change::new(Service::Organizations, "DeleteOrganizationalUnit");

pub(super) struct OrganizationalUnit;

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    path: String,
    #[serde(default)]
    state: Wanted,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    /// Id of the deepest unit that is there; of the root, if none is.
    parent: String,
    /// Names on the path that are not there yet.
    missing: Vec<String>,
    /// The unit itself, if it is there.
    unit: Option<Seen>,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    id: String,
    arn: String,
}

#[async_trait]
impl TaskKind for OrganizationalUnit {
    const KIND: &'static str = "organizational_unit";
    const REVISION: u32 = 1;
    const RETAINS: bool = true;
    const KEEPS: Keeps = Keeps::Global;
    const SERVICE: &'static str = "organizations";
    const GIVES: Gives = Gives::only(&[Given::staying("id", &[]), Given::staying("arn", &[])]);
    type Spec = Spec;
    type State = State;

    fn subject(spec: &Spec) -> String {
        format!("/{}", organization::names(&spec.path).join("/"))
    }

    fn check(spec: &Spec) -> Vec<String> {
        let mut problems = Problems::default();
        if let Some(problem) = organization::problem(&spec.path) {
            problems.when(true, problem);
        }
        problems.when(
            organization::names(&spec.path).is_empty(),
            "`path` is the root, which is always there; write for example `/workloads`",
        );
        // The limit of Organizations.
        problems.when(
            organization::names(&spec.path).len() > 5,
            "`path` has more than five names: units can be nested five deep",
        );
        problems.take()
    }

    fn keeps_receipt(spec: &Spec) -> bool {
        spec.state == Wanted::Present
    }

    async fn read(&self, context: &ReadContext<'_>, spec: &Spec) -> Result<State, TaskFailure> {
        let mut state = State { parent: organization::root(context).await?, missing: Vec::new(), unit: None };
        for name in organization::names(&spec.path) {
            let found = match state.missing.is_empty() {
                true => organization::child(context, &state.parent, name).await?,
                false => None,
            };
            match found {
                Some(unit) => {
                    state.parent.clone_from(&unit.id);
                    state.unit = Some(Seen { id: unit.id, arn: unit.arn });
                }
                None => state.missing.push(name.to_owned()),
            }
        }
        if !state.missing.is_empty() {
            state.unit = None;
        }
        Ok(state)
    }

    fn diff(&self, spec: &Spec, state: &State) -> TaskChange {
        if spec.state == Wanted::Absent {
            return self.diff_removed(spec, state);
        }
        let mut details = Details::default();
        if let Some(unit) = &state.unit {
            return details.update(outputs(&unit.id, &unit.arn));
        }
        let names = organization::names(&spec.path);
        let there = names.len() - state.missing.len().min(names.len());
        for depth in there..names.len() {
            details.text("path", None, Some(&format!("/{}", names[..=depth].join("/"))));
        }
        details.of(TaskAction::Create, Outputs::default())
    }

    fn diff_removed(&self, spec: &Spec, state: &State) -> TaskChange {
        if state.unit.is_none() {
            return nothing();
        }
        let mut details = Details::default();
        details.text("path", Some(&Self::subject(spec)), None);
        details.of(TaskAction::Delete, Outputs::default())
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Spec,
        planned: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        let mut state = self.read(&context.read, spec).await?;
        if planned.action == TaskAction::Delete {
            if let Some(unit) = &state.unit {
                delete(context, spec, &unit.id).await?;
            }
            return Ok(TaskDone::default());
        }
        let (mut parent, mut unit) = (state.parent, state.unit.take());
        for name in &state.missing {
            let made = match change(context, CREATE, &json!({"ParentId": parent, "Name": name})).await {
                Ok(answer) => {
                    let of = |pointer: &str| text(&answer, pointer);
                    of("/OrganizationalUnit/Id").zip(of("/OrganizationalUnit/Arn"))
                }
                // An answer may have been lost: then it is there.
                Err(failed) if failed.is(&["DuplicateOrganizationalUnitException"]) => {
                    let found = organization::child(&context.read, &parent, name).await?;
                    found.map(|unit| (unit.id, unit.arn))
                }
                Err(failed) => return Err(failed.into()),
            };
            let Some((id, arn)) = made else {
                return Err(failure(
                    format!("the organizational unit {name} was created, but is not there"),
                    "run the command again; something else may be deleting it",
                ));
            };
            parent.clone_from(&id);
            unit = Some(Seen { id, arn });
        }
        Ok(unit.map(|unit| outputs(&unit.id, &unit.arn).into()).unwrap_or_default())
    }
}

async fn delete(context: &WriteContext<'_>, spec: &Spec, id: &str) -> Result<(), TaskFailure> {
    let input = json!({"OrganizationalUnitId": id});
    match unless(change(context, DELETE, &input).await, &["OrganizationalUnitNotFoundException"]) {
        Err(failed) if failed.is(&["OrganizationalUnitNotEmptyException"]) => {
            Err(refused(failed, format!("move the accounts and delete the units below {} first", spec.path)))
        }
        answer => {
            answer?;
            Ok(())
        }
    }
}

fn outputs(id: &str, arn: &str) -> Outputs {
    Outputs::default().with("id", id).with("arn", arn)
}
