//! Graphs as text, JSON, Mermaid and DOT.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::json::pretty;
use super::style::harmless;
use crate::config::OnRemove;
use crate::engine::{GraphView, LockView};
use crate::graph::state::TaskFacts;
use crate::ident::NodeName;

/// Dependencies by stack.
type Nodes = BTreeMap<NodeName, BTreeSet<NodeName>>;

/// The persistent graph as a document.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct GraphDocument<'g> {
    /// Version of this format.
    version: u32,
    /// Where the graph object is, `s3://bucket/key`.
    location: &'g str,
    /// Whether there is an object; without one nothing is recorded.
    exists: bool,
    /// Recorded stacks by name.
    stacks: BTreeMap<&'g str, StackDocument<'g>>,
    /// Recorded tasks by name; they are in the state object alone.
    tasks: BTreeMap<&'g str, RecordedTask<'g>>,
    /// Tags of the graph object.
    tags: &'g BTreeMap<String, String>,
    /// Who holds the lock, if somebody does.
    lock: Option<&'g LockView>,
}

/// What is recorded of one stack.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct StackDocument<'g> {
    /// Recorded stacks it depends on directly.
    needs: BTreeSet<&'g str>,
    /// Its name in CloudFormation; unknown for a stack that only CFNgin recorded.
    fqn: Option<&'g str>,
    /// Its account.
    account: Option<&'g str>,
    /// Its region.
    region: Option<&'g str>,
    /// Its id.
    stack_id: Option<&'g str>,
}

/// What is recorded of one task.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RecordedTask<'g> {
    /// Its kind.
    kind: &'g str,
    /// Stacks and tasks it needs.
    needs: BTreeSet<&'g str>,
    /// Account in which it works.
    account: Option<&'g str>,
    /// Region in which it works.
    region: Option<&'g str>,
    /// What becomes of what it keeps when it leaves the config: `retain` or `delete`.
    on_remove: OnRemove,
    /// What it keeps was there before it, or may have been.
    adopted: bool,
    /// Whether it was found, or made, as specified when it was last looked at.
    settled: bool,
}

/// The persistent graph as JSON.
pub fn json(view: &GraphView) -> String {
    let empty = Nodes::new();
    let nodes = view.graph.as_ref().map_or(&empty, |graph| &graph.nodes);
    let stacks = nodes
        .iter()
        .map(|(name, needs)| {
            let facts = view.state.nodes.get(name);
            let document = StackDocument {
                needs: needs.iter().map(|need| need.as_str()).collect(),
                fqn: facts.and_then(|facts| facts.fqn.as_ref()).map(|fqn| fqn.as_str()),
                account: facts.and_then(|facts| facts.account.as_deref()),
                region: facts.and_then(|facts| facts.region.as_deref()),
                stack_id: facts.and_then(|facts| facts.stack_id.as_ref()).map(|id| id.as_str()),
            };
            (name.as_str(), document)
        })
        .collect();
    let tasks = view.state.tasks.iter().map(|(name, facts)| {
        let document = RecordedTask {
            kind: &facts.kind,
            needs: facts.needs.iter().map(NodeName::as_str).collect(),
            account: account(facts),
            region: facts.place.region.as_deref().or(facts.region.as_deref()),
            on_remove: facts.on_remove,
            adopted: facts.adopted,
            settled: facts.digest.is_some(),
        };
        (name.as_str(), document)
    });
    pretty(&GraphDocument {
        version: 1,
        location: &view.location,
        exists: view.graph.is_some(),
        stacks,
        tasks: tasks.collect(),
        tags: &view.tags,
        lock: view.holder.as_ref(),
    })
}

/// The account in which a task works: who assumes a role works in the role's.
fn account(facts: &TaskFacts) -> Option<&str> {
    let of_role = facts.place.role_chain.last().and_then(|arn| arn.split(':').nth(4));
    let of_place = facts.place.account.as_deref().or(of_role).filter(|account| !account.is_empty());
    of_place.or(facts.account.as_deref())
}

/// The persistent graph for people.
pub fn text(view: &GraphView) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", view.location);
    match &view.graph {
        None if view.state.tasks.is_empty() => out.push_str("  nothing is recorded\n"),
        None => {}
        Some(graph) => {
            for (name, needs) in &graph.nodes {
                let fqn = view.state.nodes.get(name).and_then(|facts| facts.fqn.as_ref());
                let fqn = fqn.map(|fqn| format!(" ({fqn})")).unwrap_or_default();
                let needs: Vec<&str> = needs.iter().map(NodeName::as_str).collect();
                let needs =
                    if needs.is_empty() { String::new() } else { format!(" needs {}", needs.join(", ")) };
                let _ = writeln!(out, "  {}", harmless(&format!("{name}{fqn}{needs}")));
            }
        }
    }
    for (name, facts) in &view.state.tasks {
        let needs: Vec<&str> = facts.needs.iter().map(NodeName::as_str).collect();
        let needs = if needs.is_empty() { String::new() } else { format!(" needs {}", needs.join(", ")) };
        let open = if facts.digest.is_some() { "" } else { ", not finished" };
        let adopted = if facts.adopted && facts.keeps_something() { ", adopted" } else { "" };
        let about = format!("{name} (task, {} on removal{adopted}{open}){needs}", facts.on_remove.as_str());
        let _ = writeln!(out, "  {}", harmless(&about));
    }
    match &view.holder {
        Some(lock) => {
            let _ = writeln!(out, "locked by {}", harmless(&lock.describe()));
        }
        None => out.push_str("not locked\n"),
    }
    out
}

/// Dependencies as a Mermaid flow chart: an arrow points from a stack to what it needs.
pub fn mermaid(nodes: &Nodes) -> String {
    let ids: BTreeMap<&NodeName, String> =
        nodes.keys().enumerate().map(|(index, name)| (name, format!("s{index}"))).collect();
    let mut out = String::from("flowchart TD\n");
    for (name, id) in &ids {
        let label = harmless(name.as_str()).replace('"', "#quot;");
        let _ = writeln!(out, "    {id}[\"{label}\"]");
    }
    for (name, needs) in nodes {
        for need in needs {
            if let (Some(from), Some(to)) = (ids.get(name), ids.get(need)) {
                let _ = writeln!(out, "    {from} --> {to}");
            }
        }
    }
    out
}

/// Dependencies in Graphviz' language: an arrow points from a stack to what it needs.
pub fn dot(nodes: &Nodes) -> String {
    let quoted = |name: &NodeName| {
        format!("\"{}\"", harmless(name.as_str()).replace('\\', "\\\\").replace('"', "\\\""))
    };
    let mut out = String::from("digraph stacks {\n");
    for (name, needs) in nodes {
        let _ = writeln!(out, "    {};", quoted(name));
        for need in needs {
            let _ = writeln!(out, "    {} -> {};", quoted(name), quoted(need));
        }
    }
    out.push_str("}\n");
    out
}

impl LockView {
    /// The lock in words: who, where, since when.
    pub fn describe(&self) -> String {
        if self.cfngin {
            return format!("CFNgin (lock code {})", self.code);
        }
        let Some(holder) = &self.holder else {
            return format!("a session that left no lease (lock code {})", self.code);
        };
        let mut text = format!("{}@{}, process {}", holder.user, holder.host, holder.pid);
        if !holder.command.is_empty() {
            let _ = write!(text, ", running {}", holder.command);
        }
        if let Some(acquired) = &self.acquired {
            let _ = write!(text, ", since {acquired}");
        }
        if let Some(renewed) = &self.renewed {
            let _ = write!(text, ", last renewed {renewed}");
        }
        if let Some(url) = &holder.url {
            let _ = write!(text, ", {url}");
        }
        let _ = write!(text, " (lock code {})", self.code);
        text
    }
}
