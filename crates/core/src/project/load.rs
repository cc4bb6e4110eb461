//! From a file's text to a checked project.

use std::sync::Arc;

use camino::Utf8PathBuf;
use serde_json::{Map, Value};

use super::values::plain;
use super::{
    Deployment, Module, ModuleType, Project, ProjectProblem, RUNWAY_VERSION, Setting, Variables, version,
};
use crate::config::error::ConfigProblem;
use crate::config::reader::{Fields, Reader, contains_lookup, kind};
use crate::error::{Finding, Findings};
use crate::text::Document;
use crate::yaml::{Node, NodeValue};

/// Fields of the file.
pub(super) const FIELDS: [&str; 6] =
    ["deployments", "future", "ignore_git_branch", "runway_version", "tests", "variables"];

/// Fields of a deployment.
pub(super) const DEPLOYMENT_FIELDS: [&str; 11] = [
    "account_alias",
    "account_id",
    "assume_role",
    "env_vars",
    "environments",
    "module_options",
    "modules",
    "name",
    "parallel_regions",
    "parameters",
    "regions",
];

/// Fields of a module.
pub(super) const MODULE_FIELDS: [&str; 10] = [
    "class_path",
    "env_vars",
    "environments",
    "name",
    "options",
    "parallel",
    "parameters",
    "path",
    "tags",
    "type",
];

/// Fields of Runway 1 and what became of them.
const OLD_FIELDS: [(&str, &str); 2] = [
    ("account-id", "it is called `account_id` since Runway 2.0"),
    ("account-alias", "it is called `account_alias` since Runway 2.0"),
];

/// Fields whose null means that they are absent (Runway).
const NULLABLE: [&str; 8] = [
    "account_alias",
    "account_id",
    "assume_role",
    "class_path",
    "path",
    "runway_version",
    "type",
    "file_path",
];

/// Reads a project file. Returns the project as far as it could be read, and everything that was found: a project that
/// came with errors is good for finding more errors, and for nothing else.
pub fn load(document: &Arc<Document>) -> (Option<Project>, Findings) {
    let mut reader = Reader::new(document);
    let root = reader.yaml("the project file", "start with `deployments:`");
    let project = root.and_then(|root| reader.root(&root));
    (project, reader.findings)
}

/// Reads a file with variables: a map, in which nothing is resolved.
pub fn variables_file(document: &Arc<Document>) -> (Map<String, Value>, Findings) {
    values_file(document, "a variables file")
}

/// Reads the `runway.module.yml` of a module: a map, in which nothing is resolved.
pub fn module_file(document: &Arc<Document>) -> (Map<String, Value>, Findings) {
    values_file(document, "a module file")
}

fn values_file(document: &Arc<Document>, what: &'static str) -> (Map<String, Value>, Findings) {
    let mut reader = Reader::new(document);
    let (root, errors) = Node::parse(&document.text);
    errors.into_iter().for_each(|error| reader.findings.push(Finding::at(document, error)));
    let Some(mut root) = root else { return (Map::new(), reader.findings) };
    for error in root.apply_tags() {
        reader.findings.push(Finding::at(document, error));
    }
    reader.warn_of_lookups("", &root);
    match plain(&root) {
        Value::Object(values) => (values, reader.findings),
        Value::Null => (Map::new(), reader.findings),
        _ => {
            let (found, help) = (kind(&root), "write `name: value` lines");
            reader.project(ProjectProblem::NotAMap { what, help, found, span: root.span.into() });
            (Map::new(), reader.findings)
        }
    }
}

impl Reader<'_> {
    fn yaml(&mut self, what: &'static str, help: &'static str) -> Option<Node> {
        let (root, errors) = Node::parse(&self.document.text);
        if root.is_none() && errors.is_empty() {
            self.project(ProjectProblem::Empty { span: (0, 0).into() });
        }
        for error in errors {
            self.findings.push(Finding::at(self.document, error));
        }
        let mut root = root?;
        for error in root.apply_tags() {
            self.findings.push(Finding::at(self.document, error));
        }
        if root.as_mapping().is_none() {
            let found = kind(&root);
            self.project(ProjectProblem::NotAMap { what, help, found, span: root.span.into() });
            return None;
        }
        Some(root)
    }

    /// Lookups are resolved in the project file only.
    fn warn_of_lookups(&mut self, field: &str, node: &Node) {
        match &node.value {
            NodeValue::Mapping(entries) => {
                for (key, value) in entries {
                    let name = key.as_text().unwrap_or_default();
                    let field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
                    self.warn_of_lookups(&field, value);
                }
            }
            NodeValue::Sequence(items) => items.iter().for_each(|item| self.warn_of_lookups(field, item)),
            NodeValue::Scalar { text, .. } if contains_lookup(text) => {
                let field = field.to_owned();
                self.report(ConfigProblem::LiteralLookup { field, span: node.span.into() });
            }
            NodeValue::Scalar { .. } => {}
        }
    }

    fn root(&mut self, root: &Node) -> Option<Project> {
        let fields = self.strict_fields("the project file", root, &FIELDS, &OLD_FIELDS)?;
        self.refuse_nulls(&fields, &FIELDS, &NULLABLE);
        match fields.get("tests").map(|node| (node, node.as_sequence())) {
            Some((node, None)) => {
                self.wrong_type("tests", "a list", node, "leave it out: there is no command `test`")
            }
            Some((node, Some(tests))) if !tests.is_empty() => {
                self.project(ProjectProblem::Tests { span: node.span.into() });
            }
            _ => {}
        }
        if let Some(node) = fields.get("future") {
            for (key, _) in node.as_mapping().unwrap_or_default() {
                let (key, span) = (key.as_text().unwrap_or_default().to_owned(), key.span.into());
                let help = format!("Runway {RUNWAY_VERSION} has no features to come; leave it out");
                self.report(ConfigProblem::UnknownKey { owner: "`future`", key, help, span });
            }
            if node.as_mapping().is_none() {
                self.wrong_type("future", "a map", node, "leave it out");
            }
        }
        self.version(&fields);
        let deployments = match fields.get("deployments").map(|node| (node, node.as_sequence())) {
            None => Vec::new(),
            Some((_, Some(items))) => {
                items.iter().enumerate().filter_map(|(at, item)| self.deployment(at, item)).collect()
            }
            Some((node, None)) => {
                self.wrong_type("deployments", "a list", node, "write `- modules: [...]` items");
                Vec::new()
            }
        };
        Some(Project {
            document: Arc::clone(self.document),
            deployments,
            ignore_git_branch: fields
                .get("ignore_git_branch")
                .and_then(|node| self.boolean("ignore_git_branch", node))
                .unwrap_or(false),
            variables: fields.get("variables").map(|node| self.variables_of(node)).unwrap_or_default(),
        })
    }

    fn version(&mut self, fields: &Fields<'_>) {
        let Some(node) = fields.get("runway_version") else { return };
        let Some(text) = self.text("runway_version", node) else { return };
        let span = node.span.into();
        match version::matches(&text, RUNWAY_VERSION) {
            Ok(true) => {}
            Ok(false) => self.project(ProjectProblem::Version { wanted: text, ours: RUNWAY_VERSION, span }),
            Err(text) => self.project(ProjectProblem::VersionForm { text, span }),
        }
    }

    fn variables_of(&mut self, node: &Node) -> Variables {
        let Some(fields) = self.fields("`variables`", node) else { return Variables::default() };
        let file = fields.get("file_path").and_then(|node| {
            Some((Utf8PathBuf::from(self.literal("variables.file_path", node)?), node.span))
        });
        let directory = fields
            .get("sys_path")
            .and_then(|node| self.literal("variables.sys_path", node))
            .map(Utf8PathBuf::from);
        self.warn_of_lookups("variables", node);
        let Value::Object(mut inline) = plain(node) else { return Variables::default() };
        inline.retain(|name, _| !matches!(name.as_str(), "file_path" | "sys_path"));
        Variables { inline, file, directory }
    }

    fn deployment(&mut self, at: usize, node: &Node) -> Option<Deployment> {
        let fields = self.strict_fields("a deployment", node, &DEPLOYMENT_FIELDS, &OLD_FIELDS)?;
        self.refuse_nulls(&fields, &DEPLOYMENT_FIELDS, &NULLABLE);
        let name = match fields.get("name").and_then(|node| self.literal("name", node)) {
            Some(name) if !name.is_empty() => name,
            _ => format!("deployment_{}", at + 1),
        };
        let modules = match fields.get("modules").map(|node| (node, node.as_sequence())) {
            Some((_, Some(items))) => items.iter().filter_map(|item| self.module(item, true)).collect(),
            Some((node, None)) => {
                self.wrong_type("modules", "a list", node, "write `- path: <directory>` items");
                Vec::new()
            }
            None => {
                if fields.raw("modules").is_none() {
                    let owner = format!("deployment `{name}`");
                    self.report(ConfigProblem::MissingField {
                        owner,
                        field: "modules",
                        span: node.span.into(),
                    });
                }
                Vec::new()
            }
        };
        let (regions, parallel_regions) = self.regions(&name, node, &fields)?;
        Some(Deployment {
            span: node.span,
            modules,
            regions,
            parallel_regions,
            account_id: self.text_setting("account_id", &fields),
            account_alias: self.text_setting("account_alias", &fields),
            assume_role: self.assume_role(&fields),
            env_vars: self.environment_variables(&fields),
            environments: self.environments(&fields),
            module_options: self.map_setting("module_options", &fields),
            parameters: self.map_setting("parameters", &fields),
            name,
        })
    }

    /// `regions`, `parallel_regions` or `regions: {parallel: ...}`: one of them, and whether it is parallel.
    fn regions(&mut self, name: &str, owner: &Node, fields: &Fields<'_>) -> Option<(Setting, bool)> {
        let filled = |node: &&Node| node.as_sequence().is_none_or(|items| !items.is_empty());
        let regions = fields.get("regions").filter(filled);
        let parallel = fields.get("parallel_regions").filter(filled);
        match (regions, parallel) {
            (Some(regions), Some(parallel)) => {
                let (deployment, first, second) =
                    (name.to_owned(), regions.span.into(), parallel.span.into());
                self.project(ProjectProblem::TwoRegions { deployment, first, second });
                None
            }
            (Some(regions), None) if regions.as_mapping().is_some() => {
                let inner = self.strict_fields("`regions`", regions, &["parallel"], &[])?;
                match inner.get("parallel").filter(filled) {
                    Some(node) => Some((self.list_setting("regions.parallel", node)?, true)),
                    None => {
                        let (deployment, span) = (name.to_owned(), regions.span.into());
                        self.project(ProjectProblem::NoRegions { deployment, span });
                        None
                    }
                }
            }
            (Some(regions), None) => Some((self.list_setting("regions", regions)?, false)),
            (None, Some(parallel)) => Some((self.list_setting("parallel_regions", parallel)?, true)),
            (None, None) => {
                // A null is reported already.
                if fields.raw("regions").is_none_or(|(_, node)| node.as_sequence().is_some()) {
                    let (deployment, span) = (name.to_owned(), owner.span.into());
                    self.project(ProjectProblem::NoRegions { deployment, span });
                }
                None
            }
        }
    }

    fn module(&mut self, node: &Node, may_be_parallel: bool) -> Option<Module> {
        if let NodeValue::Scalar { .. } = &node.value {
            let text = self.text("a module", node)?;
            let path = self.setting("path", node);
            return Some(Module { path: Some(path), ..Self::bare(module_name(&text), node) });
        }
        let fields = self.strict_fields("a module", node, &MODULE_FIELDS, &[])?;
        self.refuse_nulls(&fields, &MODULE_FIELDS, &NULLABLE);
        let path = self.text_setting("path", &fields);
        let parallel = fields.get("parallel");
        if let (Some(path), Some(parallel)) = (&path, parallel) {
            let (path, parallel) = (path.span.into(), parallel.span.into());
            self.project(ProjectProblem::PathAndParallel { path, parallel });
        }
        let children = match parallel.map(|node| (node, node.as_sequence())) {
            None => Vec::new(),
            Some((node, _)) if !may_be_parallel => {
                self.project(ProjectProblem::NestedParallel { span: node.span.into() });
                Vec::new()
            }
            Some((_, Some(items))) => items.iter().filter_map(|item| self.module(item, false)).collect(),
            Some((node, None)) => {
                self.wrong_type("parallel", "a list", node, "write `- path: <directory>` items");
                Vec::new()
            }
        };
        let name = match fields.get("name").and_then(|node| self.literal("name", node)) {
            Some(name) if !name.is_empty() => name,
            _ if parallel.is_some() => "parallel_parent".to_owned(),
            _ => module_name(fields.get("path").and_then(Node::as_text).unwrap_or_default()),
        };
        let module_type = fields.get("type").and_then(|node| {
            let name = self.literal("type", node)?;
            let found = ModuleType::named(&name);
            if found.is_none() {
                self.project(ProjectProblem::ModuleType { name, span: node.span.into() });
            }
            found
        });
        Some(Module {
            path,
            class_path: self.text_setting("class_path", &fields),
            module_type,
            env_vars: self.environment_variables(&fields),
            environments: self.environments(&fields),
            options: self.map_setting("options", &fields),
            parameters: self.map_setting("parameters", &fields),
            tags: fields
                .get("tags")
                .map(|node| self.texts("tags", node).into_iter().map(|(tag, _)| tag).collect())
                .unwrap_or_default(),
            parallel: children,
            ..Self::bare(name, node)
        })
    }

    fn bare(name: String, node: &Node) -> Module {
        Module {
            name,
            span: node.span,
            path: None,
            class_path: None,
            module_type: None,
            env_vars: None,
            environments: None,
            options: None,
            parameters: None,
            tags: Vec::new(),
            parallel: Vec::new(),
        }
    }
}

/// The last part of a path, without what is no name in it.
fn module_name(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    // The inside of a lookup is no part of the path.
    let at = path.match_indices('/').map(|(at, _)| at).rfind(|at| !inside_lookup(path, *at));
    let last = at.map_or(path, |at| &path[at + 1..]);
    if last.is_empty() || last == "." { "undefined".to_owned() } else { last.to_owned() }
}

fn inside_lookup(path: &str, at: usize) -> bool {
    path[..at].matches("${").count() > path[..at].matches('}').count()
}

#[cfg(test)]
mod tests;
