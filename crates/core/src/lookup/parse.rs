//! Parsing of lookups.

use super::Expression;
use crate::ident::StackName;

/// The stack an `output` query names: its text up to the first `.` or `::`, unless that part contains a lookup.
pub fn referenced_stack(_query: &Expression) -> Option<StackName> {
    None
}
