//! Checks of a request that need no stack: names, tokens, tags, sizes, policies.

use std::collections::BTreeMap;

use runway_core::provider::{StackRef, StackRequest};

use crate::policy;

/// Largest template in a request, in bytes.
pub(crate) const MAX_BODY: usize = 51_200;
/// Largest template in a bucket, in bytes.
pub(crate) const MAX_OBJECT: usize = 1_000_000;

/// Checks everything about a create or update that needs neither stack nor template.
///
/// # Errors
/// CloudFormation's words for the first thing that is wrong.
pub(crate) fn check(request: &StackRequest) -> Result<(), String> {
    stack_name(&request.stack)?;
    token(&request.token)?;
    tags(&request.tags)?;
    if let Some(role) = request.role_arn.as_deref().filter(|role| role.len() < 20) {
        return Err(constraint(role, "roleARN", "Member must have length greater than or equal to 20"));
    }
    if request.timeout_minutes == Some(0) {
        return Err(constraint("0", "timeoutInMinutes", "Member must have value greater than or equal to 1"));
    }
    let known = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
    if let Some(odd) = request.capabilities.iter().find(|capability| !known.contains(&capability.as_str())) {
        let set = "Member must satisfy enum value set: [CAPABILITY_NAMED_IAM, CAPABILITY_IAM, CAPABILITY_AUTO_EXPAND]";
        return Err(constraint(odd, "capabilities", set));
    }
    request.stack_policy.as_deref().map_or(Ok(()), policy::check)
}

fn constraint(value: &str, member: &str, rule: &str) -> String {
    format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}")
}

/// `[a-zA-Z][-a-zA-Z0-9]*`, at most 128 letters; or an id.
pub(crate) fn stack_name(stack: &StackRef) -> Result<(), String> {
    let name = stack.as_str();
    if name.starts_with("arn:") {
        return Ok(());
    }
    let mut letters = name.chars();
    if !letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    {
        let rule = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*";
        return Err(constraint(name, "stackName", rule));
    }
    if name.len() > 128 {
        return Err(constraint(name, "stackName", "Member must have length less than or equal to 128"));
    }
    Ok(())
}

/// `[a-zA-Z][-a-zA-Z0-9]*`, at most 128 letters.
pub(crate) fn change_set_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        && name.len() <= 128;
    let rule = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*";
    if is_name { Ok(()) } else { Err(constraint(name, "changeSetName", rule)) }
}

/// `[a-zA-Z0-9][-a-zA-Z0-9]*`, at most 128 letters.
pub(crate) fn token(token: &str) -> Result<(), String> {
    let mut letters = token.chars();
    if !letters.next().is_some_and(|first| first.is_ascii_alphanumeric())
        || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    {
        let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9][-a-zA-Z0-9]*";
        return Err(constraint(token, "clientRequestToken", rule));
    }
    if token.len() > 128 {
        return Err(constraint(
            token,
            "clientRequestToken",
            "Member must have length less than or equal to 128",
        ));
    }
    Ok(())
}

fn tags(tags: &BTreeMap<String, String>) -> Result<(), String> {
    if tags.len() > 50 {
        let rule = "Member must have length less than or equal to 50";
        return Err(constraint(&format!("{} tags", tags.len()), "tags", rule));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(constraint(key, "tags.member.key", "Member must have length between 1 and 128"));
        }
        if value.chars().count() > 256 {
            return Err(constraint(
                value,
                "tags.member.value",
                "Member must have length less than or equal to 256",
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(format!("Tag key '{key}' is reserved: tags may not start with aws:"));
        }
    }
    Ok(())
}
