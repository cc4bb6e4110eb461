//! The whole binary on the embedded provider.
