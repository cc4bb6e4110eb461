//! Checks of change sets.

use std::time::Duration;

use super::{Checked, Suite, handle};
use crate::provider::{
    AnnouncedAction, ChangeSet, ChangeSetKind, ChangeSetRef, ChangeSetRequest, ChangeSetStatus, ErrorKind,
    StackStatus,
};

impl Suite<'_> {
    fn change_set(&self, kind: ChangeSetKind, name: &str, label: &str) -> ChangeSetRequest {
        ChangeSetRequest { kind, name: "suite".to_owned(), stack: self.labelled(name, label) }
    }

    /// Waits until a change set is worked out.
    async fn worked_out(&self, set: &ChangeSetRef) -> Checked<ChangeSet> {
        for _ in 0..600 {
            match self.answer(self.cloud.describe_change_set(set).await)? {
                Some(seen) if seen.status == ChangeSetStatus::InProgress => {
                    self.clock.sleep(Duration::from_secs(1)).await;
                }
                Some(seen) => return Ok(seen),
                None => break,
            }
        }
        Err(self.broken(format!("the change set {} was not worked out", set.as_str())))
    }

    /// Create and update by change sets.
    pub(super) async fn change_sets(&self) -> Checked {
        let request = self.change_set(ChangeSetKind::Create, "set", "one");
        let made = self.answer(self.cloud.create_change_set(&request).await)?;
        let set = ChangeSetRef::Id(made.id);
        let seen = self.worked_out(&set).await?;
        self.ensure(seen.status == ChangeSetStatus::Ready, || format!("a change set is {seen:?}"))?;
        let state = self.answer(self.cloud.describe_stack(&request.stack.stack).await)?;
        let in_review = state
            .as_ref()
            .is_some_and(|state| state.status == StackStatus::ReviewInProgress && state.id == made.stack);
        self.ensure(in_review, || format!("a stack in review is {state:?}"))?;
        let announced = self.answer(self.cloud.change_set_changes(&set, None).await)?;
        let says = announced.changes.iter().any(|change| {
            (change.logical_id.as_str(), change.action) == ("Entry", AnnouncedAction::Add)
                && change.resource_type == "AWS::SSM::Parameter"
        });
        self.ensure(says, || format!("a change set that creates says {announced:?}"))?;
        let stack = crate::provider::StackRef::Id(made.stack.clone());
        let listed = self.answer(self.cloud.list_change_sets(&stack, None).await)?;
        let is_it = listed.sets.iter().map(|listed| listed.id.as_str()).eq([set.as_str()]);
        self.ensure(is_it, || format!("the change sets are {listed:?}"))?;
        self.answer(self.cloud.execute_change_set(&set, &self.token()).await)?;
        self.reaches(&request.stack.stack, StackStatus::CreateComplete).await?;

        let request = self.change_set(ChangeSetKind::Update, "set", "two");
        let made = self.answer(self.cloud.create_change_set(&request).await)?;
        let set = ChangeSetRef::Id(made.id);
        let seen = self.worked_out(&set).await?;
        self.ensure(seen.status == ChangeSetStatus::Ready, || format!("a change set is {seen:?}"))?;
        self.answer(self.cloud.execute_change_set(&set, &self.token()).await)?;
        let state = self.reaches(&request.stack.stack, StackStatus::UpdateComplete).await?;
        self.ensure(state.parameters.get("Label").is_some_and(|label| label == "two"), || {
            format!("parameters {:?}", state.parameters)
        })?;
        self.remove(&request.stack.stack).await
    }

    /// Names, tokens, sets without a change, sets that are not executed.
    pub(super) async fn change_sets_in_detail(&self) -> Checked {
        let request = self.change_set(ChangeSetKind::Create, "detail", "one");
        let first = self.answer(self.cloud.create_change_set(&request).await)?;
        let again = self.answer(self.cloud.create_change_set(&request).await)?;
        self.ensure(first == again, || format!("{first:?} and {again:?} for one token"))?;
        let other = self.change_set(ChangeSetKind::Create, "detail", "two");
        self.refused(self.cloud.create_change_set(&other).await, &[ErrorKind::AlreadyExists])?;
        self.refused(self.cloud.create_stack(&request.stack).await, &[ErrorKind::AlreadyExists])?;
        let by_name = ChangeSetRef::Name { name: request.name.clone(), stack: request.stack.stack.clone() };
        self.worked_out(&by_name).await?;
        self.answer(self.cloud.delete_change_set(&by_name).await)?;
        self.answer(self.cloud.delete_change_set(&by_name).await)?;
        let gone = self.answer(self.cloud.describe_change_set(&by_name).await)?;
        self.ensure(gone.is_none(), || format!("a deleted change set is {gone:?}"))?;
        self.refused(
            self.cloud.execute_change_set(&by_name, &self.token()).await,
            &[ErrorKind::NotFound, ErrorKind::Validation],
        )?;
        // The stack in review stays until it is deleted.
        self.reaches(&request.stack.stack, StackStatus::ReviewInProgress).await?;
        self.remove(&request.stack.stack).await?;
        self.refused(
            self.cloud.create_change_set(&self.change_set(ChangeSetKind::Update, "detail", "one")).await,
            &[ErrorKind::NotFound, ErrorKind::Validation],
        )?;

        self.create(&self.labelled("detail", "one")).await?;
        let same = self.change_set(ChangeSetKind::Update, "detail", "one");
        let made = self.answer(self.cloud.create_change_set(&same).await)?;
        let set = ChangeSetRef::Id(made.id);
        let seen = self.worked_out(&set).await?;
        self.ensure(seen.is_empty(), || format!("a change set without a change is {seen:?}"))?;
        self.refused(self.cloud.execute_change_set(&set, &self.token()).await, &[ErrorKind::Validation])?;
        self.answer(self.cloud.delete_change_set(&set).await)?;
        self.refused(
            self.cloud.create_change_set(&self.change_set(ChangeSetKind::Create, "detail", "two")).await,
            &[ErrorKind::Validation, ErrorKind::AlreadyExists],
        )?;
        let mut unknown = self.change_set(ChangeSetKind::Update, "detail", "two");
        let mut template = handle();
        template["Transform"] = "NobodysMacro".into();
        unknown.stack.template = crate::provider::TemplateLocation::Body(template.to_string());
        unknown.stack.parameters.clear();
        unknown.stack.capabilities = vec!["CAPABILITY_AUTO_EXPAND".to_owned()];
        let made = self.answer(self.cloud.create_change_set(&unknown).await)?;
        let seen = self.worked_out(&ChangeSetRef::Id(made.id)).await?;
        self.ensure(seen.status == ChangeSetStatus::Failed && !seen.is_empty(), || format!("{seen:?}"))?;
        self.remove(&same.stack.stack).await
    }
}
