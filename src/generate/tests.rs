//! The same seed gives the same bytes, for ever.
