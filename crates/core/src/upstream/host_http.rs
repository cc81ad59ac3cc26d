//! HTTP through the host's own HTTP client, for options that only that client can honour: a dispatcher, an agent, a mock.
//! Its response is read and judged like one of the core's own HTTP client.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING};
use http_body::Frame;
use reqwest::{ResponseBuilderExt, Url};

use super::http::{Sent, is_followed, of_try, receive};
use super::{BoxFuture, Request, Response, Upstream};
use crate::failure::{Failure, Surface};
use crate::host::{HostChunks, HostFailure, HostSide, HttpAnswer, HttpRequest};
use crate::text::headers;
use crate::text::secrets::Secrets;

/// One upstream that is reached by the host's own HTTP client.
pub struct HostHttpUpstream {
    /// The call's host.
    pub host: Arc<dyn HostSide>,
    /// The URL of the endpoint.
    pub url: Arc<Url>,
    /// All headers except those that differ between tries.
    pub headers: Arc<HeaderMap>,
}

impl Upstream for HostHttpUpstream {
    fn send<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Response, Failure>> {
        Box::pin(async move {
            let headers = of_try(&self.headers, request.retries);
            let response = self.exchange(&headers, &request.body).await;
            let response = response.map_err(|failure| failure.redacted(&Secrets::of_request(&headers, &self.url)))?;
            receive(response, Sent { headers, url: Arc::clone(&self.url) }, &request).await
        })
    }
}

impl HostHttpUpstream {
    /// One request and its response, with up to a few redirects.
    async fn exchange(&self, headers: &HeaderMap, body: &Bytes) -> Result<reqwest::Response, Failure> {
        let mut url = Url::clone(&self.url);
        let mut redirects = 0;
        loop {
            let host_request = HttpRequest { url: &url, headers, body: body.clone() };
            let answer = self.host.exchange(host_request).await.map_err(failure)?;
            let response_headers = headers::of_response(&answer.headers);
            let location = response_headers.get(LOCATION).and_then(|location| location.to_str().ok());
            match location.and_then(|location| url.join(location).ok()) {
                Some(next) if is_followed(answer.status, &url, &next, redirects) => {
                    redirects += 1;
                    url = next;
                }
                _ => return response(answer, response_headers, url),
            }
        }
    }
}

/// An error that the host's client throws counts as a failure of the connection, whatever it is.
fn failure(failure: HostFailure) -> Failure {
    match failure {
        HostFailure::Thrown(error) => Failure { surface: Surface::Connection, ticket: None, ..error.classify() },
        HostFailure::Broken(why) => Failure::connection(why, None),
    }
}

fn response(answer: HttpAnswer, mut headers: HeaderMap, url: Url) -> Result<reqwest::Response, Failure> {
    // The host has decoded the body, so these headers do not describe it any more.
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let body = reqwest::Body::wrap(Body(Mutex::new(State::Idle(answer.body))));
    let response = ::http::Response::builder().status(answer.status).url(url).body(body);
    let mut response = response.map_err(|_status| Failure::connection("the response has no valid status", None))?;
    *response.headers_mut() = headers;
    Ok(reqwest::Response::from(response))
}

type Next = (Box<dyn HostChunks>, Result<Option<Vec<String>>, HostFailure>);

enum State {
    Idle(Box<dyn HostChunks>),
    Waiting(Pin<Box<dyn Future<Output = Next> + Send>>),
    Over,
}

/// The mutex only makes the type `Sync`, as hyper asks for: it is reached by `get_mut`, never locked.
struct Body(Mutex<State>);

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let Ok(state) = self.get_mut().0.get_mut() else { return Poll::Ready(None) };
        let mut waiting = match std::mem::replace(state, State::Over) {
            State::Idle(mut chunks) => Box::pin(async move {
                let next = chunks.next().await;
                (chunks, next)
            }),
            State::Waiting(waiting) => waiting,
            State::Over => return Poll::Ready(None),
        };
        let Poll::Ready((chunks, next)) = waiting.as_mut().poll(context) else {
            *state = State::Waiting(waiting);
            return Poll::Pending;
        };
        Poll::Ready(match next {
            Ok(Some(texts)) => {
                *state = State::Idle(chunks);
                Some(Ok(Frame::data(Bytes::from(texts.concat()))))
            }
            Ok(None) => None,
            Err(why) => {
                let message = match why {
                    HostFailure::Thrown(error) => error.message,
                    HostFailure::Broken(why) => why,
                };
                Some(Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, message)))
            }
        })
    }
}
