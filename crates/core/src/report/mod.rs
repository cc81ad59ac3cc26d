//! Reports of calls: what they say ([`body`]), and their way to where they go ([`queue`]; contract.md, section 7).

mod body;
mod encoding;
mod file;
mod queue;
mod sinks;

pub use body::{Came, Place, body, line, new_call_id};
pub use encoding::ReportEndpoint;
pub use file::ReportFile;
pub use queue::{Counts, Delivery, Group, Limits, Listener, Redacted, Report, Reporter, Scope};
pub use sinks::{Destination, Sink};
