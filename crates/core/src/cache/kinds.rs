//! Every kind of records.

use super::{Class, Kind};

/// Digests of the template of an existing stack, by what CloudFormation says of its last update.
pub const STACK_TEMPLATE: Kind = Kind { name: "stack-template", revision: 1, class: Class::Fact };

/// That a template is in the bucket under a key that names its content.
pub const TEMPLATE_OBJECT: Kind = Kind { name: "template-object", revision: 1, class: Class::Fact };
