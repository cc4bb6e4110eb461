mod bucket;
mod codec;
mod keys;
mod laws;
mod maintain;
mod modes;
mod run;
mod trouble;
