//! What is decided between two requests: whether to try again, and whether a target is worth asking.

pub mod backoff;
pub mod breaker;
pub mod health;
pub mod homes;
mod lru;
pub mod reject;
mod schema;
