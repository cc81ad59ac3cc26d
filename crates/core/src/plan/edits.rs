//! What a target changes in the request's body: its model, `params`, `omit`, and what only another upstream can read.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Target, capable};
use crate::endpoint::needs;
use crate::text::body::{Edit, RequestBody};

/// What a target changes in the body.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub(super) model: Option<String>,
    pub(super) params: Option<Box<RawValue>>,
    pub(super) omit: Vec<String>,
    pub(super) drop_unstored_metadata: bool,
    /// Take out of `input` what another upstream issued.
    pub(super) drop_issued: bool,
}

/// Which items are taken out of `input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issued {
    /// All that another upstream issued.
    All,
    /// Encrypted items only.
    Sealed,
}

impl Target {
    /// The text that this target is sent.
    #[must_use]
    pub fn body(&self, body: &RequestBody) -> Bytes {
        self.edited(body, self.change.drop_unstored_metadata, self.change.drop_issued.then_some(Issued::All))
    }

    /// The body without the items that only the upstream which issued them can read (reasoning, `encrypted_content`); `None` where
    /// it holds no such item.
    #[must_use]
    pub fn unsealed_body(&self, body: &RequestBody) -> Option<Bytes> {
        needs::without_issued(body.member("input")?, true)?;
        Some(self.edited(body, self.change.drop_unstored_metadata, Some(Issued::Sealed)))
    }

    /// The text that is reported for this target: `metadata` stays in it.
    #[must_use]
    pub fn reported_body(&self, body: &RequestBody) -> Bytes {
        self.edited(body, false, self.change.drop_issued.then_some(Issued::All))
    }

    fn edited(&self, body: &RequestBody, drop_unstored_metadata: bool, without: Option<Issued>) -> Bytes {
        let Change { model, params, omit, .. } = &self.change;
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
