//! The graph of a config: stacks and what each one needs. Acyclic and without dangling edges by construction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use thiserror::Error;

use crate::config::Config;
use crate::error::{Finding, Findings, Problem, nearest};
use crate::exit::ExitCode;
use crate::ident::{NodeName, StackFqn};
use crate::text::Span;

/// What each stack of a config needs, directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyGraph {
    needs: BTreeMap<NodeName, BTreeSet<NodeName>>,
}

/// Problems of a graph.
#[derive(Debug, Error, Diagnostic)]
pub enum GraphProblem {
    /// An edge to a stack that the config does not have.
    #[error("stack `{stack}` {verb} `{name}`, which is not in the config")]
    #[diagnostic(code(graph::unknown_stack), help("{help}"))]
    UnknownStack {
        /// The stack that names it.
        stack: String,
        /// `requires`, `is required by` or `reads an output of`.
        verb: &'static str,
        /// The name.
        name: String,
        /// What to do.
        help: String,
        /// Place of the name.
        #[label("no such stack")]
        span: miette::SourceSpan,
    },
    /// An edge from a stack to itself.
    #[error("stack `{stack}` {verb} itself")]
    #[diagnostic(
        code(graph::self_reference),
        help("a stack cannot wait for itself; inside one template use Ref and GetAtt")
    )]
    SelfReference {
        /// The stack.
        stack: String,
        /// `requires`, `is required by` or `reads an output of`.
        verb: &'static str,
        /// Place of the name.
        #[label("this is the stack itself")]
        span: miette::SourceSpan,
    },
    /// Stacks that need each other.
    #[error("stacks need each other: {path}")]
    #[diagnostic(
        code(graph::cycle),
        help("remove one of these dependencies; none of the stacks could ever start")
    )]
    Cycle {
        /// The cycle, closed: `a -> b -> a`.
        path: String,
        /// Where each edge of it comes from.
        #[label(collection)]
        edges: Vec<LabeledSpan>,
    },
}

impl Problem for GraphProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Graph
    }
}

/// An edge and the place it comes from.
type Edges = BTreeMap<(NodeName, NodeName), Span>;

impl DependencyGraph {
    /// Builds the graph of a config from `requires`, `required_by` and `output` lookups at any depth. Names may be
    /// short names or fqns. Returns the graph unless there are problems, and every problem.
    pub fn build(config: &Arc<Config>) -> (Option<Self>, Findings) {
        let mut builder = Builder::new(config);
        for stack in config.stacks.values() {
            for (name, span) in &stack.requires {
                builder.edge(&stack.name, name, *span, "requires", false);
            }
            for (name, span) in &stack.required_by {
                builder.edge(&stack.name, name, *span, "is required by", true);
            }
            for variable in stack.variables.values() {
                for (name, span) in variable.value.output_references() {
                    builder.edge(&stack.name, &name, span, "reads an output of", false);
                }
            }
        }
        builder.finish()
    }

    /// What each stack needs, directly.
    pub fn needs(&self) -> &BTreeMap<NodeName, BTreeSet<NodeName>> {
        &self.needs
    }

    /// What one stack needs, directly.
    pub fn needs_of(&self, name: &NodeName) -> BTreeSet<NodeName> {
        self.needs.get(name).cloned().unwrap_or_default()
    }

    /// What one stack needs, at any distance.
    pub fn all_needs_of(&self, name: &NodeName) -> BTreeSet<NodeName> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            for need in self.needs.get(name).into_iter().flatten() {
                if found.insert(need.clone()) {
                    open.push(need);
                }
            }
        }
        found
    }

    /// The stacks in an order in which every stack comes after what it needs; ties by name.
    pub fn order(&self) -> Vec<NodeName> {
        order(&self.needs)
    }
}

/// Orders nodes so that each comes after what it needs, ties by name. Needs that are no nodes do not count; nodes on a
/// cycle are left out.
pub fn order(needs: &BTreeMap<NodeName, BTreeSet<NodeName>>) -> Vec<NodeName> {
    let mut dependants: BTreeMap<&NodeName, Vec<&NodeName>> = BTreeMap::new();
    let mut open: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for (name, wanted) in needs {
        let wanted: Vec<&NodeName> = wanted.iter().filter(|need| needs.contains_key(*need)).collect();
        open.insert(name, wanted.len());
        for need in wanted {
            dependants.entry(need).or_default().push(name);
        }
    }
    let mut ready: BTreeSet<&NodeName> =
        open.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut ordered = Vec::with_capacity(needs.len());
    while let Some(next) = ready.pop_first() {
        ordered.push(next.clone());
        for dependant in dependants.get(next).into_iter().flatten() {
            if let Some(count) = open.get_mut(*dependant) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependant);
                }
            }
        }
    }
    ordered
}

/// Stack names for which a suggestion is looked for.
const MOST_SUGGESTIONS: usize = 20;
/// Edges of a cycle that are named and shown.
const MOST_EDGES: usize = 10;

/// The names of a closed cycle, with those in the middle left out if there are many.
fn path(names: &[&str]) -> String {
    let (first, rest) = names.split_at(names.len().min(MOST_EDGES));
    match rest {
        [] | [_] => names.join(" -> "),
        [more @ .., last] => format!("{} -> ({} more) -> {last}", first.join(" -> "), more.len()),
    }
}

struct Builder<'c> {
    config: &'c Arc<Config>,
    by_fqn: BTreeMap<&'c StackFqn, &'c NodeName>,
    edges: Edges,
    findings: Findings,
    /// Names that may still be compared with all others; in a config full of errors that would take minutes.
    suggestions: usize,
}

impl<'c> Builder<'c> {
    fn new(config: &'c Arc<Config>) -> Self {
        let by_fqn = config.stacks.values().map(|stack| (&stack.fqn, &stack.name)).collect();
        let (edges, findings) = (Edges::new(), Findings::default());
        Self { config, by_fqn, edges, findings, suggestions: MOST_SUGGESTIONS }
    }

    /// The stack a name means: a name, or else a full stack name.
    fn resolve(&self, name: &NodeName) -> Option<NodeName> {
        if self.config.stacks.contains_key(name) {
            return Some(name.clone());
        }
        self.by_fqn.get(&StackFqn::new(name.as_str())).map(|name| (*name).clone())
    }

    fn edge(&mut self, stack: &NodeName, name: &NodeName, span: Span, verb: &'static str, reversed: bool) {
        let Some(other) = self.resolve(name) else {
            let known = self.config.stacks.keys().map(NodeName::as_str).filter(|_| self.suggestions > 0);
            let meant = nearest(name.as_str(), known);
            self.suggestions = self.suggestions.saturating_sub(1);
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if verb == "reads an output of" => {
                    "`rxref` and `cfn` read outputs of stacks outside this config".to_owned()
                }
                None => "a stack that left the config is about to be deleted, so nothing can wait for it"
                    .to_owned(),
            };
            let (stack, name) = (stack.as_str().to_owned(), name.as_str().to_owned());
            self.report(GraphProblem::UnknownStack { stack, verb, name, help, span: span.into() });
            return;
        };
        if other == *stack {
            let stack = stack.as_str().to_owned();
            self.report(GraphProblem::SelfReference { stack, verb, span: span.into() });
            return;
        }
        let edge = if reversed { (other, stack.clone()) } else { (stack.clone(), other) };
        self.edges.entry(edge).or_insert(span);
    }

    fn report(&mut self, problem: GraphProblem) {
        self.findings.push(Finding::at(&self.config.document, problem));
    }

    fn finish(mut self) -> (Option<DependencyGraph>, Findings) {
        let mut needs: BTreeMap<NodeName, BTreeSet<NodeName>> =
            self.config.stacks.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
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
            self.report(GraphProblem::Cycle { path: path(&names), edges });
        }
        let graph = (!self.findings.has_errors()).then_some(DependencyGraph { needs });
        (graph, self.findings)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::load;
    use crate::text::Document;

    fn build(stacks: &str) -> (Option<DependencyGraph>, Findings) {
        let text = format!("namespace: ns\nstacks:\n{stacks}");
        let (config, findings) = load(&Document::new("c.yml", text), &BTreeMap::new());
        assert!(!findings.has_errors(), "{findings:?}");
        DependencyGraph::build(&Arc::new(config.unwrap()))
    }

    fn stack(name: &str, rest: &str) -> String {
        format!("  - name: {name}\n    template_path: t.yml\n{rest}")
    }

    fn messages(stacks: &str) -> Vec<String> {
        build(stacks).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn edges_come_from_everything_that_names_a_stack() {
        let text = [
            stack("vpc", ""),
            stack("db", "    requires: [vpc]\n"),
            stack("log", "    required_by: [vpc]\n"),
            stack("app", "    variables: {A: [{B: \"${split ,::${output ns-db.Subnets}}\"}], C: \"${default x::${output vpc.Id}}\"}\n"),
        ]
        .concat();
        let graph = build(&text).0.unwrap();
        let needs = |name: &str| {
            graph.needs_of(&name.into()).iter().map(|n| n.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(needs("app"), ["db", "vpc"]);
        assert_eq!(needs("vpc"), ["log"]);
        let order: Vec<String> = graph.order().iter().map(|name| name.as_str().to_owned()).collect();
        assert_eq!(order, ["log", "vpc", "db", "app"]);
    }

    #[test]
    fn long_cycles_are_shortened() {
        let text: String = (0..100)
            .map(|index| {
                stack(&format!("s{index:02}"), &format!("    requires: [s{:02}]\n", (index + 1) % 100))
            })
            .collect();
        let (_, findings) = build(&text);
        let finding = findings.iter().next().unwrap();
        assert_eq!(
            finding.to_string(),
            "stacks need each other: s00 -> s01 -> s02 -> s03 -> s04 -> s05 -> s06 -> s07 -> s08 -> s09 -> (90 more) -> s00"
        );
        assert_eq!(finding.problem.labels().unwrap().count(), MOST_EDGES);
    }

    #[test]
    fn every_problem_is_found_and_a_cycle_is_shown_as_a_path() {
        let text = [
            stack("a", "    requires: [b]\n"),
            stack("b", "    requires: [c]\n"),
            stack("c", "    variables: {X: \"${output a.Id}\"}\n"),
            stack("d", "    requires: [d]\n"),
            stack("e", "    requires: [aa, databse]\n"),
            stack("database", ""),
        ]
        .concat();
        assert_eq!(
            messages(&text),
            [
                "stack `d` requires itself",
                "stack `e` requires `aa`, which is not in the config",
                "stack `e` requires `databse`, which is not in the config",
                "stacks need each other: a -> b -> c -> a",
            ]
        );
    }
}
