//! Plans that are shown together. A page or a picture is one document: those of several targets cannot follow each
//! other, so they are kept until all have been planned.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runway_core::render::json::PlanDocument;
use runway_core::render::picture::Target;
use runway_core::render::{mermaid, page, picture};

use crate::args::PlanFormat;

/// Where a plan stands among the others: the place of its target, and that of its config in it.
pub(super) type Place = (usize, usize);

/// Plans by their places, each with what it is called.
#[derive(Default)]
pub(super) struct Pages {
    plans: Mutex<BTreeMap<Place, (Option<String>, PlanDocument)>>,
}

impl Pages {
    /// Keeps a plan.
    pub(super) fn add(&self, place: Place, label: Option<String>, plan: PlanDocument) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(place, (label, plan));
    }

    /// All plans as one document; none if there are none, or if plans of this form are printed one by one.
    pub(super) fn document(&self, format: PlanFormat) -> Option<String> {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let targets: Vec<Target<'_>> =
            plans.values().map(|(label, plan)| Target { label: label.as_deref(), plan }).collect();
        if targets.is_empty() {
            return None;
        }
        match format {
            PlanFormat::Svg => Some(picture::documents(&targets)),
            PlanFormat::Html => Some(page::documents(&targets)),
            PlanFormat::Mermaid => Some(mermaid::documents(&targets)),
            PlanFormat::Dot => Some(mermaid::dot(&targets)),
            PlanFormat::Text | PlanFormat::Json | PlanFormat::Markdown => None,
        }
    }
}
