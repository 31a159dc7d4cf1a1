//! Jobs over HTTP: `Prefer: respond-async`, and asking what became of the work.

pub mod http;
