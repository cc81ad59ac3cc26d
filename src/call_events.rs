//! [`CallEvents`] for Node.js: each event is a message in the mailbox.

use std::sync::Arc;

use openpipe_core::call::{CallEvents, Form, Meta, MovedOn, Refusal};
use openpipe_core::events::delta::Event;
use openpipe_core::failure::Failure;
use openpipe_core::upstream::{BoxFuture, Completion};

use crate::handle::Handle;
use crate::post::{Post, REPORTS, fits};
use crate::protocol::Message;

/// The host of one call. [`crate::host_client`] implements the traits for custom clients.
pub(crate) struct NodeCall {
    pub(crate) call: u32,
    pub(crate) handle: Arc<Handle>,
    pub(crate) post: Arc<Post>,
}

impl NodeCall {
    fn send(&self, message: Message<'_>) {
        self.post.send(self.call, message);
    }
}

impl CallEvents for NodeCall {
    fn refused(&self, why: Refusal, message: &str) {
        self.send(Message::Refused { why, message });
    }

    fn warning(&self, message: &str) {
        self.send(Message::Warning { message });
    }

    fn moved_on(&self, moved: &MovedOn<'_>) {
        self.send(Message::Fallback(moved));
    }

    fn completion(&self, completion: Completion, meta: &Meta<'_>) {
        let Completion { text, ticket, .. } = completion;
        let request_id = meta.head.and_then(|head| head.request_id());
        let status = meta.head.map(|head| head.status);
        // JavaScript has kept a custom client's own object, so its text is not sent back.
        let body = if ticket.is_none() { text } else { String::new() };
        self.send(Message::Completion { request_id, ticket, status, body, meta });
    }

    fn stream(&self, ticket: Option<u32>, meta: &Meta<'_>) {
        self.send(Message::Stream { ticket, meta });
    }

    fn reserve(&self, bytes: usize) -> Result<(), BoxFuture<'_, ()>> {
        self.post.reserve(bytes)
    }

    fn events(&self, form: Form, bytes: usize, events: &[Event]) {
        self.post.send_events(self.call, form, bytes, events);
    }

    fn kept_events(&self, bytes: usize, count: usize) {
        self.send(Message::Kept { bytes, count });
    }

    fn end(&self, meta: &Meta<'_>) {
        self.send(Message::End(meta));
    }

    fn failed(&self, failures: &[Failure], meta: &Meta<'_>) {
        self.send(Message::Failure { failures, meta });
    }

    fn wants_reports(&self) -> bool {
        self.post.are_reports_watched()
    }

    fn report(&self, report: String) {
        self.post.send(REPORTS, Message::Report { report });
    }

    fn fits(&self, text: &str) -> bool {
        fits(text)
    }
}
