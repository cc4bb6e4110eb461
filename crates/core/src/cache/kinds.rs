//! Every kind of records.

use super::{Class, Kind};

/// Digests of the template of an existing stack, by what CloudFormation says of its last update.
pub const STACK_TEMPLATE: Kind = Kind { name: "stack-template", revision: 1, class: Class::Fact };
