//! JSON Schemas of the documents, generated from the types.

use schemars::schema_for;
use serde_json::to_string_pretty;

use crate::document::{
    AssetsBuildDocument, AssetsDoctorDocument, AssetsListDocument, AssetsPlanDocument, AssetsPruneDocument,
    AssetsPushDocument, AssetsVerifyDocument,
};

/// Every schema: the name of its document, and the schema as indented JSON.
pub fn documents() -> Vec<(&'static str, String)> {
    let pretty = |schema: schemars::Schema| {
        let mut text = to_string_pretty(&schema).unwrap_or_default();
        text.push('\n');
        text
    };
    vec![
        ("assets-build", pretty(schema_for!(AssetsBuildDocument))),
        ("assets-doctor", pretty(schema_for!(AssetsDoctorDocument))),
        ("assets-list", pretty(schema_for!(AssetsListDocument))),
        ("assets-plan", pretty(schema_for!(AssetsPlanDocument))),
        ("assets-prune", pretty(schema_for!(AssetsPruneDocument))),
        ("assets-push", pretty(schema_for!(AssetsPushDocument))),
        ("assets-verify", pretty(schema_for!(AssetsVerifyDocument))),
    ]
}
