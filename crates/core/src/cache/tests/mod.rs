mod codec;
mod keys;
mod laws;
mod run;
