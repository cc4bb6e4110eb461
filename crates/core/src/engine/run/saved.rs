//! Plans that are kept for a later run, and the run that carries one out.

use std::sync::Arc;

use super::Made;
use crate::config::Config;
use crate::engine::backing::Backing;
use crate::engine::observe::Observed;
use crate::engine::{Bound, Engine, EngineError, Planned};
use crate::error::Finding;
use crate::exit::ExitCode;
use crate::plan::saved::{Extent, Recorded, SavedPlan, SavedTarget, moved};
use crate::plan::{Desired, Purpose};
use crate::render::json::PlanDocument;

impl Engine {
    pub(crate) async fn make_plan_to_save(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        target: SavedTarget,
        hidden: &[String],
    ) -> Result<(Planned, SavedPlan), EngineError> {
        let (desired, warnings) = self.desired(config, purpose)?;
        let backing = Backing::read_only(self, config);
        let Made { mut planned, observed } = self.make(&desired, purpose, &backing, None).await?;
        let saved = self.save(&desired, &observed, PlanDocument::of(&planned.plan), target, hidden);
        planned.warnings.splice(0..0, warnings.split().1);
        Ok((planned, saved))
    }

    pub(crate) async fn check_saved_plan(
        &self,
        config: &Arc<Config>,
        purpose: Purpose,
        bound: Bound<'_>,
    ) -> Result<(), EngineError> {
        let (desired, _) = self.desired(config, purpose)?;
        let backing = Backing::read_only(self, config);
        self.make_saved(&desired, purpose, &backing, bound).await.map(|_| ())
    }

    /// Makes a saved plan anew. If it comes out otherwise, that is an error with everything that moved; so it is if no plan
    /// can be made any more because something moved.
    pub(super) async fn make_saved(
        &self,
        desired: &Desired,
        purpose: Purpose,
        backing: &Backing,
        bound: Bound<'_>,
    ) -> Result<Made, EngineError> {
        let Bound { saved, hidden } = bound;
        let mut observed = self.observe(desired, purpose, backing, None).await?;
        self.answer_for(desired, purpose, &mut observed.world).await?;
        let planned = self.plan_for(desired, purpose, backing, &mut observed).await;
        let (document, extent) = match &planned {
            Ok(planned) => (PlanDocument::of(&planned.plan), Extent::Plan),
            Err(_) => {
                let place = &observed.world.place;
                let here = PlanDocument {
                    purpose,
                    namespace: desired.config.namespace.clone(),
                    account: place.account.clone(),
                    region: place.region.clone(),
                    steps: Vec::new(),
                    ..saved.plan.clone()
                };
                (here, Extent::World)
            }
        };
        let now = self.save(desired, &observed, document, saved.target.clone(), hidden);
        let moved = moved(saved, &now, extent);
        if moved.is_empty() {
            return planned.map(|planned| Made { planned, observed });
        }
        let mut findings: Vec<Finding> = moved.into_iter().map(Finding::general).collect();
        if let Err(error) = planned {
            findings.extend(error.findings);
        }
        Err(EngineError { findings, exit: ExitCode::Stale })
    }

    fn save(
        &self,
        desired: &Desired,
        observed: &Observed,
        document: PlanDocument,
        target: SavedTarget,
        hidden: &[String],
    ) -> SavedPlan {
        let graph = observed.premises.as_ref().map(|premises| premises.location.clone());
        let settings = self.options.settings();
        let recorded = Recorded { desired, world: &observed.world, settings: &settings, graph, hidden };
        recorded.save(target, document)
    }
}
