//! A JavaScript client as an upstream: `openpipe.fallbackClient`, a target's `client`, or the SDK's own transport. And an
//! upstream of this side whose headers only JavaScript knows.
//!
//! The call itself is made in JavaScript (lib/host-client/host-client.js), where what it returns or throws stays. Here is only what
//! the engine needs to decide: a short summary of each. Time is kept here: a client that never settles, or ignores its
//! signal, is dropped like a silent socket.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use openpipe_core::endpoint::Endpoint;
use openpipe_core::failure::{ClientError, Failure, Head, Kind};
use openpipe_core::in_place::{give_way, in_place};
use openpipe_core::plan::Overlay;
use openpipe_core::text::headers::{self, HeaderList};
use openpipe_core::text::json;
use openpipe_core::upstream::http::{HttpPool, HttpUpstream};
use openpipe_core::upstream::{BoxFuture, Completion, EventSource, Request, Response, SseEvent, Upstream};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::call::CallHandle;
use crate::post::{Post, json as to_json};

/// The questions of one call that wait for an answer.
#[derive(Default)]
pub(crate) struct Asks {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, oneshot::Sender<String>>>,
}

impl Asks {
    /// Takes JavaScript's answer. One that nobody waits for any more is dropped.
    pub(crate) fn answer(&self, ask: u32, answer: String) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ask);
        if let Some(sender) = waiting {
            // The asker may have been dropped in this very moment.
            let _ = sender.send(answer);
        }
    }

    fn expect(&self, ask: u32) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ask, sender);
        receiver
    }
}

/// One JavaScript client, for one call.
pub(crate) struct JsUpstream {
    pub(crate) call: u32,
    pub(crate) handle: Arc<CallHandle>,
    pub(crate) post: Arc<Post>,
    pub(crate) client: u32,
    pub(crate) headers: HeaderList,
    pub(crate) max_retries: Option<u32>,
}

/// What JavaScript is told of a request; the body goes along as a text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    client: u32,
    stream: bool,
    headers: &'a HeaderList,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retries: Option<u32>,
    timeout: u32,
}

/// What JavaScript says of what its client did.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It returned a value; as JSON text, where it has one.
    Completion {
        ticket: u32,
        text: Option<String>,
        #[serde(default)]
        request_id: Option<String>,
    },
    /// It returned something to iterate.
    Stream {
        ticket: u32,
        #[serde(default)]
        request_id: Option<String>,
    },
    /// The stream's next chunk, as JSON text.
    Chunk(Option<String>),
    /// The stream's end, and whether `[DONE]` was seen to pass before it.
    Done(bool),
    /// `fetch` had a response.
    Response { status: u16, headers: HeaderList },
    /// The headers that go to the client's own upstream.
    Headers(HeaderList),
    /// What a function that redacts reports made of one, as JSON text; `null` where nothing is to be sent.
    Redacted(Option<String>),
    /// It threw or rejected.
    Error(ClientError),
}

impl Upstream for JsUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let mut conversation = Conversation::new(self.call, &self.handle, &self.post);
            let question = Question {
                client: self.client,
                stream: request.stream,
                headers: &self.headers,
                max_retries: self.max_retries,
                timeout: timeout(request.time),
            };
            let body = json::text(request.body.to_vec());
            let answer = conversation.ask("ask", &[&to_json(&question)], Some(body)).await?;
            conversation.over = matches!(answer, Answer::Error(_)) || matches!(answer, Answer::Completion { .. });
            match answer {
                Answer::Completion { ticket, text, request_id } => {
                    completion(request.endpoint, &request.body, ticket, text, request_id, request.stream).await
                }
                Answer::Stream { ticket, request_id } if request.stream => {
                    let head = head(request_id);
                    Ok(Response::Stream { head, source: Box::new(JsEvents { conversation }), ticket: Some(ticket) })
                }
                Answer::Stream { .. } => Err(invalid("the client returned a stream where a completion was asked for")),
                Answer::Error(error) => Err(error.classify()),
                Answer::Chunk(_)
                | Answer::Done(_)
                | Answer::Response { .. }
                | Answer::Headers(_)
                | Answer::Redacted(_) => Err(out_of_turn()),
            }
        })
    }
}

/// As the SDKs take it: their timers hold no more than 31 bits, and refuse 0. No limit is told as well, because a client may
/// have a shorter one of its own.
fn timeout(time: Option<Duration>) -> u32 {
    const LONGEST: u32 = i32::MAX as u32;
    time.map_or(LONGEST, |time| u32::try_from(time.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST))
}

/// The client's own upstream over HTTP from here, where a function of the user's gives the key: JavaScript asks it at each
/// try, as the SDK does, and only the target that needs the key waits for it.
pub(crate) struct AskedUpstream {
    pub(crate) call: u32,
    pub(crate) handle: Arc<CallHandle>,
    pub(crate) post: Arc<Post>,
    pub(crate) pool: Arc<HttpPool>,
    pub(crate) upstream: Arc<str>,
    pub(crate) url: Arc<Url>,
    pub(crate) base: Arc<HeaderMap>,
    pub(crate) overlay: Overlay,
}

impl AskedUpstream {
    async fn headers(&self) -> Result<Arc<HeaderMap>, Failure> {
        let mut conversation = Conversation::new(self.call, &self.handle, &self.post);
        let answer = conversation.ask("headers", &[&to_json(&self.upstream)], None).await?;
        conversation.over = true;
        let told = match answer {
            Answer::Headers(told) => told,
            Answer::Error(error) => return Err(error.without_key()),
            _ => return Err(out_of_turn()),
        };
        let mut headers = HeaderMap::clone(&self.base);
        headers::overlay(&mut headers, &told).map_err(|why| invalid(&why))?;
        let mut headers = Arc::new(headers);
        self.overlay.lay(&mut headers).map_err(|why| invalid(&why))?;
        Ok(headers)
    }
}

impl Upstream for AskedUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let headers = self.headers().await?;
            let upstream = HttpUpstream { pool: Arc::clone(&self.pool), url: Arc::clone(&self.url), headers };
            upstream.send(request).await
        })
    }
}

async fn completion(
    endpoint: Endpoint,
    sent: &[u8],
    ticket: u32,
    text: Option<String>,
    request_id: Option<String>,
    stream: bool,
) -> Result<Response, Failure> {
    if stream {
        return Err(invalid("the client returned no stream: it cannot be iterated"));
    }
    let Some(text) = text else { return Err(invalid("the client returned no object")) };
    let bytes = text.len();
    let accepted = in_place(bytes, || endpoint.accept(text, sent));
    give_way(bytes).await;
    match accepted {
        Ok(answer) => Ok(Response::Completion(Completion {
            head: head(request_id),
            text: answer.text,
            usage: answer.usage,
            ticket: Some(ticket),
        })),
        Err(refusal) => Err(refusal.failure(None)),
    }
}

/// The head of a response that only JavaScript has seen: it was a success.
fn head(request_id: Option<String>) -> Head {
    let mut head = Head { status: 200, ..Head::default() };
    if let Some(id) = request_id.and_then(|id| id.parse().ok()) {
        head.headers.insert("x-request-id", id);
    }
    head
}

fn invalid(message: &str) -> Failure {
    Failure { head: None, ..Failure::invalid_response(message, Head::default(), None) }
}

fn out_of_turn() -> Failure {
    invalid("the client's answer was out of turn")
}

/// A stream that a JavaScript client returned: JavaScript keeps its chunks, and sends the text of each once.
struct JsEvents {
    conversation: Conversation,
}

impl EventSource for JsEvents {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Vec<SseEvent>>, Failure>> {
        Box::pin(async move {
            match self.conversation.ask("pull", &[], None).await? {
                // What JSON does not know (`undefined`, a function) is no event; the text `null` fails as such.
                Answer::Chunk(text) => {
                    Ok(Some(vec![SseEvent { data: text.unwrap_or_else(|| "null".into()), is_error: false }]))
                }
                Answer::Done(told) => {
                    self.conversation.over = true;
                    // The client's iterator keeps it to itself; to those who judge the stream it is an event like any other.
                    Ok(told.then(|| vec![SseEvent { data: "[DONE]".into(), is_error: false }]))
                }
                Answer::Error(error) => {
                    self.conversation.over = true;
                    let failure = error.classify();
                    // Within a stream every failure is the stream's, but an error that names a status; what the caller gets is the
                    // client's own error.
                    let kind = if failure.named_status.is_some() { failure.kind } else { Kind::Stream };
                    Err(Failure { kind, ..failure })
                }
                Answer::Completion { .. }
                | Answer::Stream { .. }
                | Answer::Response { .. }
                | Answer::Headers(_)
                | Answer::Redacted(_) => Err(out_of_turn()),
            }
        })
    }
}

/// A request to a JavaScript client from its question to its last chunk, under one number.
pub(crate) struct Conversation {
    call: u32,
    ask: u32,
    handle: Arc<CallHandle>,
    post: Arc<Post>,
    /// The answer to what was asked last; kept, so that an asker who is dropped while waiting loses nothing.
    pending: Option<oneshot::Receiver<String>>,
    /// Nothing is left that JavaScript would have to stop.
    pub(crate) over: bool,
}

impl Conversation {
    pub(crate) fn new(call: u32, handle: &Arc<CallHandle>, post: &Arc<Post>) -> Self {
        let ask = handle.asks.next.fetch_add(1, Ordering::Relaxed);
        Self { call, ask, handle: Arc::clone(handle), post: Arc::clone(post), pending: None, over: false }
    }

    pub(crate) async fn ask(&mut self, name: &str, rest: &[&str], text: Option<String>) -> Result<Answer, Failure> {
        let receiver = match &mut self.pending {
            Some(receiver) => receiver,
            none => {
                let receiver = none.insert(self.handle.asks.expect(self.ask));
                let ask = self.ask.to_string();
                let parts: Vec<&str> = std::iter::once(ask.as_str()).chain(rest.iter().copied()).collect();
                match text {
                    Some(text) => self.post.send(self.call, name, &parts, [text]),
                    None => self.post.send(self.call, name, &parts, []),
                }
                receiver
            }
        };
        let answer = receiver.await;
        self.pending = None;
        let answer = answer.map_err(|_closed| invalid("the client's environment is gone"))?;
        serde_json::from_str(&answer)
            .map_err(|error| invalid(&format!("the client's answer could not be read: {error}")))
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.handle.asks.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.ask);
        if !self.over {
            self.post.send(self.call, "drop", &[&self.ask.to_string()], []);
        }
    }
}
