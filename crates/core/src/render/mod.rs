//! Rendering of plans.
