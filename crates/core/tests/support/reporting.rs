//! A reporter whose endpoint plays a script, and whoever is told of what becomes of reports.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use openpipe_core::failure::{Failure, Head};
use openpipe_core::report::{Delivery, Destination, Limits, Listener, Report, ReportEndpoint, Reporter};
use openpipe_core::upstream::BoxFuture;
use reqwest::Url;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What the endpoint does with a try, after so many milliseconds.
pub(crate) enum Reply {
    Answers(u64, Head),
    Fails(u64, Failure),
    Silence,
}

pub(crate) fn answers(after: u64, status: u16, headers: &[(&'static str, &'static str)]) -> Reply {
    let mut head = Head { status, ..Head::default() };
    for (name, value) in headers {
        head.headers.insert(*name, value.parse().expect("a header's value"));
    }
    Reply::Answers(after, head)
}

pub(crate) fn takes() -> Reply {
    answers(5, 200, &[])
}

pub(crate) fn refused() -> Reply {
    Reply::Fails(1, Failure::connection("refused", Some("ECONNREFUSED")))
}

/// A try that arrived at the endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    /// Milliseconds since the stage was set.
    pub(crate) at: u128,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) host_transport: Option<u32>,
    /// Tries before this one, of all reports.
    pub(crate) number: usize,
    /// Other tries that were under way.
    pub(crate) others: usize,
}

impl Try {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A reporter at work. Dropping it ends the work.
pub(crate) struct Stage {
    pub(crate) reporter: Reporter,
    pub(crate) endpoint: Arc<ReportEndpoint>,
    began: Instant,
    seen: Arc<Seen>,
    tasks: JoinSet<()>,
}

struct Seen {
    began: Instant,
    tries: Mutex<Vec<Try>>,
    taken: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    reported: Mutex<Vec<(u32, u128)>>,
    warnings: Mutex<Vec<(String, u128)>>,
}

impl Stage {
    /// An endpoint that does with each try what `script` says.
    pub(crate) fn new(script: impl Fn(&Try) -> Reply + Send + Sync + 'static) -> Self {
        Self::within(Limits::default(), script)
    }

    pub(crate) fn within(limits: Limits, script: impl Fn(&Try) -> Reply + Send + Sync + 'static) -> Self {
        let began = Instant::now();
        let seen = Arc::new(Seen {
            began,
            tries: Mutex::default(),
            taken: Mutex::default(),
            under_way: AtomicUsize::new(0),
            reported: Mutex::default(),
            warnings: Mutex::default(),
        });
        let delivery = Scripted { script: Box::new(script), seen: Arc::clone(&seen) };
        let (reporter, work) =
            Reporter::new(limits, Arc::new(delivery), Arc::<Seen>::clone(&seen) as Arc<dyn Listener>);
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        Self { reporter, endpoint: endpoint("http://openpipe.test/report"), began, seen, tasks }
    }

    /// Queues a report of this call.
    pub(crate) fn report(&self, call: u32, body: impl Into<Bytes>) {
        self.report_to(&self.endpoint, call, body);
    }

    pub(crate) fn report_to(&self, endpoint: &Arc<ReportEndpoint>, call: u32, body: impl Into<Bytes>) {
        let to = Destination::Endpoint(Arc::clone(endpoint));
        self.reporter.queue(Report { to, redact: None, body: body.into(), call, queued_at: Instant::now() });
    }

    /// Watches a call in the background, as the binding does.
    pub(crate) fn watch(&mut self, call: u32) {
        self.tasks.spawn(self.reporter.watch(call));
    }

    /// Runs something in the background; dropping the handle does not end it.
    pub(crate) fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.tasks.spawn(work)
    }

    /// Every report is settled.
    pub(crate) async fn settled(&self) {
        timeout(24 * HOUR, self.reporter.flush()).await.expect("this hangs");
    }

    /// Milliseconds since the stage was set.
    pub(crate) fn now(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    pub(crate) fn tries(&self) -> Vec<Try> {
        lock(&self.seen.tries).clone()
    }

    /// When each try arrived.
    pub(crate) fn times(&self) -> Vec<u128> {
        lock(&self.seen.tries).iter().map(|tried| tried.at).collect()
    }

    /// The bodies that were answered with a success, in the order of the answers.
    pub(crate) fn taken(&self) -> Vec<String> {
        lock(&self.seen.taken).clone()
    }

    /// Tries that are under way now.
    pub(crate) fn under_way(&self) -> usize {
        self.seen.under_way.load(Ordering::Relaxed)
    }

    /// The most tries that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        lock(&self.seen.tries).iter().map(|tried| tried.others + 1).max().unwrap_or(0)
    }

    /// Each call that was told of as reported, and when.
    pub(crate) fn reported(&self) -> Vec<(u32, u128)> {
        lock(&self.seen.reported).clone()
    }

    /// Each warning, and when.
    pub(crate) fn warnings(&self) -> Vec<(String, u128)> {
        lock(&self.seen.warnings).clone()
    }
}

pub(crate) fn endpoint(url: &str) -> Arc<ReportEndpoint> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", "Bearer opk".parse().expect("a header's value"));
    Arc::new(ReportEndpoint::new(url.parse().expect("a URL"), headers, None))
}

impl Listener for Seen {
    fn reported(&self, call: u32) {
        lock(&self.reported).push((call, self.began.elapsed().as_millis()));
    }

    fn warning(&self, message: &str) {
        lock(&self.warnings).push((message.to_owned(), self.began.elapsed().as_millis()));
    }
}

struct Scripted {
    script: Box<dyn Fn(&Try) -> Reply + Send + Sync>,
    seen: Arc<Seen>,
}

impl Delivery for Scripted {
    fn deliver<'a>(
        &'a self,
        url: &'a Url,
        headers: HeaderMap,
        body: Bytes,
        host_transport: Option<u32>,
    ) -> BoxFuture<'a, Result<Head, Failure>> {
        Box::pin(async move {
            let under_way = UnderWay::new(&self.seen.under_way);
            let tried = {
                let mut tries = lock(&self.seen.tries);
                let (at, number) = (self.seen.began.elapsed().as_millis(), tries.len());
                let others = under_way.others;
                let tried = Try { at, url: url.clone(), headers, body, host_transport, number, others };
                tries.push(tried.clone());
                tried
            };
            match (self.script)(&tried) {
                Reply::Silence => std::future::pending().await,
                Reply::Fails(after, failure) => {
                    sleep(ms(after)).await;
                    Err(failure)
                }
                Reply::Answers(after, head) => {
                    sleep(ms(after)).await;
                    if (200..300).contains(&head.status) {
                        lock(&self.seen.taken).push(tried.text());
                    }
                    Ok(head)
                }
            }
        })
    }
}

/// A try that was not dropped and has no answer yet.
struct UnderWay<'a> {
    count: &'a AtomicUsize,
    others: usize,
}

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        Self { count, others: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
