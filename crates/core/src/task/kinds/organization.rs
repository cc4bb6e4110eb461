//! Organizations: the units below the root, found by their paths.

use serde_json::{Value, json};

use super::super::{Read, ReadContext, Service, TaskFailure};
use super::calls::{Pages, failure, text};

const ROOTS: Pages = Pages {
    read: Read::new(Service::Organizations, "ListRoots"),
    member: "Roots",
    token: ("NextToken", "NextToken"),
};
const UNITS: Pages = Pages {
    read: Read::new(Service::Organizations, "ListOrganizationalUnitsForParent"),
    member: "OrganizationalUnits",
    token: ("NextToken", "NextToken"),
};

/// The names on a path such as `/workloads/production`; the root is `/`.
pub(super) fn names(path: &str) -> Vec<&str> {
    path.split('/').filter(|name| !name.is_empty()).collect()
}

/// What is wrong with a path, if anything.
pub(super) fn problem(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("the path `{path}` must begin with `/`, which is the root"));
    }
    if path.len() > 1 && path[1..].split('/').any(|name| name.trim() != name || name.is_empty()) {
        return Some(format!("the path `{path}` has a name that is empty or begins or ends with a space"));
    }
    let long = names(path).into_iter().find(|name| name.chars().count() > 128);
    long.map(|name| format!("the name `{name}` has more than 128 characters"))
}

/// The id of the root.
pub(super) async fn root(context: &ReadContext<'_>) -> Result<String, TaskFailure> {
    let roots = ROOTS.all(context, json!({})).await.map_err(|failed| {
        if failed.is(&["AWSOrganizationsNotInUseException"]) {
            return super::calls::refused(
                failed,
                "this account is in no organization: name the management account with `account` and `role`",
            );
        }
        failed.into()
    })?;
    roots.first().and_then(|root| text(root, "/Id")).ok_or_else(|| {
        failure("the organization has no root", "look at it in the console of AWS Organizations")
    })
}

/// A unit.
pub(super) struct Unit {
    pub(super) id: String,
    pub(super) arn: String,
}

/// The unit of a name below another one.
pub(super) async fn child(
    context: &ReadContext<'_>,
    parent: &str,
    name: &str,
) -> Result<Option<Unit>, TaskFailure> {
    let units = UNITS.all(context, json!({"ParentId": parent})).await?;
    let is_it = |unit: &&Value| unit.get("Name").and_then(Value::as_str) == Some(name);
    Ok(units
        .iter()
        .find(is_it)
        .and_then(|unit| Some(Unit { id: text(unit, "/Id")?, arn: text(unit, "/Arn").unwrap_or_default() })))
}

/// The id at the end of a path; `None` if there is no such unit.
pub(super) async fn at(context: &ReadContext<'_>, path: &str) -> Result<Option<String>, TaskFailure> {
    let mut id = root(context).await?;
    for name in names(path) {
        match child(context, &id, name).await? {
            Some(unit) => id = unit.id,
            None => return Ok(None),
        }
    }
    Ok(Some(id))
}
