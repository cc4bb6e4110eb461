//! Every kind of records.

use super::{Class, Kind};

/// Digests of the template of an existing stack, by what CloudFormation says of its last update.
pub const STACK_TEMPLATE: Kind = Kind { name: "stack-template", revision: 1, class: Class::Fact };
/// A Python blueprint rendered: by everything it was given and everything it read.
pub const BLUEPRINT: Kind = Kind { name: "blueprint", revision: 1, class: Class::Pure };
/// What the rendering of a Python blueprint read: by everything it was given. It has to be looked at whether that is
/// still so.
pub const BLUEPRINT_TRACE: Kind = Kind { name: "blueprint-trace", revision: 1, class: Class::Receipt };
/// A piece of what a Python process read: by its digest.
pub const PYTHON_TRACE: Kind = Kind { name: "python-trace", revision: 1, class: Class::Pure };

/// That a template is in the bucket under a key that names its content.
pub const TEMPLATE_OBJECT: Kind = Kind { name: "template-object", revision: 1, class: Class::Fact };
