//! Documents that commands print.

use crate::args::{
    AssetsFormat, Command, GraphCommand, GraphFormat, OutputsFormat, PlanFormat, SchemaDocument, TextOrJson,
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
        Command::Assets(command) => command.format() == AssetsFormat::Json,
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
        SchemaDocument::AssetsPlan => include_str!("../../../../config-schema/assets-plan.schema.json"),
        SchemaDocument::AssetsPush => include_str!("../../../../config-schema/assets-push.schema.json"),
        SchemaDocument::AssetsPrune => include_str!("../../../../config-schema/assets-prune.schema.json"),
        SchemaDocument::AssetsList => include_str!("../../../../config-schema/assets-list.schema.json"),
        SchemaDocument::AssetsBuild => include_str!("../../../../config-schema/assets-build.schema.json"),
        SchemaDocument::AssetsVerify => include_str!("../../../../config-schema/assets-verify.schema.json"),
        SchemaDocument::AssetsDoctor => include_str!("../../../../config-schema/assets-doctor.schema.json"),
        SchemaDocument::Error => include_str!("../../../../config-schema/error.schema.json"),
        SchemaDocument::Events => include_str!("../../../../config-schema/events.schema.json"),
    }
}

/// The command as a person types it.
pub(super) fn name(command: &Command) -> &'static str {
    match command {
        Command::Plan(_) => "plan",
        Command::Deploy(_) => "deploy",
        Command::Destroy(_) => "destroy",
        Command::Init => "init",
        Command::New { .. } => "new",
        Command::Whichenv => "whichenv",
        Command::Envvars => "envvars",
        Command::Status(_) => "status",
        Command::Outputs(_) => "outputs",
        Command::Graph(GraphCommand::Show { .. }) => "graph show",
        Command::Graph(GraphCommand::Unlock { .. }) => "graph unlock",
        Command::Graph(GraphCommand::Forget { .. }) => "graph forget",
        Command::Cache(command) => command.name(),
        Command::Assets(command) => command.name(),
        Command::Validate(_) => "validate",
        Command::Schema { .. } => "schema",
        Command::Completions { .. } => "completions",
        Command::Man => "man",
    }
}
