//! Checks of a config with its templates, before anything is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Config, StackDefinition};
use crate::error::{Finding, Findings};
use crate::ident::{NodeName, StackFqn};
use crate::lookup::Cause;
use crate::lookup::resolve::{HookData, OutputValue, Scope};
use crate::plan::{Settings, parameters};
use crate::provider::StackState;
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::template::Template;

/// Checks the variables of every enabled stack. Without `settings` the environment is unknown.
pub(super) fn values(
    config: &Arc<Config>,
    templates: &BTreeMap<NodeName, Arc<Template>>,
    settings: Option<&Settings>,
) -> Findings {
    let by_fqn = config.stacks.values().map(|definition| (&definition.fqn, definition)).collect();
    let scope = StaticScope { config, by_fqn, templates, settings };
    let mut findings = Findings::default();
    for definition in config.stacks.values().filter(|definition| definition.enabled) {
        if let Some(template) = templates.get(&definition.name) {
            findings.extend(parameters::check(&config.document, definition, template, &scope));
        }
    }
    findings
}

/// Warns of parameters without a value.
pub(super) fn missing(config: &Config, templates: &BTreeMap<NodeName, Arc<Template>>) -> Findings {
    let mut findings = Findings::default();
    for definition in config.stacks.values().filter(|definition| definition.enabled) {
        let template = templates.get(&definition.name);
        if let Some(problem) = template.and_then(|template| parameters::check_missing(definition, template)) {
            findings.push(Finding::at(&config.document, problem));
        }
    }
    findings
}

/// Lookups over what config and templates say; what only the cloud knows is unknown.
struct StaticScope<'a> {
    config: &'a Config,
    by_fqn: BTreeMap<&'a StackFqn, &'a StackDefinition>,
    templates: &'a BTreeMap<NodeName, Arc<Template>>,
    settings: Option<&'a Settings>,
}

impl Scope for StaticScope<'_> {
    fn output(&self, stack: &str, output: &str) -> OutputValue {
        let by_fqn = || self.by_fqn.get(&StackFqn::new(stack)).copied();
        let Some(definition) = self.config.stacks.get(stack).or_else(by_fqn) else {
            // The graph reports it, with a better message.
            return OutputValue::Unknown(BTreeSet::new());
        };
        let name = &definition.name;
        if !definition.enabled {
            return OutputValue::Missing(format!("stack `{name}` is disabled"));
        }
        // What a locked stack was made of need not be its template, and macros add outputs.
        let open = definition.locked || self.templates.get(name).is_none_or(|template| template.has_macros());
        let declared = self.templates.get(name).is_some_and(|template| template.output(output).is_some());
        if open || declared {
            OutputValue::Unknown(BTreeSet::from([Cause::Stack(name.clone())]))
        } else {
            OutputValue::Missing(format!("the template of `{name}` declares no such output"))
        }
    }

    fn stack(&self, _: &StackFqn) -> Option<&StackState> {
        None
    }

    fn fqn(&self, name: &str) -> StackFqn {
        self.config.fqn(name)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.settings?.environment.get(name).cloned()
    }

    fn parameter(&self, name: &str) -> Option<serde_json::Value> {
        self.settings?.parameters.get(name).cloned()
    }

    fn knows_stacks(&self) -> bool {
        false
    }

    fn is_own(&self, lookup: &str) -> bool {
        self.config.lookups.contains_key(lookup)
    }

    fn region(&self) -> Option<String> {
        None
    }

    fn fetched(&self, _: &LookupRequest) -> Option<Result<Fetched, LookupFailure>> {
        None
    }

    fn hook_data(&self) -> HookData {
        HookData::Expected { keys: self.config.hooks.data_keys(), more: self.config.hooks.may_keep_more() }
    }

    fn awaits_hooks(&self) -> bool {
        self.config.hooks.before_deploy()
    }

    fn knows_environment(&self) -> bool {
        self.settings.is_some()
    }
}
