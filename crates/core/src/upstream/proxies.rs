//! Which requests go through a proxy, as Node.js decides it (undici's `EnvHttpProxyAgent`).

use reqwest::{Proxy, Url};

use super::http::TransportSettings;

/// The proxies of the environment.
///
/// # Errors
/// Where one of them is no URL.
pub(super) fn of(settings: &TransportSettings) -> Result<Vec<Proxy>, String> {
    let exceptions = settings.no_proxy.as_deref().map(Exceptions::parse).unwrap_or_default();
    let proxy = |scheme: &'static str, url: &Option<String>| -> Result<Option<Proxy>, String> {
        let Some(url) = url.clone().filter(|url| !url.is_empty()) else { return Ok(None) };
        // Made to know that it can be: what the closure gives is looked at when there is a request. The URL may hold a
        // password, so it is not repeated.
        Proxy::all(url.as_str()).map_err(|_| "the proxy of the environment is not a valid URL".to_owned())?;
        let exceptions = exceptions.clone();
        Ok(Some(Proxy::custom(move |to| (to.scheme() == scheme && !exceptions.name(to)).then(|| url.clone()))))
    };
    let all = [proxy("http", &settings.http_proxy)?, proxy("https", &settings.https_proxy)?];
    Ok(all.into_iter().flatten().collect())
}

/// `NO_PROXY`: hosts, with or without a port, separated by commas or blanks; each stands for those below it as well. `*` alone is
/// every host.
#[derive(Debug, Clone, Default)]
struct Exceptions {
    all: bool,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    host: String,
    /// Only this one.
    port: Option<u16>,
}

impl Exceptions {
    fn parse(list: &str) -> Self {
        let names = list.split(|separator: char| separator == ',' || separator.is_whitespace());
        let entries = names.filter(|name| !name.is_empty()).filter_map(Entry::parse).collect();
        Self { all: list == "*", entries }
    }

    fn name(&self, url: &Url) -> bool {
        let (Some(host), port) = (url.host_str(), url.port_or_known_default()) else { return false };
        self.all || self.entries.iter().any(|entry| entry.names(host, port))
    }
}

impl Entry {
    /// `None` of one that names a port which no URL has.
    fn parse(name: &str) -> Option<Self> {
        let is_number = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match name.rsplit_once(':').filter(|(host, port)| !host.is_empty() && is_number(port)) {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok()?).filter(|port| *port != 0)),
            None => (name, None),
        };
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        Some(Self { host: host.strip_prefix('.').unwrap_or(host).to_lowercase(), port })
    }

    /// A host of a URL is in small letters, and one of IPv6 in brackets.
    fn names(&self, host: &str, port: Option<u16>) -> bool {
        let is_below = |host: &str| host.strip_suffix(self.host.as_str()).is_some_and(|above| above.ends_with('.'));
        (self.port.is_none() || self.port == port) && (host == self.host || is_below(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named(list: &str, url: &str) -> bool {
        Exceptions::parse(list).name(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_host_is_named_as_node_reads_it() {
        for (list, url) in [
            ("x.internal", "http://x.internal/v1"),
            ("X.Internal", "http://x.INTERNAL/v1"),
            ("internal", "http://x.internal/v1"),
            (".internal", "http://x.internal/v1"),
            ("*.internal", "http://x.internal/v1"),
            ("*.internal", "http://a.b.internal/v1"),
            (".internal", "http://internal/v1"),
            ("x.internal:8080", "http://x.internal:8080/v1"),
            ("x.internal:80", "http://x.internal/v1"),
            ("x.internal:443", "https://x.internal/v1"),
            ("internal:8080", "http://x.internal:8080/v1"),
            ("x.internal:0", "http://x.internal:8080/v1"),
            ("a,x.internal", "http://x.internal/v1"),
            ("a, x.internal ,b", "http://x.internal/v1"),
            ("a y.internal\tx.internal", "http://x.internal/v1"),
            ("127.0.0.1", "http://127.0.0.1:9/v1"),
            ("127.0.0.1:9", "http://127.0.0.1:9/v1"),
            ("[::1]", "http://[::1]:9/v1"),
            ("[::1]:9", "http://[::1]:9/v1"),
            ("*", "http://x.internal/v1"),
        ] {
            assert!(is_named(list, url), "{list:?} {url}");
        }
    }

    #[test]
    fn another_host_is_not() {
        for (list, url) in [
            ("", "http://x.internal/v1"),
            (" , ", "http://x.internal/v1"),
            ("y.internal", "http://x.internal/v1"),
            ("x.internal", "http://ax.internal/v1"),
            ("ternal", "http://x.internal/v1"),
            ("x.internal:8080", "http://x.internal:9090/v1"),
            ("x.internal:80", "https://x.internal/v1"),
            ("x.internal:99999", "http://x.internal/v1"),
            ("*.y, *", "http://x.internal/v1"),
            ("10.0.0.0/8", "http://10.1.2.3:1/v1"),
            ("127.0.0.*", "http://127.0.0.1:9/v1"),
        ] {
            assert!(!is_named(list, url), "{list:?} {url}");
        }
    }
}
