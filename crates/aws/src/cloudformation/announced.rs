//! What CloudFormation tells of change sets and imports, a page at a time.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types as sdk;
use runway_core::provider::{
    AnnouncedAction, AnnouncedChange, AnnouncedDetail, AnnouncedReplacement, ChangePage, ChangeSetPage,
    ChangeSetRef, ImportPage, ListedChangeSet, ProviderError, StackRef,
};

use super::timestamp;
use crate::error::provider;

/// DescribeChangeSet, with the values of properties.
pub(super) async fn changes(
    client: &Client,
    set: &ChangeSetRef,
    page: Option<&str>,
) -> Result<ChangePage, ProviderError> {
    let answer = client
        .describe_change_set()
        .change_set_name(set.as_str())
        .set_stack_name(set.stack().map(str::to_owned))
        .include_property_values(true)
        .set_next_token(page.map(str::to_owned))
        .send()
        .await
        .map_err(|error| provider(error, "DescribeChangeSet", set.as_str()))?;
    let resources = answer.changes().iter().filter_map(sdk::Change::resource_change);
    Ok(ChangePage { changes: resources.map(change).collect(), next: answer.next_token().map(str::to_owned) })
}

/// ListChangeSets.
pub(super) async fn sets(
    client: &Client,
    stack: &StackRef,
    page: Option<&str>,
) -> Result<ChangeSetPage, ProviderError> {
    let answer = client
        .list_change_sets()
        .stack_name(stack.as_str())
        .set_next_token(page.map(str::to_owned))
        .send()
        .await
        .map_err(|error| provider(error, "ListChangeSets", stack.as_str()))?;
    let listed = |set: &sdk::ChangeSetSummary| ListedChangeSet {
        id: set.change_set_id().unwrap_or_default().to_owned(),
        name: set.change_set_name().unwrap_or_default().to_owned(),
        created: set.creation_time().and_then(timestamp),
    };
    // An emulator may list the sets of every stack.
    let is_its = |set: &&sdk::ChangeSetSummary| {
        let named = [set.stack_id(), set.stack_name()];
        named.contains(&Some(stack.as_str())) || named == [None, None]
    };
    Ok(ChangeSetPage {
        sets: answer.summaries().iter().filter(is_its).map(listed).collect(),
        next: answer.next_token().map(str::to_owned),
    })
}

/// ListImports. That nobody imports a value is an error for CloudFormation.
pub(super) async fn imports(
    client: &Client,
    export: &str,
    page: Option<&str>,
) -> Result<ImportPage, ProviderError> {
    let request = client.list_imports().export_name(export).set_next_token(page.map(str::to_owned));
    match request.send().await.map_err(|error| provider(error, "ListImports", export)) {
        Ok(answer) => {
            Ok(ImportPage { stacks: answer.imports().to_vec(), next: answer.next_token().map(str::to_owned) })
        }
        Err(error) if error.message.contains("is not imported by any stack") => Ok(ImportPage::default()),
        Err(error) => Err(error),
    }
}

fn change(change: &sdk::ResourceChange) -> AnnouncedChange {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    AnnouncedChange {
        logical_id: text(change.logical_resource_id()),
        physical_id: change.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned),
        resource_type: text(change.resource_type()),
        action: match change.action() {
            Some(sdk::ChangeAction::Add) => AnnouncedAction::Add,
            Some(sdk::ChangeAction::Modify | sdk::ChangeAction::SyncWithActual) => AnnouncedAction::Modify,
            Some(sdk::ChangeAction::Remove) => AnnouncedAction::Remove,
            Some(sdk::ChangeAction::Import) => AnnouncedAction::Import,
            // Of what came later nothing can be said.
            _ => AnnouncedAction::Dynamic,
        },
        replacement: change.replacement().map(|replacement| match replacement {
            sdk::Replacement::False => AnnouncedReplacement::Never,
            sdk::Replacement::True => AnnouncedReplacement::Always,
            _ => AnnouncedReplacement::Conditional,
        }),
        policy_action: change.policy_action().map(|action| action.as_str().to_owned()),
        scope: change.scope().iter().map(|attribute| attribute.as_str().to_owned()).collect(),
        details: change.details().iter().map(detail).collect(),
    }
}

fn detail(detail: &sdk::ResourceChangeDetail) -> AnnouncedDetail {
    let target = detail.target();
    let owned = |value: Option<&str>| value.map(str::to_owned);
    AnnouncedDetail {
        attribute: target
            .and_then(|target| target.attribute())
            .map(|attribute| attribute.as_str().to_owned())
            .unwrap_or_default(),
        name: target.and_then(|target| owned(target.name())),
        path: target.and_then(|target| owned(target.path())),
        before: target.and_then(|target| owned(target.before_value())),
        after: target.and_then(|target| owned(target.after_value())),
        requires_recreation: target
            .and_then(|target| target.requires_recreation())
            .map(|when| when.as_str().to_owned()),
        dynamic: detail.evaluation() == Some(&sdk::EvaluationType::Dynamic),
        causing_entity: owned(detail.causing_entity()),
    }
}
