//! Reports of calls: what they say ([`body`]), and their way to where they go ([`queue`]; contract.md, section 7).

mod body;
mod encoding;
mod queue;

pub use body::{Came, body};
pub use encoding::ReportEndpoint;
pub use queue::{Counts, Delivery, Group, Limits, Listener, Report, Reporter, Scope};
