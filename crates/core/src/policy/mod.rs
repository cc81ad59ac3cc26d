//! Policies: retries and their pauses, circuit breaker, health, where responses are stored, and rules that refuse answers.

pub mod backoff;
pub mod breaker;
pub mod health;
pub mod homes;
mod lru;
pub mod reject;
mod schema;
