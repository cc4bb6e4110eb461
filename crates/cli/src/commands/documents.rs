//! Documents that commands print.

use crate::args::{
    Command, GraphCommand, GraphFormat, OutputsFormat, PlanFormat, SchemaDocument, TextOrJson,
};

/// Whether a command prints JSON, so that its errors are JSON as well.
pub(super) fn wants_json(command: &Command) -> bool {
    match command {
        Command::Plan(arguments) => arguments.format == PlanFormat::Json,
        Command::Deploy(arguments) | Command::Destroy(arguments) => arguments.format == TextOrJson::Json,
        Command::Status(arguments) => arguments.format == TextOrJson::Json,
        Command::Validate(arguments) => arguments.form.format == TextOrJson::Json,
        Command::Outputs(arguments) => arguments.format == OutputsFormat::Json,
        Command::Cache(command) => command.format() == TextOrJson::Json,
        Command::Graph(GraphCommand::Show { format }) => *format == GraphFormat::Json,
        _ => false,
    }
}

/// The generated schemas, as they are checked in.
pub(super) fn schema(document: SchemaDocument) -> &'static str {
    match document {
        SchemaDocument::Cfngin => include_str!("../../../../config-schema/cfngin.schema.json"),
        SchemaDocument::Runway => include_str!("../../../../config-schema/runway.schema.json"),
        SchemaDocument::Plan => include_str!("../../../../config-schema/plan.schema.json"),
        SchemaDocument::SavedPlan => include_str!("../../../../config-schema/saved-plan.schema.json"),
        SchemaDocument::Status => include_str!("../../../../config-schema/status.schema.json"),
        SchemaDocument::Outputs => include_str!("../../../../config-schema/outputs.schema.json"),
        SchemaDocument::Graph => include_str!("../../../../config-schema/graph.schema.json"),
        SchemaDocument::Report => include_str!("../../../../config-schema/report.schema.json"),
        SchemaDocument::CacheStatus => include_str!("../../../../config-schema/cache-status.schema.json"),
        SchemaDocument::CacheRecords => include_str!("../../../../config-schema/cache-records.schema.json"),
        SchemaDocument::CacheExplain => include_str!("../../../../config-schema/cache-explain.schema.json"),
        SchemaDocument::CacheVerify => include_str!("../../../../config-schema/cache-verify.schema.json"),
        SchemaDocument::CacheChange => include_str!("../../../../config-schema/cache-change.schema.json"),
        SchemaDocument::Error => include_str!("../../../../config-schema/error.schema.json"),
        SchemaDocument::Events => include_str!("../../../../config-schema/events.schema.json"),
    }
}
