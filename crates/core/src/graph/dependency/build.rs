//! From a config to its graph, or to everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use miette::LabeledSpan;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use super::{DependencyGraph, GraphProblem};
use crate::config::{Affinity, Called, Config, TaskDefinition, Variable};
use crate::error::{Finding, Findings, nearest};
use crate::ident::{NodeName, StackFqn};
use crate::text::Span;

/// An edge and the place it comes from.
type Edges = BTreeMap<(NodeName, NodeName), Span>;

/// Stack names for which a suggestion is looked for.
const MOST_SUGGESTIONS: usize = 20;
/// Edges of a cycle that are named and shown.
pub(super) const MOST_EDGES: usize = 10;

/// The names of a closed cycle, with those in the middle left out if there are many.
fn path(names: &[&str]) -> String {
    let (first, rest) = names.split_at(names.len().min(MOST_EDGES));
    match rest {
        [] | [_] => names.join(" -> "),
        [more @ .., last] => format!("{} -> ({} more) -> {last}", first.join(" -> "), more.len()),
    }
}

/// What names another node.
#[derive(Clone, Copy)]
pub(super) struct From<'c> {
    pub(super) node: &'c NodeName,
    /// The task, if it is one.
    pub(super) task: Option<&'c TaskDefinition>,
}

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.task.is_some() { "task" } else { "stack" };
        write!(f, "{what} `{}`", self.node)
    }
}

/// Which way an edge goes, and which nodes of a task it is about.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Needs(Option<Affinity>),
    NeededBy(Option<Affinity>),
    /// An output is read, of one node.
    Reads,
}

pub(super) struct Builder<'c> {
    config: &'c Arc<Config>,
    by_fqn: BTreeMap<&'c StackFqn, &'c NodeName>,
    edges: Edges,
    findings: Findings,
    /// Names that may still be compared with all others; in a config full of errors that would take minutes.
    suggestions: usize,
}

impl<'c> Builder<'c> {
    pub(super) fn new(config: &'c Arc<Config>) -> Self {
        let by_fqn = config.stacks.values().map(|stack| (&stack.fqn, &stack.name)).collect();
        let (edges, findings) = (Edges::new(), Findings::default());
        Self { config, by_fqn, edges, findings, suggestions: MOST_SUGGESTIONS }
    }

    /// Edges of the lookups in values.
    pub(super) fn lookups(&mut self, from: From<'c>, values: impl Iterator<Item = &'c Variable>) {
        for variable in values {
            for (name, span) in variable.value.output_references() {
                let Some(stack) = self.stack(name.as_str()) else {
                    self.unknown(from, "reads an output of", name.as_str(), span, false);
                    continue;
                };
                self.connect(from, vec![stack], span, "reads an output of", false);
            }
            for (name, span) in variable.value.task_references() {
                self.edge(from, name.as_str(), span, "reads an output of", Way::Reads);
            }
        }
    }

    /// The stack a name means: a name, or else a full stack name.
    fn stack(&self, name: &str) -> Option<NodeName> {
        if let Some((name, _)) = self.config.stacks.get_key_value(name) {
            return Some(name.clone());
        }
        self.by_fqn.get(&StackFqn::new(name)).map(|name| (*name).clone())
    }

    pub(super) fn edge(&mut self, from: From<'c>, name: &str, span: Span, verb: &'static str, way: Way) {
        // What is a stack's name means the stack, whatever tasks are called.
        if !matches!(way, Way::Reads)
            && let Some(stack) = self.stack(name)
        {
            self.connect(from, vec![stack], span, verb, matches!(way, Way::NeededBy(_)));
            return;
        }
        let nodes = match self.config.tasks_called(name) {
            Called::Nothing => return self.unknown(from, verb, name, span, true),
            Called::Several(known) => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                let (node, name, known) = (from.to_string(), name.to_owned(), known.join(", "));
                return self.report(GraphProblem::Ambiguous { node, verb, name, known, span: span.into() });
            }
            Called::Nodes(nodes) => nodes,
        };
        let nodes = match (way, from.task) {
            (Way::Needs(Some(affinity)) | Way::NeededBy(Some(affinity)), Some(task)) => {
                let near: Vec<&TaskDefinition> =
                    nodes.iter().filter(|node| affinity.joins(&task.place, &node.place)).copied().collect();
                if near.is_empty() {
                    let what = format!("it has no node with the same {}", affinity.as_str());
                    let help = "give both the same places, or leave the affinity out".to_owned();
                    return self.places(from, verb, name, (what, help), span);
                }
                near
            }
            (Way::Reads, task) => match read_by(&nodes, task) {
                Some(node) => vec![node],
                None => {
                    let what = format!("it works in {} places", nodes.len());
                    let example = nodes.first().map(|node| node.node.as_str()).unwrap_or_default();
                    let help = format!("name the node that is meant, for example `{example}`");
                    return self.places(from, verb, name, (what, help), span);
                }
            },
            _ => nodes,
        };
        let names = nodes.into_iter().map(|node| node.node.clone()).collect();
        self.connect(from, names, span, verb, matches!(way, Way::NeededBy(_)));
    }

    fn connect(
        &mut self,
        from: From<'c>,
        others: Vec<NodeName>,
        span: Span,
        verb: &'static str,
        reversed: bool,
    ) {
        for other in others {
            if other == *from.node {
                let help = match from.task {
                    None => "a stack cannot wait for itself; inside one template use Ref and GetAtt",
                    Some(_) => "a task cannot wait for itself",
                };
                let node = from.to_string();
                self.report(GraphProblem::SelfReference { node, help, verb, span: span.into() });
                continue;
            }
            let edge = if reversed { (other, from.node.clone()) } else { (from.node.clone(), other) };
            self.edges.entry(edge).or_insert(span);
        }
    }

    fn unknown(&mut self, from: From<'c>, verb: &'static str, name: &str, span: Span, tasks: bool) {
        let stacks = self.config.stacks.keys().map(NodeName::as_str);
        let entries = self.config.tasks.values().flat_map(|task| [task.entry.as_str(), task.name.as_str()]);
        let known = stacks.chain(entries.filter(|_| tasks)).filter(|_| self.suggestions > 0);
        let meant = nearest(name, known).map(str::to_owned);
        self.suggestions = self.suggestions.saturating_sub(1);
        let reads = verb == "reads an output of";
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if reads && tasks => "`output` reads outputs of stacks, `task` those of tasks".to_owned(),
            None if reads => "`rxref` and `cfn` read outputs of stacks outside this config".to_owned(),
            None => {
                "a stack that left the config is about to be deleted, so nothing can wait for it".to_owned()
            }
        };
        let label = match (reads, tasks && !self.config.tasks.is_empty()) {
            (true, _) if tasks => "no such task",
            (false, true) => "no such stack or task",
            _ => "no such stack",
        };
        let (node, name) = (from.to_string(), name.to_owned());
        self.report(GraphProblem::Unknown { node, verb, name, help, span: span.into(), label });
    }

    fn places(
        &mut self,
        from: From<'c>,
        verb: &'static str,
        name: &str,
        (what, help): (String, String),
        span: Span,
    ) {
        let (node, name) = (from.to_string(), name.to_owned());
        self.report(GraphProblem::Places { node, verb, name, what, help, span: span.into() });
    }

    fn report(&mut self, problem: GraphProblem) {
        self.findings.push(Finding::at(&self.config.document, problem));
    }

    pub(super) fn finish(mut self) -> (Option<DependencyGraph>, Findings) {
        let names = self.config.stacks.keys().chain(self.config.tasks.keys());
        let mut needs: BTreeMap<NodeName, BTreeSet<NodeName>> =
            names.map(|name| (name.clone(), BTreeSet::new())).collect();
        for (from, to) in self.edges.keys() {
            needs.entry(from.clone()).or_default().insert(to.clone());
        }
        for cycle in cycles(&needs) {
            let pairs: Vec<(NodeName, NodeName)> =
                cycle.iter().cloned().zip(cycle.iter().skip(1).chain(cycle.first()).cloned()).collect();
            let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(NodeName::as_str).collect();
            let edges = pairs
                .iter()
                .take(MOST_EDGES)
                .filter_map(|edge| {
                    let span = self.edges.get(edge)?;
                    let label = format!("{} needs {}", edge.0, edge.1);
                    Some(LabeledSpan::new(Some(label), span.start, span.length))
                })
                .collect();
            let tasks = cycle.iter().filter(|name| self.config.tasks.contains_key(*name)).count();
            let what = match tasks {
                0 => "stacks",
                tasks if tasks == cycle.len() => "tasks",
                _ => "stacks and tasks",
            };
            self.report(GraphProblem::Cycle { what, path: path(&names), edges });
        }
        let tasks = self.config.tasks.keys().cloned().collect();
        let graph = (!self.findings.has_errors()).then_some(DependencyGraph { needs, tasks });
        (graph, self.findings)
    }
}

/// The node of a task whose output something reads: the only one, or the one in the reader's own place.
pub fn read_by<'c>(
    nodes: &[&'c TaskDefinition],
    reader: Option<&TaskDefinition>,
) -> Option<&'c TaskDefinition> {
    if let [only] = nodes {
        return Some(only);
    }
    let own = reader?;
    let mut near = nodes.iter().filter(|node| Affinity::AccountAndRegion.joins(&own.place, &node.place));
    near.next().copied().filter(|_| near.next().is_none())
}

/// One shortest cycle of every set of stacks that need each other, starting at its first name.
fn cycles(needs: &BTreeMap<NodeName, BTreeSet<NodeName>>) -> Vec<Vec<NodeName>> {
    let names: Vec<&NodeName> = needs.keys().collect();
    let index: BTreeMap<&NodeName, usize> =
        names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let mut graph: DiGraphMap<usize, ()> = DiGraphMap::new();
    for (from, to) in needs.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
        if let (Some(from), Some(to)) = (index.get(from), index.get(to)) {
            graph.add_edge(*from, *to, ());
        }
    }
    let mut found: Vec<Vec<NodeName>> = tarjan_scc(&graph)
        .into_iter()
        .filter(|component| component.len() > 1)
        .filter_map(|component| {
            let members: BTreeSet<usize> = component.into_iter().collect();
            let start = *members.first()?;
            let path = shortest_way_back(&graph, &members, start)?;
            Some(path.into_iter().filter_map(|index| names.get(index).map(|name| (*name).clone())).collect())
        })
        .collect();
    found.sort();
    found
}

fn shortest_way_back(
    graph: &DiGraphMap<usize, ()>,
    members: &BTreeSet<usize>,
    start: usize,
) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut frontier = std::collections::VecDeque::from([start]);
    while let Some(at) = frontier.pop_front() {
        let mut next: Vec<usize> = graph.neighbors(at).filter(|next| members.contains(next)).collect();
        next.sort_unstable();
        for to in next {
            if to == start {
                let mut path = vec![at];
                while let Some(before) =
                    path.last().filter(|at| **at != start).and_then(|at| came_from.get(at))
                {
                    path.push(*before);
                }
                path.reverse();
                return Some(path);
            }
            if to != start && !came_from.contains_key(&to) {
                came_from.insert(to, at);
                frontier.push_back(to);
            }
        }
    }
    None
}
