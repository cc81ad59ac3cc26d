//! The events of a stream: as they come over the wire ([`sse`]: server-sent events), and as they go to the host ([`delta`]: delta
//! encoding).

pub mod delta;
pub mod sse;
