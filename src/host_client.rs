//! [`HostClient`] and [`HeaderSource`] for Node.js: custom clients (`openpipe.fallbackClient`, a target's `client`), the SDK's own
//! transport, and key functions.
//!
//! JavaScript calls the client (lib/host-client/host-request.js), and keeps the values that it returns or throws.

use std::sync::Arc;
use std::time::Duration;

use openpipe_core::host::{
    HeaderSource, HostAnswer, HostChunks, HostClient, HostFailure, HostRequest, HttpAnswer, HttpRequest, JudgeRequest,
};
use openpipe_core::text::headers::{HeaderList, Pairs};
use openpipe_core::text::json;
use openpipe_core::upstream::BoxFuture;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::call_events::NodeCall;
use crate::handle::Handle;
use crate::post::Post;
use crate::protocol::{Answer, Envelope, Judged, Judging, Message, Question};

/// JavaScript is notified of consumed chunks in steps of this many bytes, and reads ahead by twice as many (lib/host-client/chunks.js).
const TAKEN_BYTES: usize = 32 * 1024;
/// The memory that keeping a chunk takes beside its text, in bytes: as in [`openpipe_core::events::delta::Event::kept_bytes`].
const CHUNK_COST: usize = 160;

impl HostClient for NodeCall {
    fn send<'a>(&'a self, request: HostRequest<'a>) -> BoxFuture<'a, Result<HostAnswer, HostFailure>> {
        Box::pin(async move {
            let mut conversation = Conversation::new(self.call, &self.handle, &self.post);
            let question = Question {
                client: request.client,
                cancels: request.cancels,
                stream: request.stream,
                headers: request.headers,
                max_retries: request.max_retries,
                timeout: timeout(request.time),
            };
            let body = json::text(request.body.to_vec());
            let answer = conversation.ask(|ask| Message::Ask { ask, question: &question, body }).await?;
            match answer {
                Answer::Completion { ticket, request_id, secrets, text } => {
                    conversation.over = true;
                    Ok(HostAnswer::Completion { ticket, text, request_id, secrets })
                }
                Answer::Stream { ticket, request_id, secrets } => {
                    let chunks = Box::new(NodeChunks { conversation, taken: 0 });
                    Ok(HostAnswer::Stream { ticket, request_id, secrets, chunks })
                }
                other => Err(conversation.unexpected(other)),
            }
        })
    }

    fn exchange<'a>(&'a self, request: HttpRequest<'a>) -> BoxFuture<'a, Result<HttpAnswer, HostFailure>> {
        Box::pin(async move {
            let mut conversation = Conversation::new(self.call, &self.handle, &self.post);
            // A call has one `fetch`, so the number is not used.
            let to = Envelope { url: request.url.as_str(), headers: Pairs(request.headers), transport: 0 };
            let body = json::text(request.body.to_vec());
            match conversation.ask(|ask| Message::Fetch { ask, to: &to, body }).await? {
                Answer::Response { status, headers } => {
                    Ok(HttpAnswer { status, headers, body: Box::new(NodeChunks { conversation, taken: 0 }) })
                }
                other => Err(conversation.unexpected(other)),
            }
        })
    }

    fn judge<'a>(&'a self, question: JudgeRequest<'a>) -> BoxFuture<'a, Result<Option<String>, HostFailure>> {
        Box::pin(async move {
            let JudgeRequest { function, ticket, answer, request_id, upstream, model } = question;
            let mut conversation = Conversation::new(self.call, &self.handle, &self.post);
            let question = Judging { function, ticket, request_id, upstream, model };
            let judged = conversation.ask(|ask| Message::Judge { ask, question: &question, answer }).await?;
            conversation.over = true;
            match judged {
                Answer::Judged(Judged::Accepted) => Ok(None),
                Answer::Judged(Judged::Refused(reason)) if reason.is_empty() => Ok(Some(NO_REASON.into())),
                Answer::Judged(Judged::Refused(reason)) => Ok(Some(reason)),
                Answer::Judged(Judged::Failed(why)) => Err(HostFailure::Broken(why)),
                other => Err(conversation.unexpected(other)),
            }
        })
    }
}

/// The reason of a refusal where a function of `reject` returned `true`.
const NO_REASON: &str = "the function `reject` refuses the answer";

/// A timeout in whole milliseconds for an SDK, whose timers hold 31 bits and refuse 0. "No limit" is passed as the largest value, because
/// a client may have a shorter default of its own.
fn timeout(time: Option<Duration>) -> u32 {
    const LONGEST: u32 = i32::MAX as u32;
    time.map_or(LONGEST, |time| u32::try_from(time.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST))
}

impl HeaderSource for NodeCall {
    fn headers<'a>(&'a self, upstream: &'a str) -> BoxFuture<'a, Result<HeaderList, HostFailure>> {
        Box::pin(async move {
            let mut conversation = Conversation::new(self.call, &self.handle, &self.post);
            match conversation.ask(|ask| Message::Headers { ask, upstream }).await? {
                Answer::Headers(headers) => {
                    conversation.over = true;
                    Ok(headers)
                }
                other => Err(conversation.unexpected(other)),
            }
        })
    }
}

/// The stream of a custom client. JavaScript keeps the chunks, and sends the text of each once, in batches.
struct NodeChunks {
    conversation: Conversation,
    /// Consumed bytes that JavaScript has not been notified of.
    taken: usize,
}

impl HostChunks for NodeChunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<String>>, HostFailure>> {
        Box::pin(async move {
            match self.conversation.answer().await? {
                Answer::Chunks { texts } => {
                    self.taken += texts.iter().map(|text| text.len() + CHUNK_COST).sum::<usize>();
                    if self.taken >= TAKEN_BYTES {
                        let bytes = std::mem::take(&mut self.taken);
                        self.conversation.send(|ask| Message::Pull { ask, bytes });
                    }
                    Ok(Some(texts))
                }
                Answer::Done => {
                    self.conversation.over = true;
                    Ok(None)
                }
                other => Err(self.conversation.unexpected(other)),
            }
        })
    }
}

/// A question to JavaScript and its answers, under one number.
pub(crate) struct Conversation {
    call: u32,
    ask: u32,
    handle: Arc<Handle>,
    post: Arc<Post>,
    answers: UnboundedReceiver<Answer>,
    /// The request has ended, so JavaScript need not stop it.
    pub(crate) over: bool,
}

impl Conversation {
    pub(crate) fn new(call: u32, handle: &Arc<Handle>, post: &Arc<Post>) -> Self {
        let (ask, answers) = handle.asks.ask();
        Self { call, ask, handle: Arc::clone(handle), post: Arc::clone(post), answers, over: false }
    }

    /// Sends the question, and waits for the first answer.
    pub(crate) async fn ask<'a>(&mut self, message: impl FnOnce(u32) -> Message<'a>) -> Result<Answer, HostFailure> {
        self.send(message);
        self.answer().await
    }

    fn send<'a>(&self, message: impl FnOnce(u32) -> Message<'a>) {
        self.post.send(self.call, message(self.ask));
    }

    /// The next answer. Cancel-safe.
    async fn answer(&mut self) -> Result<Answer, HostFailure> {
        let gone = || HostFailure::Broken("the client's environment is gone".to_owned());
        self.answers.recv().await.ok_or_else(gone)
    }

    /// The failure for an answer of another kind than expected: usually the error that the client threw.
    pub(crate) fn unexpected(&mut self, answer: Answer) -> HostFailure {
        match answer {
            Answer::Error(error) => {
                self.over = true;
                HostFailure::Thrown(error)
            }
            Answer::Unreadable(why) => HostFailure::Broken(format!("the client's answer could not be read: {why}")),
            _ => HostFailure::Broken("the client's answer was out of turn".to_owned()),
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.handle.asks.close(self.ask);
        if !self.over {
            self.post.send(self.call, Message::Drop { ask: self.ask });
        }
    }
}
