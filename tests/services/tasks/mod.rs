//! Kinds of tasks: against moto where moto does what AWS does, and against servers of the test's own that check every
//! request by the published model of the service where it does not.

mod accounts;
mod catalog;
mod documentation;
mod launches;
mod model;
mod moto;
mod others;
mod served;
mod servicecatalog;
mod stand;
