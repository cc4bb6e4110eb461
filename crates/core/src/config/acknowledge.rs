//! Losses of data that the config allows: `acknowledge` and `refuse_data_loss`. CFNgin knows neither and passes over them.

use jiff::civil::Date;

use super::error::ConfigProblem;
use super::reader::{Fields, Reader};
use crate::plan::Allowed;
use crate::text::Span;
use crate::yaml::{Node, NodeValue};

/// Fields of an entry of `acknowledge`.
pub(super) const FIELDS: [&str; 4] = ["stack", "resource", "until", "reason"];

/// What a config says about losses of data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataLoss {
    /// `refuse_data_loss: false`: nothing is refused.
    pub is_allowed: bool,
    /// Entries of `acknowledge`.
    pub acknowledged: Vec<Acknowledgement>,
}

/// An entry of `acknowledge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// What may be lost.
    pub allowed: Allowed,
    /// The last day on which it holds, in UTC.
    pub until: Date,
    /// Place of the entry.
    pub span: Span,
}

impl Reader<'_> {
    /// `acknowledge` and `refuse_data_loss`.
    pub(super) fn data_loss(&mut self, fields: &Fields<'_>) -> DataLoss {
        let refuses = fields.get("refuse_data_loss").and_then(|node| self.boolean("refuse_data_loss", node));
        let acknowledged = fields.get("acknowledge").map(|node| self.acknowledged(node)).unwrap_or_default();
        DataLoss { is_allowed: refuses == Some(false), acknowledged }
    }

    fn acknowledged(&mut self, node: &Node) -> Vec<Acknowledgement> {
        let Some(items) = node.as_sequence() else {
            self.wrong_type(
                "acknowledge",
                "a list",
                node,
                "write one entry a line: `- {stack: NAME, until: DATE}`",
            );
            return Vec::new();
        };
        items.iter().filter_map(|item| self.acknowledgement(item)).collect()
    }

    fn acknowledgement(&mut self, node: &Node) -> Option<Acknowledgement> {
        if !matches!(node.value, NodeValue::Mapping(_)) {
            self.wrong_type("acknowledge", "a list of maps", node, "write `{stack: NAME, until: DATE}`");
            return None;
        }
        let fields = self.strict_fields("an entry of `acknowledge`", node, &FIELDS, &[])?;
        let text =
            |reader: &mut Self, field: &str| fields.get(field).and_then(|node| reader.literal(field, node));
        let (stack, resource) = (text(self, "stack"), text(self, "resource"));
        if let Some(reason) = fields.get("reason") {
            self.prose("reason", reason);
        }
        let until = fields.get("until").and_then(|node| {
            // Other ways to write a day are taken for none: the schema knows one.
            let date = node
                .as_text()
                .and_then(|text| text.parse::<Date>().ok().filter(|date| date.to_string() == text));
            if date.is_none() {
                self.wrong_type("until", "a date", node, "write a day as 2026-12-31");
            }
            date
        });
        for field in ["stack", "resource"] {
            if let Some(node) = fields.get(field).filter(|node| node.as_text() == Some("")) {
                self.wrong_type(field, "a name", node, "write a name");
            }
        }
        for field in ["stack", "until"] {
            if fields.get(field).is_none() {
                let owner = fields.owner.to_owned();
                self.report(ConfigProblem::MissingField { owner, field, span: node.span.into() });
            }
        }
        Some(Acknowledgement { allowed: Allowed { stack: stack?, resource }, until: until?, span: node.span })
    }
}
