//! The texts that go over the wire: JSON, request bodies and headers, read and edited without building trees of them.

pub mod body;
pub mod credentials;
pub mod headers;
pub mod json;
pub mod secrets;
mod unescape;
