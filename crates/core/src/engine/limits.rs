//! How many steps may use one API of one account and region at the same time.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Plan, Step};

/// API of the steps of stacks.
pub const CLOUDFORMATION: &str = "cloudformation";
/// Organizations changes one thing at a time, and refuses what comes meanwhile (`ConcurrentModificationException`).
const ORGANIZATIONS: &str = "organizations";
/// Steps at once of any other API, whose quotas are small and the same for everybody in the account.
const OTHERS: usize = 10;

/// What has a quota of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitKey {
    /// Account id.
    pub account: String,
    /// Region; empty if the API is the same everywhere.
    pub region: String,
    /// The API, for example `cloudformation`.
    pub api: String,
}

/// How many steps may have a key at once, by its API.
#[derive(Debug, Clone)]
pub struct Limits {
    by_api: BTreeMap<String, usize>,
    others: usize,
}

impl Limits {
    /// The limits of a run with so many stacks under way at once. Such a step mostly waits, and how many requests are on
    /// their way is limited elsewhere.
    pub fn of_run(concurrency: usize) -> Self {
        Self::new(OTHERS).with(CLOUDFORMATION, concurrency).with(ORGANIZATIONS, 1)
    }

    /// The same limit for every API.
    pub fn new(others: usize) -> Self {
        Self { by_api: BTreeMap::new(), others: others.max(1) }
    }

    /// Another limit for one API; at least 1, because a step that may never start would keep the run for ever.
    pub fn with(mut self, api: &str, limit: usize) -> Self {
        self.by_api.insert(api.to_owned(), limit.max(1));
        self
    }

    /// How many steps may have this key at once.
    pub fn at_most(&self, key: &LimitKey) -> usize {
        self.by_api.get(&key.api).copied().unwrap_or(self.others)
    }
}

/// The keys of a step: it begins when it has all of them. A task has those of the services that have work because of it,
/// in the account and region in which it works.
pub(crate) fn keys(plan: &Plan, step: &Step) -> BTreeSet<LimitKey> {
    let key = |account: &str, region: &str, api: &str| LimitKey {
        account: account.to_owned(),
        // There is one organization, wherever it is asked from.
        region: if api == ORGANIZATIONS { String::new() } else { region.to_owned() },
        api: api.to_owned(),
    };
    match &step.task {
        Some(task) => task.services.iter().map(|api| key(&task.account, &task.region, api)).collect(),
        None => BTreeSet::from([key(&plan.account, &plan.region, CLOUDFORMATION)]),
    }
}
