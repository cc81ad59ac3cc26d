//! The logic of openpipe-native: routing, fallback, deadlines, streams and reports, without any language around it.
//!
//! The stages of a call: [`text::body`] finds the members of the caller's body, [`plan`] makes an ordered list of targets from it and
//! the [`options`], and [`engine`] runs the list, one [`upstream`] after the other. Whatever goes wrong is a [`failure`], classified
//! once. [`stream`] watches a stream until its end.
//!
//! Nothing in here knows the language around it: a host implements the traits of [`host`], and converts.

#![forbid(unsafe_code)]

pub mod boxed;
pub mod call;
pub mod deadline;
pub mod endpoint;
pub mod engine;
pub mod events;
pub mod failure;
pub mod host;
pub mod in_place;
pub mod options;
pub mod plan;
pub mod policy;
pub mod record;
pub mod report;
mod stopped;
pub mod stream;
pub mod text;
pub mod upstream;
