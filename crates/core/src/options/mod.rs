//! The options of a caller: read and checked ([`read`], by the table in [`spec`]), and merged with the defaults.

mod aliases;
mod argument_error;
mod call;
mod client;
mod constructor;
mod describe;
mod fallback_target;
mod identity;
pub mod known;
mod limit;
mod names;
mod nearest;
mod openpipe;
mod per_call;
pub mod read;
mod recent;
mod request_upstream;
pub mod route;
pub mod spec;
mod targets;
mod upstream_config;
pub mod upstream_id;
mod upstreams;
mod urls;

pub use crate::endpoint::MAX_RESPONSE_BYTES;
pub use call::{CallOptions, read_call};
pub use client::{ClientConfig, ReportTarget, SinkOption};
pub use constructor::{ClientOptions, ReadClientOptions};
pub use describe::{Described, describe};
pub use fallback_target::{FallbackTarget, MAX_TARGETS};
pub use identity::Identity;
pub use limit::{DEFAULT_TIMEOUT, Limit};
pub use nearest::nearest_name;
pub use openpipe::tags_with_sdk;
pub use per_call::{BreakerOption, HoldUntil, OpenPipeOptions};
pub use recent::{GivenOptions, RecentOptions};
pub use request_upstream::RequestUpstream;
pub use upstream_config::{Takes, UpstreamConfig};
pub use urls::{Urls, parse_url};

#[cfg(test)]
mod tests;
