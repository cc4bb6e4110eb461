//! Checks that AWS passes and emulators of its protocol do not.

use serde_json::{Value, json};

use super::{Checked, Suite, handle, template};
use crate::ident::StackFqn;
use crate::provider::{ErrorKind, ParameterValue, StackEvent, StackRef, StackRequest, StackStatus};

impl Suite<'_> {
    pub(super) async fn statuses_take_time(&self) -> Checked {
        let request = self.labelled("slow", "one");
        self.answer(self.cloud.create_stack(&request).await)?;
        let now = self.answer(self.cloud.describe_stack(&request.stack).await)?;
        self.ensure(now.is_some_and(|state| state.status == StackStatus::CreateInProgress), || {
            "a creation was over at once".to_owned()
        })?;
        let update = self.labelled("slow", "two");
        self.refused(self.cloud.update_stack(&update).await, &[ErrorKind::Validation])?;
        self.reaches(&request.stack, StackStatus::CreateComplete).await?;
        let events = self.events(&request.stack).await?;
        let own: Vec<_> = events.iter().filter(|event| event.logical_id == "Entry").collect();
        self.ensure(own.first().is_some_and(|event| event.status == "CREATE_COMPLETE"), || {
            format!("events of the resource: {own:?}")
        })?;
        self.ensure(events.iter().all(|event| event.token.as_deref() == Some(&request.token)), || {
            "an event lacks the token of its operation".to_owned()
        })?;
        self.remove(&request.stack).await
    }

    pub(super) async fn protection(&self) -> Checked {
        let mut request = self.labelled("kept", "one");
        request.termination_protection = true;
        let state = self.create(&request).await?;
        self.ensure(state.termination_protection, || "the flag is not shown".to_owned())?;
        let deleted = self.cloud.delete_stack(&request.stack, None, &self.token()).await;
        self.refused(deleted, &[ErrorKind::Protected])?;
        self.answer(self.cloud.set_termination_protection(&request.stack, false).await)?;

        let deny = r#"{"Statement":[{"Effect":"Deny","Action":"Update:*","Principal":"*","Resource":"*"}]}"#;
        self.answer(self.cloud.set_stack_policy(&request.stack, deny).await)?;
        let policy = self.answer(self.cloud.get_stack_policy(&request.stack).await)?;
        self.ensure(policy.as_deref() == Some(deny), || format!("policy {policy:?}"))?;
        self.answer(self.cloud.update_stack(&self.labelled("kept", "two")).await)?;
        self.reaches(&request.stack, StackStatus::UpdateRollbackComplete).await?;
        let events = self.events(&request.stack).await?;
        let denied = |event: &&StackEvent| {
            event.reason.as_deref().is_some_and(|reason| reason.starts_with("Action denied by stack policy"))
        };
        self.ensure(events.iter().find(denied).is_some(), || "no event names the policy".to_owned())?;
        self.remove(&request.stack).await
    }

    pub(super) async fn refusals(&self) -> Checked {
        let refused = |request: StackRequest| async move {
            self.refused(self.cloud.create_stack(&request).await, &[ErrorKind::Validation])
                .map(|error| error.message)
        };
        let mut role = self.request("odd", &json!({"Resources": {"R": {"Type": "AWS::IAM::Role"}}}));
        let words = refused(role.clone()).await?;
        self.ensure(words.contains("CAPABILITY_IAM"), || words.clone())?;
        role.capabilities = vec!["CAPABILITY_NAMED_IAM".to_owned()];
        self.create(&role).await?;
        self.remove(&role.stack).await?;

        let mut unknown = self.labelled("odd", "one");
        unknown.parameters.push(("Extra".to_owned(), ParameterValue::Value("x".to_owned())));
        let words = refused(unknown).await?;
        self.ensure(words.contains("Parameters: [Extra] do not exist in the template"), || words.clone())?;

        let mut named = self.request("odd", &handle());
        named.stack = StackRef::Name(StackFqn::new(format!("{}_odd", self.prefix)));
        let words = refused(named).await?;
        self.ensure(words.contains("[a-zA-Z][-a-zA-Z0-9]*"), || words.clone())?;

        let mut large = handle();
        large["Description"] = Value::String("x".repeat(51_200));
        let words = refused(self.request("odd", &large)).await?;
        self.ensure(words.contains("51200"), || words.clone())?;

        let dangling = json!({"Resources": {"T": {"Type": "AWS::SNS::Topic", "DependsOn": "Nowhere"}}});
        let words = refused(self.request("odd", &dangling)).await?;
        self.ensure(words.contains("Unresolved resource dependencies [Nowhere]"), || words.clone())
    }

    pub(super) async fn exports(&self) -> Checked {
        let export = format!("{}-exported", self.prefix);
        let mut exporter = template();
        exporter["Outputs"]["Label"]["Export"] = json!({"Name": export});
        let mut importer = handle();
        importer["Outputs"] = json!({"Got": {"Value": {"Fn::ImportValue": export}}});

        let early = self.request("importer", &importer);
        self.answer(self.cloud.create_stack(&early).await)?;
        let state = self.reaches(&early.stack, StackStatus::RollbackComplete).await?;
        let words = format!("No export named {export} found");
        self.ensure(state.status_reason.as_ref().is_some_and(|reason| reason.contains(&words)), || {
            format!("reason {:?}", state.status_reason)
        })?;
        self.remove(&early.stack).await?;

        let exporting = self.request("exporter", &exporter);
        let state = self.create(&exporting).await?;
        self.ensure(state.exports.get("Label") == Some(&export), || format!("exports {:?}", state.exports))?;
        let importing = self.request("importer", &importer);
        let state = self.create(&importing).await?;
        self.ensure(state.outputs.get("Got").is_some_and(|got| got == "one"), || {
            format!("imported {:?}", state.outputs)
        })?;
        self.answer(self.cloud.update_stack(&self.request("exporter", &template())).await)?;
        self.reaches(&exporting.stack, StackStatus::UpdateRollbackComplete).await?;
        self.answer(self.cloud.delete_stack(&exporting.stack, None, &self.token()).await)?;
        // The request is taken, but the stack stays as it is, and its status reason says why.
        let state = self.reaches(&exporting.stack, StackStatus::UpdateRollbackComplete).await?;
        let importer = importing.stack.as_str();
        self.ensure(
            state.status_reason.as_ref().is_some_and(|reason| {
                reason.contains(&export) && reason.contains("in use by") && reason.contains(importer)
            }),
            || format!("reason {:?}", state.status_reason),
        )?;
        self.remove(&importing.stack).await?;
        self.remove(&exporting.stack).await
    }

    pub(super) async fn rollback(&self) -> Checked {
        let broken = json!({"Type": "AWS::CloudFormation::WaitCondition", "Properties": {
            "Handle": {"Ref": "Handle"}, "Timeout": "4294967296", "Count": 0}});
        let mut failing = handle();
        failing["Resources"]["Broken"] = broken.clone();
        let request = self.request("broken", &failing);
        self.answer(self.cloud.create_stack(&request).await)?;
        let state = self.reaches(&request.stack, StackStatus::RollbackComplete).await?;
        let words = "The following resource(s) failed to create: [Broken]. Rollback requested by user.";
        self.ensure(state.status_reason.as_deref() == Some(words), || format!("{:?}", state.status_reason))?;
        self.refused(
            self.cloud.update_stack(&self.request("broken", &handle())).await,
            &[ErrorKind::Validation],
        )?;
        self.remove(&request.stack).await?;

        let state = self.create(&self.request("broken", &handle())).await?;
        self.answer(self.cloud.update_stack(&self.request("broken", &failing)).await)?;
        self.reaches(&request.stack, StackStatus::UpdateRollbackComplete).await?;
        let text = self.answer(self.cloud.get_template(&StackRef::Id(state.id)).await)?;
        self.ensure(text.as_deref() == Some(&handle().to_string()), || format!("template {text:?}"))?;
        self.remove(&request.stack).await
    }

    pub(super) async fn tokens(&self) -> Checked {
        let request = self.labelled("token", "one");
        let first = self.answer(self.cloud.create_stack(&request).await)?;
        let second = self.answer(self.cloud.create_stack(&request).await)?;
        self.ensure(first == second, || format!("{first} and {second} for one token"))?;
        let other = StackRequest { token: request.token.clone(), ..self.labelled("token", "two") };
        self.refused(
            self.cloud.create_stack(&other).await,
            &[ErrorKind::Validation, ErrorKind::AlreadyExists],
        )?;
        self.reaches(&request.stack, StackStatus::CreateComplete).await?;
        self.remove(&request.stack).await
    }
}
