//! Merging configs as CFNgin merges them (`runway.utils.merge_dicts`).

use crate::yaml::{Node, NodeValue};

/// Merges `over` into `base`: maps merge field by field, lists follow one another, base first; otherwise `over` wins.
pub(super) fn merge(base: Node, over: Node) -> Node {
    let span = over.span;
    let value = match (base.value, over.value) {
        (NodeValue::Mapping(below), NodeValue::Mapping(above)) => NodeValue::Mapping(fields(below, above)),
        (NodeValue::Sequence(mut items), NodeValue::Sequence(more)) => {
            items.extend(more);
            NodeValue::Sequence(items)
        }
        (_, value) => value,
    };
    Node { value, tag: over.tag, span }
}

fn fields(below: Vec<(Node, Node)>, above: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let mut above: Vec<Option<(Node, Node)>> = above.into_iter().map(Some).collect();
    let mut result = Vec::with_capacity(below.len() + above.len());
    for (key, value) in below {
        let same = |entry: &&mut Option<(Node, Node)>| {
            entry.as_ref().is_some_and(|(other, _)| other.as_text() == key.as_text())
        };
        match above.iter_mut().find(same).and_then(Option::take) {
            Some((key, over)) => result.push((key, merge(value, over))),
            None => result.push((key, value)),
        }
    }
    result.extend(above.into_iter().flatten());
    result
}

/// Sorts the fields of every map by name. CFNgin writes a merged config as YAML, which sorts them, and reads it again:
/// hooks in map form run in this order.
pub(super) fn sort(node: &mut Node) {
    match &mut node.value {
        NodeValue::Scalar { .. } => {}
        NodeValue::Sequence(items) => items.iter_mut().for_each(sort),
        NodeValue::Mapping(entries) => {
            entries.iter_mut().for_each(|(_, value)| sort(value));
            entries.sort_by(|(one, _), (other, _)| one.as_text().cmp(&other.as_text()));
        }
    }
}
