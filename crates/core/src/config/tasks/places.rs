//! Where a task works: one place, or every place of a matrix of accounts and regions.

use std::collections::BTreeSet;

use super::TaskProblem;
use crate::config::reader::{Fields, Reader, contains_lookup};
use crate::task::TaskPlace;
use crate::text::Span;
use crate::yaml::{Node, NodeValue};

/// Fields of an entry of `accounts` that is a map.
pub(in crate::config) const ACCOUNT_FIELDS: [&str; 5] =
    ["account", "region", "regions", "role", "role_chain"];

/// Where a task works.
pub(in crate::config) enum Places {
    /// In one place, which is no part of the node's name.
    One(TaskPlace),
    /// In each of these; with what tells them apart in the names of the nodes.
    Many(Vec<(TaskPlace, String)>),
}

/// An account and what it has of its own.
struct Account {
    id: String,
    regions: Option<Vec<(String, Span)>>,
    roles: Option<Vec<(String, Span)>>,
    span: Span,
}

impl Reader<'_> {
    /// The places of a task.
    pub(in crate::config) fn places(&mut self, fields: &Fields<'_>) -> Option<Places> {
        for (one, many) in [("account", "accounts"), ("region", "regions"), ("role", "role_chain")] {
            self.only_one_of(fields, one, many);
        }
        let before = self.findings.iter().count();
        let region = fields.get("region").and_then(|node| self.task_region("region", node));
        let account = fields.get("account").and_then(|node| self.account_id("account", node));
        let regions = fields.get("regions").map(|node| self.task_regions(node));
        let accounts = fields.get("accounts").map(|node| self.accounts(node));
        let roles = self.roles(fields).unwrap_or_default();
        if accounts.is_none() && regions.is_none() {
            let role_chain = self.filled(&roles, account.as_deref(), region.as_deref());
            return Some(Places::One(TaskPlace { account, region, role_chain }));
        }
        let ids = account.map(|id| Account { id, regions: None, roles: None, span: Span::new(0, 0) });
        let has_accounts = accounts.is_some();
        let accounts: Vec<Option<Account>> = match accounts {
            Some(accounts) => accounts.into_iter().map(Some).collect(),
            None => vec![ids],
        };
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        for account in accounts {
            let (own_regions, own_roles, span) = match &account {
                Some(account) => (account.regions.clone(), account.roles.clone(), account.span),
                None => (None, None, Span::new(0, 0)),
            };
            let id = account.map(|account| account.id);
            let in_regions: Vec<(Option<String>, Span)> = match own_regions.or_else(|| regions.clone()) {
                Some(regions) => regions.into_iter().map(|(region, span)| (Some(region), span)).collect(),
                None => vec![(region.clone(), span)],
            };
            let roles = own_roles.unwrap_or_else(|| roles.clone());
            for (region, span) in in_regions {
                let mut parts = Vec::new();
                parts.extend(id.clone().filter(|_| has_accounts));
                parts.extend(region.clone());
                let at = parts.join("/");
                if !seen.insert(at.clone()) {
                    self.report_task(TaskProblem::SamePlace { place: at, span: span.into() });
                    continue;
                }
                let role_chain = self.filled(&roles, id.as_deref(), region.as_deref());
                found.push((TaskPlace { account: id.clone(), region, role_chain }, at));
            }
        }
        // What is empty because of a mistake is reported already.
        (!found.is_empty() || self.findings.iter().count() == before).then_some(Places::Many(found))
    }

    fn only_one_of(&mut self, fields: &Fields<'_>, one: &'static str, many: &'static str) {
        if let (Some((first, _)), Some((second, _))) = (fields.raw(one), fields.raw(many)) {
            let (first, second) = (first.span.into(), second.span.into());
            self.report_task(TaskProblem::TwoPlaces { one, many, first, second });
        }
    }

    fn accounts(&mut self, node: &Node) -> Vec<Account> {
        let Some(items) = node.as_sequence() else {
            self.wrong_type("accounts", "a list", node, "write `[\"111122223333\"]`");
            return Vec::new();
        };
        if items.is_empty() {
            self.report_task(TaskProblem::NoPlaces { field: "accounts", span: node.span.into() });
        }
        items.iter().filter_map(|item| self.account(item)).collect()
    }

    fn account(&mut self, node: &Node) -> Option<Account> {
        if !matches!(node.value, NodeValue::Mapping(_)) {
            let id = self.account_id("accounts", node)?;
            return Some(Account { id, regions: None, roles: None, span: node.span });
        }
        let fields = self.strict_fields("an entry of `accounts`", node, &ACCOUNT_FIELDS, &[])?;
        self.refuse_nulls(&fields, &ACCOUNT_FIELDS, &[]);
        self.only_one_of(&fields, "region", "regions");
        self.only_one_of(&fields, "role", "role_chain");
        let account = self.demanded(&fields, "account", node)?;
        let id = self.account_id("account", account)?;
        let one = |reader: &mut Self| {
            let node = fields.get("region")?;
            Some(vec![(reader.task_region("region", node)?, node.span)])
        };
        let regions = match fields.get("regions") {
            Some(node) => Some(self.task_regions(node)),
            None => one(self),
        };
        Some(Account { id, regions, roles: self.roles(&fields), span: account.span })
    }

    fn account_id(&mut self, field: &str, node: &Node) -> Option<String> {
        let account = self.literal(field, node)?;
        let valid = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
        if !valid && !contains_lookup(&account) {
            self.report_task(TaskProblem::Account { account: account.clone(), span: node.span.into() });
        }
        valid.then_some(account)
    }

    fn task_regions(&mut self, node: &Node) -> Vec<(String, Span)> {
        let Some(items) = node.as_sequence() else {
            self.wrong_type("regions", "a list", node, "write `[eu-west-1]`");
            return Vec::new();
        };
        if items.is_empty() {
            self.report_task(TaskProblem::NoPlaces { field: "regions", span: node.span.into() });
        }
        items.iter().filter_map(|item| Some((self.task_region("regions", item)?, item.span))).collect()
    }

    fn task_region(&mut self, field: &str, node: &Node) -> Option<String> {
        let region = self.literal(field, node)?;
        let valid = region.contains('-')
            && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !valid && !contains_lookup(&region) {
            self.report_task(TaskProblem::Region { region: region.clone(), span: node.span.into() });
        }
        valid.then_some(region)
    }

    /// `role` or `role_chain`.
    fn roles(&mut self, fields: &Fields<'_>) -> Option<Vec<(String, Span)>> {
        match (fields.get("role"), fields.get("role_chain")) {
            (Some(role), _) => self.text("role", role).map(|text| vec![(text, role.span)]),
            (None, Some(chain)) => Some(self.texts("role_chain", chain)),
            (None, None) => None,
        }
    }

    /// Roles with account and region put in.
    fn filled(
        &mut self,
        roles: &[(String, Span)],
        account: Option<&str>,
        region: Option<&str>,
    ) -> Vec<String> {
        let fill = |text: &str| {
            let text = text.replace("${place account}", account.unwrap_or("${place account}"));
            text.replace("${place region}", region.unwrap_or("${place region}"))
        };
        let mut filled = Vec::new();
        for (role, span) in roles {
            let role = fill(role);
            if !role.starts_with("arn:") || !role.contains(":role/") || contains_lookup(&role) {
                self.report_task(TaskProblem::Role { role: role.clone(), span: (*span).into() });
            }
            filled.push(role);
        }
        filled
    }
}
