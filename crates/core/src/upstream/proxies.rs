//! Chooses the proxy of a request by the environment variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.

use reqwest::{Proxy, Url};

use super::http::TransportSettings;
use crate::text::secrets::Secrets;

/// The proxies of the environment.
#[derive(Debug)]
pub(super) struct Proxies {
    exceptions: Exceptions,
    /// The proxy's URL for each scheme of a request's URL, or the error where the variable does not have the URL of a proxy.
    by_scheme: Vec<(&'static str, Result<String, String>)>,
}

impl Proxies {
    pub(super) fn of(settings: &TransportSettings) -> Self {
        let exceptions = settings.no_proxy.as_deref().map(Exceptions::parse).unwrap_or_default();
        let urls = [
            ("http", "HTTP_PROXY", settings.http_proxy.as_ref()),
            ("https", "HTTPS_PROXY", settings.https_proxy.as_ref()),
        ];
        let given = urls
            .into_iter()
            .filter_map(|(scheme, variable, url)| Some((scheme, variable, url.filter(|url| !url.is_empty())?)));
        let by_scheme = given.map(|(scheme, variable, url)| (scheme, checked(variable, url))).collect();
        Self { exceptions, by_scheme }
    }

    /// The proxies in reqwest's form.
    pub(super) fn all(&self) -> impl Iterator<Item = Proxy> + '_ {
        let usable = self.by_scheme.iter().filter_map(|(scheme, url)| Some((*scheme, url.as_ref().ok()?.clone())));
        usable.map(|(scheme, url)| {
            let exceptions = self.exceptions.clone();
            Proxy::custom(move |to| (to.scheme() == scheme && !exceptions.name(to)).then(|| url.clone()))
        })
    }

    /// The URL of the proxy for a request; `None` where it goes directly, or where the proxy is refused.
    pub(super) fn proxy(&self, to: &Url) -> Option<Url> {
        let (_, proxy) = self.by_scheme.iter().find(|(scheme, _)| to.scheme() == *scheme)?;
        let url = parsed(proxy.as_ref().ok()?)?;
        (!self.exceptions.name(to)).then_some(url)
    }

    /// Adds the passwords of all proxies: a proxy may repeat the password that it refuses.
    pub(super) fn add_secrets(&self, secrets: &mut Secrets) {
        for url in self.by_scheme.iter().filter_map(|(_, url)| parsed(url.as_ref().ok()?)) {
            if let Some(password) = url.password() {
                secrets.add_login(url.username(), password);
                secrets.add_url(&url);
            }
        }
    }

    /// The error of the variable that names the proxy for a request.
    pub(super) fn refusal(&self, to: &Url) -> Option<&str> {
        let (_, proxy) = self.by_scheme.iter().find(|(scheme, _)| to.scheme() == *scheme)?;
        let why = proxy.as_ref().err()?;
        (!self.exceptions.name(to)).then_some(why)
    }
}

/// The URL of an HTTP proxy. The error repeats no more than the scheme: the rest may hold a password.
fn checked(variable: &str, url: &str) -> Result<String, String> {
    let refuse = |got: &str| Err(format!("`{variable}` must be the URL of an HTTP proxy, got {got}"));
    match url.split_once("://") {
        Some((scheme, _)) if !is_http(scheme) => refuse(&format!("one with the scheme `{scheme}`")),
        _ if Proxy::all(url).is_err() => refuse("no valid URL"),
        _ => Ok(url.to_owned()),
    }
}

/// Parses a URL; one without a scheme is taken for `http:`.
fn parsed(url: &str) -> Option<Url> {
    if url.contains("://") { Url::parse(url).ok() } else { Url::parse(&format!("http://{url}")).ok() }
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// `NO_PROXY`: hosts with or without a port, separated by commas or blanks. Each includes its subdomains; `*` alone is every host.
#[derive(Debug, Clone, Default)]
struct Exceptions {
    all: bool,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    host: String,
    /// `None` is every port.
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
    /// `None` where the port is out of range, so that the entry matches no URL.
    fn parse(name: &str) -> Option<Self> {
        let is_number = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match name.rsplit_once(':').filter(|(host, port)| !host.is_empty() && is_number(port)) {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok()?).filter(|port| *port != 0)),
            None => (name, None),
        };
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        Some(Self { host: host.strip_prefix('.').unwrap_or(host).to_lowercase(), port })
    }

    /// Whether the entry includes this host of a URL, which is in lower case and, for IPv6, in brackets.
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
    fn an_entry_includes_its_host_and_subdomains_as_a_url_writes_them() {
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

    fn proxies(http_proxy: &str) -> Proxies {
        let http_proxy = Some(http_proxy.to_owned());
        Proxies::of(&TransportSettings {
            http_proxy,
            no_proxy: Some("local.test".into()),
            ..TransportSettings::default()
        })
    }

    #[test]
    fn a_proxy_is_for_urls_of_its_scheme_that_no_exception_names() {
        let proxy = |to: &str| proxies("proxy.test:3128").proxy(&Url::parse(to).unwrap()).map(String::from);
        assert_eq!(proxy("http://x.test/v1").as_deref(), Some("http://proxy.test:3128/"));
        assert_eq!(proxy("http://local.test/v1"), None);
        assert_eq!(proxy("https://x.test/v1"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_refuses_only_what_would_go_through_it() {
        let is_refused = |proxy: &str, to: &str| proxies(proxy).refusal(&Url::parse(to).unwrap()).is_some();
        assert!(is_refused("socks5://proxy.test", "http://x.test/v1"));
        assert!(!is_refused("socks5://proxy.test", "http://local.test/v1"));
        assert!(!is_refused("socks5://proxy.test", "https://x.test/v1"));
        assert!(!is_refused("", "http://x.test/v1"), "an empty variable is none");
    }

    #[test]
    fn the_login_at_a_proxy_is_secret_in_each_of_its_forms() {
        let mut secrets = Secrets::default();
        proxies("http://user:pass-word@proxy.test").add_secrets(&mut secrets);
        let mut text = "pass-word user:pass-word dXNlcjpwYXNzLXdvcmQ=".to_owned();
        assert!(secrets.redact(&mut text));
        assert!(!text.contains("pass-word") && !text.contains("dXNl"), "{text}");
    }

    #[test]
    fn an_entry_does_not_include_another_host() {
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
