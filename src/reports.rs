//! The reporter of one environment: implements the core's traits for its queue (HTTP or JavaScript's `fetch`); and sends the other
//! requests of OpenPipe's API.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use openpipe_core::failure::{Failure, Head};
use openpipe_core::options::{MAX_RESPONSE_BYTES, parse_url};
use openpipe_core::report::{Delivery, Limits, Listener, Redacted, Reporter};
use openpipe_core::text::headers::{self, HeaderList, Pairs};
use openpipe_core::upstream::BoxFuture;
use openpipe_core::upstream::http::HttpPool;
use reqwest::{Method, Url};

use crate::handle::Handle;
use crate::host_client::Conversation;
use crate::post::{Post, REPORTS};
use crate::protocol::{Answer, Envelope, Message};
use crate::runtime::{PoolSlot, Runtime};

/// The most bytes that are read of the response to a report.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Starts the reporter. Its task ends with the environment.
pub(crate) fn start(runtime: &Runtime, pool: &Arc<PoolSlot>, post: &Arc<Post>, handle: Arc<Handle>) -> Reporter {
    let delivery = Deliverer { pool: Arc::clone(pool), post: Arc::downgrade(post), handle: Arc::clone(&handle) };
    let listener = Notifier { post: Arc::downgrade(post) };
    let (reporter, work) = Reporter::new(Limits::default(), Arc::new(delivery), Arc::new(listener));
    let pool = Arc::clone(pool);
    if let Some(runtime) = runtime.handle() {
        drop(runtime.spawn(async move {
            pool.get().warm().await;
            tokio::select! {
                () = handle.control.cancelled() => {}
                () = work => {}
            }
        }));
    }
    reporter
}

struct Deliverer {
    pool: Arc<PoolSlot>,
    post: Weak<Post>,
    handle: Arc<Handle>,
}

impl Delivery for Deliverer {
    fn redact(&self, function: u32, report: Bytes) -> BoxFuture<'_, Redacted> {
        Box::pin(async move {
            let Some(post) = self.post.upgrade() else { return Redacted::Failed };
            let mut conversation = Conversation::new(REPORTS, &self.handle, &post);
            drop(post);
            let report = openpipe_core::text::json::text(report.to_vec());
            let answer = conversation.ask(|ask| Message::Redact { ask, function, report }).await;
            conversation.over = true;
            match answer {
                Ok(Answer::Redacted { text: Some(report) }) => Redacted::Send(Bytes::from(report)),
                Ok(Answer::Redacted { text: None }) => Redacted::Withheld,
                _ => Redacted::Failed,
            }
        })
    }

    fn deliver<'a>(
        &'a self,
        url: &'a Url,
        headers: HeaderMap,
        body: Bytes,
        host_transport: Option<u32>,
    ) -> BoxFuture<'a, Result<Head, Failure>> {
        Box::pin(async move {
            if let Some(transport) = host_transport {
                return self.fetch(transport, url, &headers, body).await;
            }
            let (head, _) = self.pool.get().request(Method::POST, url, headers, body, MAX_ANSWER).await?;
            Ok(head)
        })
    }
}

impl Deliverer {
    /// Delivers a report with JavaScript's `fetch`.
    async fn fetch(&self, transport: u32, url: &Url, headers: &HeaderMap, body: Bytes) -> Result<Head, Failure> {
        let Some(post) = self.post.upgrade() else {
            return Err(Failure::connection("the environment is gone", None));
        };
        let mut conversation = Conversation::new(REPORTS, &self.handle, &post);
        drop(post);
        let to = Envelope { url: url.as_str(), headers: Pairs(headers), transport };
        let body = openpipe_core::text::json::text(body.to_vec());
        let answer = conversation.ask(|ask| Message::Deliver { ask, to: &to, body }).await;
        conversation.over = true;
        match answer {
            Ok(Answer::Response { status, headers }) => {
                Ok(Head { status, headers: headers::of_response(&headers), ..Head::default() })
            }
            Ok(Answer::Error(error)) => Err(error.classify()),
            _ => Err(Failure::connection("the answer was out of turn", None)),
        }
    }
}

struct Notifier {
    post: Weak<Post>,
}

impl Listener for Notifier {
    fn reported(&self, call: u32) {
        if let Some(post) = self.post.upgrade() {
            post.send_late(call, Message::Reported);
        }
    }

    fn warning(&self, message: &str) {
        if let Some(post) = self.post.upgrade() {
            post.send(REPORTS, Message::Warning { message });
        }
    }
}

/// A request of OpenPipe's API other than a chat completion.
pub(crate) struct ApiRequest {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    time: Option<Duration>,
}

impl ApiRequest {
    /// Reads and checks a request from JavaScript; the error names the option that is malformed.
    pub(crate) fn read(
        method: &str,
        url: &str,
        key: &str,
        list: &str,
        body: String,
        milliseconds: f64,
    ) -> Result<Self, String> {
        let list: HeaderList = serde_json::from_str(list).map_err(|error| format!("headers: {error}"))?;
        let mut headers = HeaderMap::new();
        headers::overlay(&mut headers, &list)?;
        let key = headers::header_value(&format!("Bearer {key}"))
            .ok_or_else(|| "`apiKey` holds a character that an HTTP header cannot carry".to_owned())?;
        headers.insert(http::header::AUTHORIZATION, key);
        Ok(Self {
            method: method.parse().map_err(|_| format!("{method:?} is no HTTP method"))?,
            url: parse_url("baseUrl", url)?,
            headers,
            body: Bytes::from(body),
            time: Duration::try_from_secs_f64(milliseconds / 1000.0).ok(),
        })
    }

    /// Sends it, and posts the outcome as a message `response`.
    pub(crate) async fn run(self, pool: &HttpPool, post: &Weak<Post>, number: u32) {
        let sent = pool.request(self.method, &self.url, self.headers, self.body, MAX_RESPONSE_BYTES);
        let result = match self.time {
            Some(time) => tokio::time::timeout(time, sent)
                .await
                .unwrap_or_else(|_elapsed| Err(Failure::timeout(format!("no answer within {} ms", time.as_millis())))),
            None => sent.await,
        };
        let (head, failure, text) = match result {
            Ok((head, text)) => (Some(head), None, text),
            Err(failure) => (None, Some(failure), String::new()),
        };
        if let Some(post) = post.upgrade() {
            let (head, failure) = (head.as_ref(), failure.as_ref());
            post.send(REPORTS, Message::Response { request: number, head, failure, body: text });
        }
    }
}
