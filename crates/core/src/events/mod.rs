//! The events of a stream: decoding of server-sent events ([`sse`]), and delta encoding for the host ([`delta`]).

pub mod delta;
pub mod sse;
