//! CFNgin's bytes: writing them exactly, reading them strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{GraphError, GraphObject, GraphWarning, PersistentGraph};
use crate::error::Finding;
use crate::ident::NodeName;
use crate::python;

/// A recorded dependency: the stack, and what it depends on.
pub type RecordedEdge = (NodeName, NodeName);

/// A graph as read: repaired, with what was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadGraph {
    /// The graph without the edges below: acyclic, and every dependency is a node.
    pub graph: PersistentGraph,
    /// Edges to stacks that are not recorded. CFNgin refuses to load a graph with one.
    pub dangling: Vec<RecordedEdge>,
    /// Edges that close a cycle, a dependency of a stack on itself included.
    pub cyclic: Vec<RecordedEdge>,
}

impl ReadGraph {
    /// Whether something was left out that CFNgin refuses to read.
    pub fn is_repaired(&self) -> bool {
        !self.dangling.is_empty() || !self.cyclic.is_empty()
    }

    /// One warning for each edge that was left out.
    pub fn warnings(&self, object: &GraphObject) -> Vec<Finding> {
        let location = object.location();
        let warning = |edge: &RecordedEdge, dangling| {
            let (stack, needs, location) = (edge.0.clone(), edge.1.clone(), location.clone());
            Finding::general(if dangling {
                GraphWarning::DanglingEdge { stack, needs, location }
            } else {
                GraphWarning::CyclicEdge { stack, needs, location }
            })
        };
        let dangling = self.dangling.iter().map(|edge| warning(edge, true));
        dangling.chain(self.cyclic.iter().map(|edge| warning(edge, false))).collect()
    }
}

impl PersistentGraph {
    /// The bytes CFNgin writes (Python's `json.dumps(.., indent=4)`), with keys and lists sorted: four spaces a
    /// level, `[]` and `{}` for what is empty, non-ASCII as `\uXXXX`, no final newline.
    pub fn to_json(&self) -> String {
        let names = |needs: &BTreeSet<NodeName>| needs.iter().map(NodeName::as_str).collect::<Value>();
        let nodes = self.nodes.iter().map(|(name, needs)| (name.as_str().to_owned(), names(needs)));
        python::json(&Value::Object(nodes.collect()), Some(4))
    }

    /// Reads a graph object's body. White space after the JSON is skipped: while the lock is held it carries the
    /// holder's code. As in Python, the last of several equal keys counts.
    ///
    /// # Errors
    /// [`GraphError::Unreadable`] unless the body is a JSON object of lists of strings.
    pub fn read(body: &[u8], object: &GraphObject) -> Result<ReadGraph, GraphError> {
        let unreadable = |line, column, problem| GraphError::Unreadable {
            object: Box::new(object.clone()),
            line,
            column,
            problem,
        };
        let body = body.trim_ascii_end();
        if body.is_empty() {
            return Err(unreadable(1, 1, "the object is empty".to_owned()));
        }
        let RawGraph(raw) = serde_json::from_slice(body).map_err(|error| {
            // serde_json appends the place to its text; here it has fields of its own.
            let text = error.to_string();
            let problem = text.split(" at line ").next().unwrap_or(&text).to_owned();
            unreadable(error.line().max(1), error.column().max(1), problem)
        })?;
        Ok(repaired(raw))
    }
}

/// Leaves out the edges that make a graph invalid.
fn repaired(raw: BTreeMap<NodeName, BTreeSet<NodeName>>) -> ReadGraph {
    let mut dangling = Vec::new();
    let mut graph = PersistentGraph { nodes: raw };
    let recorded: BTreeSet<_> = graph.nodes.keys().cloned().collect();
    for (name, needs) in &mut graph.nodes {
        needs.retain(|need| {
            let kept = recorded.contains(need);
            if !kept {
                dangling.push((name.clone(), need.clone()));
            }
            kept
        });
    }
    let cyclic = if graph.is_acyclic() { Vec::new() } else { graph.break_cycles() };
    ReadGraph { graph, dangling, cyclic }
}

struct RawGraph(BTreeMap<NodeName, BTreeSet<NodeName>>);

struct Needs(BTreeSet<NodeName>);

struct Name(NodeName);

impl<'de> Deserialize<'de> for RawGraph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = RawGraph;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that lists each stack's dependencies")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawGraph, A::Error> {
                let mut nodes = BTreeMap::new();
                while let Some((Name(name), Needs(needs))) = map.next_entry()? {
                    nodes.insert(name, needs);
                }
                Ok(RawGraph(nodes))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Needs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of stack names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Needs, A::Error> {
                let mut needs = BTreeSet::new();
                while let Some(Name(name)) = list.next_element()? {
                    needs.insert(name);
                }
                Ok(Needs(needs))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a stack name")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name, E> {
                if text.is_empty() {
                    return Err(E::custom("a stack name is empty"));
                }
                Ok(Name(NodeName::new(text)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
