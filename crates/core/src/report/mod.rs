//! Reports of calls: their contents ([`body`]), and their delivery ([`queue`]; contract.md, section 7).

mod body;
mod counts;
mod delivery;
mod encoding;
mod file;
mod lanes;
mod limits;
mod queue;
mod shared;
mod sinks;
mod tries;
mod worker;

pub use body::{Place, TargetOutcome, body, line, new_call_id};
pub use counts::{Counts, Group};
pub use delivery::{Delivery, Listener, Redacted, Report};
pub use encoding::ReportEndpoint;
pub use file::ReportFile;
pub use limits::Limits;
pub use queue::{Reporter, Scope};
pub use sinks::{Destination, Sink};
