//! The changes that a target makes in the request's body: its model, `params`, `omit`, and the items that only another upstream can read.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::capable;
use crate::endpoint::needs;
use crate::text::body::{Edit, RequestBody};

/// The changes that a target makes in the body.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub(super) model: Option<String>,
    pub(super) params: Option<Box<RawValue>>,
    pub(super) omit: Vec<String>,
    pub(super) drop_unstored_metadata: bool,
    /// Remove the items of `input` that another upstream issued.
    pub(super) drop_issued: bool,
}

/// Which items are taken out of `input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Issued {
    /// All that another upstream issued.
    All,
    /// Encrypted items only.
    Sealed,
}

impl Change {
    /// The body with these changes.
    pub(super) fn apply(&self, body: &RequestBody, drop_unstored_metadata: bool, without: Option<Issued>) -> Bytes {
        let Self { model, params, omit, .. } = self;
        let mut rewritten = Vec::new();
        if let Some(without) = without {
            let input = body.member("input");
            let input = input.and_then(|input| needs::without_issued(input, without == Issued::Sealed));
            rewritten.extend(input.map(|input| ("input", input)));
        }
        let tools = capable::omitted_tools(omit);
        if let Some(all) = body.member("tools").filter(|_| !tools.is_empty()) {
            rewritten.push(("tools", needs::without_tools(all, &tools)));
        }
        body.edited(&Edit {
            model: model.as_deref(),
            params: params.as_deref(),
            omit,
            drop_unstored_metadata,
            rewritten: &rewritten,
        })
    }
}
