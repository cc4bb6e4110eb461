//! JSON Schemas of everything that is read and written as a document, generated from the types.

use schemars::schema_for;

use crate::plan::saved::SavedPlans;
use crate::render::cache::{
    ChangeDocument, ExplainDocument, RecordsDocument, StatusDocument as CacheStatusDocument, VerifyDocument,
};
use crate::render::events::EventLine;
use crate::render::graph::GraphDocument;
use crate::render::json::{PlanDocument, pretty};
use crate::render::problems::ErrorDocument;
use crate::render::report::ReportDocument;
use crate::render::tables::{OutputsDocument, StatusDocument};

/// Every schema: the name of its document, and the schema as indented JSON.
pub fn documents() -> Vec<(&'static str, String)> {
    vec![
        ("cache-change", pretty(&schema_for!(ChangeDocument))),
        ("cache-explain", pretty(&schema_for!(ExplainDocument))),
        ("cache-records", pretty(&schema_for!(RecordsDocument))),
        ("cache-status", pretty(&schema_for!(CacheStatusDocument))),
        ("cache-verify", pretty(&schema_for!(VerifyDocument))),
        ("cfngin", pretty(&crate::config::schema::schema())),
        ("error", pretty(&schema_for!(ErrorDocument))),
        ("events", pretty(&schema_for!(EventLine<'_>))),
        ("graph", pretty(&schema_for!(GraphDocument<'_>))),
        ("outputs", pretty(&schema_for!(OutputsDocument<'_>))),
        ("plan", pretty(&schema_for!(PlanDocument))),
        ("report", pretty(&schema_for!(ReportDocument))),
        ("runway", pretty(&crate::project::schema::schema())),
        ("saved-plan", pretty(&schema_for!(SavedPlans))),
        ("status", pretty(&schema_for!(StatusDocument<'_>))),
    ]
}
