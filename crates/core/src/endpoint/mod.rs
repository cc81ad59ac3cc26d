//! What differs between the endpoints of the API: what a good answer is, what content is, how a stream ends.

pub mod chat;
