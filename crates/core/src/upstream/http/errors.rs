//! Turns errors of DNS, TCP, TLS and HTTP into failures, with the codes of POSIX and OpenSSL. What has none there is a [`Fault`].

use std::error::Error;
use std::io;

use super::settings::{CONNECT_TIME, TransportSettings};
use super::tls::Untrusted;
use crate::failure::{Bound, Failure, Fault, Head, Reason, SystemError};
use crate::upstream::decoding::{Broken, Refusal};
use crate::upstream::dns::DnsError;
use crate::upstream::peer::Peer;

/// The failure of a request before its response's head has arrived.
pub(super) fn failure(error: &reqwest::Error, peer: &Peer, settings: &TransportSettings) -> Failure {
    if let Some(error) = find::<DnsError>(error) {
        let message = format!("getaddrinfo {} {}", error.code(), peer.host());
        let system = SystemError {
            errno: Some(error.errno()),
            hostname: Some(peer.host().to_owned()),
            ..SystemError::of("getaddrinfo")
        };
        return system.failure(message, Reason::Code(error.code()));
    }
    if error.is_connect() && error.is_timeout() {
        let milliseconds = CONNECT_TIME.as_millis();
        let message =
            format!("connect timeout (attempted address: {}:{}, timeout: {milliseconds} ms)", peer.host(), peer.port());
        return with_peer(SystemError::of("connect"), peer).failure(message, Reason::Fault(Fault::ConnectTimeout));
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return with_peer(SystemError::of("connect"), peer).failure(tls_message(tls, settings), tls_reason(tls));
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        return Failure::connection(words(error, peer), None).because(Some(Reason::Fault(Fault::NoHttp)));
    }
    let Some(reason) = reason(error) else { return Failure::connection(innermost(error), None) };
    let errno = chain(error).filter_map(|link| link.downcast_ref::<io::Error>()).find_map(io::Error::raw_os_error);
    let errno = errno.map(|errno| -errno);
    match reason {
        Reason::Code(code) if error.is_connect() && !matches!(code, "ECONNRESET" | "EPIPE") => {
            let system = with_peer(SystemError { errno, ..SystemError::of("connect") }, peer);
            let address = system.address.clone().unwrap_or_else(|| peer.host().to_owned());
            system.failure(format!("connect {code} {address}:{}", peer.port()), reason)
        }
        _ => {
            let message = match reason {
                Reason::Code(code) => format!("read {code}"),
                Reason::Fault(_) => format!("other side closed ({})", innermost(error)),
            };
            with_peer(SystemError { errno, ..SystemError::of("read") }, peer).failure(message, reason)
        }
    }
}

fn with_peer(system: SystemError, peer: &Peer) -> SystemError {
    // Of several addresses the last one: it was tried last.
    let address = peer.addresses().last().map(|address| address.ip().to_string());
    SystemError { address, port: Some(peer.port()), ..system }
}

/// The message for a response head that is not HTTP.
fn words(error: &reqwest::Error, peer: &Peer) -> String {
    let reason = innermost(error);
    if matches!(peer.port(), 443 | 8443) {
        return format!("{reason}: the server may speak TLS on this port; should the URL begin with `https:`?");
    }
    reason
}

/// The failure of a completion's body: the connection broke, or the content encoding is malformed or decodes to too much.
pub(super) fn body_failure(broken: &Broken, head: Head, max_bytes: u64) -> Failure {
    match broken {
        Broken::Connection(error) => {
            Failure::connection(format!("the response broke off: {}", innermost(error)), None).because(reason(error))
        }
        Broken::Coding(Refusal::TooLarge) => Failure::too_large("the response", max_bytes, head),
        Broken::Coding(Refusal::Malformed(error)) => {
            Failure::invalid_response(format!("the response could not be decoded: {error}"), head, None)
        }
    }
}

pub(super) fn stream_failure(broken: &Broken, max_bytes: u64) -> Failure {
    let why = match broken {
        Broken::Connection(error) => {
            return Failure::broken_stream(format!("the stream broke off: {}", innermost(error)), None)
                .because(reason(error));
        }
        Broken::Coding(Refusal::TooLarge) => {
            let message =
                format!("the stream decodes to more than `openpipe.maxResponseBytes` ({max_bytes}) without an event");
            return Failure::invalid_response(message, None, None).by(Bound::Size);
        }
        Broken::Coding(Refusal::Malformed(error)) => format!("the stream could not be decoded: {error}"),
    };
    Failure::invalid_response(why, None, None)
}

/// The reason that the innermost error with a name gives.
fn reason(error: &(dyn Error + 'static)) -> Option<Reason> {
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message) {
        return Some(Reason::Fault(Fault::Closed));
    }
    let is_connect = find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_connect);
    // An outer error may only wrap the one with the code.
    chain(error).filter_map(|link| link.downcast_ref::<io::Error>()).find_map(|io| {
        if let Some(name) = io.raw_os_error().and_then(errno_name) {
            return Some(Reason::Code(name));
        }
        reason_of_kind(io.kind(), is_connect)
    })
}

fn reason_of_kind(kind: io::ErrorKind, is_connect: bool) -> Option<Reason> {
    use io::ErrorKind as Io;
    Some(Reason::Code(match kind {
        Io::ConnectionRefused => "ECONNREFUSED",
        Io::ConnectionReset => "ECONNRESET",
        Io::ConnectionAborted => "ECONNABORTED",
        Io::BrokenPipe => "EPIPE",
        Io::TimedOut => "ETIMEDOUT",
        Io::HostUnreachable => "EHOSTUNREACH",
        Io::NetworkUnreachable => "ENETUNREACH",
        Io::AddrNotAvailable => "EADDRNOTAVAIL",
        // During a handshake the peer reset the connection; later it cut the body short.
        Io::UnexpectedEof if is_connect => "ECONNRESET",
        Io::UnexpectedEof => return Some(Reason::Fault(Fault::Closed)),
        // Within a body only the decoder of chunked transfer coding reports this.
        Io::InvalidInput if !is_connect => return Some(Reason::Fault(Fault::NoChunk)),
        _ => return None,
    }))
}

/// The POSIX name of a system's error number.
#[cfg(unix)]
fn errno_name(errno: i32) -> Option<&'static str> {
    macro_rules! names {
        ($($name:ident)*) => { match errno { $(libc::$name => Some(stringify!($name)),)* _ => None } };
    }
    names! {
        EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF EBUSY ECANCELED ECONNABORTED ECONNREFUSED ECONNRESET
        EDESTADDRREQ EEXIST EFAULT EFBIG EHOSTUNREACH EINTR EINVAL EIO EISCONN EISDIR ELOOP EMFILE EMSGSIZE ENAMETOOLONG ENETDOWN
        ENETUNREACH ENFILE ENOBUFS ENODEV ENOENT ENOMEM ENOPROTOOPT ENOSPC ENOSYS ENOTCONN ENOTDIR ENOTSOCK ENOTSUP EPERM EPIPE
        EPROTO EPROTONOSUPPORT EPROTOTYPE EROFS ESRCH ETIMEDOUT EHOSTDOWN ENETRESET
    }
}

#[cfg(windows)]
fn errno_name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        5 | 10013 => "EACCES",
        8 | 14 => "ENOMEM",
        10004 => "EINTR",
        10009 => "EBADF",
        10014 => "EFAULT",
        10022 => "EINVAL",
        10024 => "EMFILE",
        10035 => "EAGAIN",
        10038 => "ENOTSOCK",
        10040 => "EMSGSIZE",
        10043 => "EPROTONOSUPPORT",
        10047 => "EAFNOSUPPORT",
        10048 => "EADDRINUSE",
        10049 => "EADDRNOTAVAIL",
        10050 => "ENETDOWN",
        10051 => "ENETUNREACH",
        10053 => "ECONNABORTED",
        10054 => "ECONNRESET",
        10055 => "ENOBUFS",
        10056 => "EISCONN",
        10057 => "ENOTCONN",
        10060 => "ETIMEDOUT",
        10061 => "ECONNREFUSED",
        10064 => "EHOSTDOWN",
        10065 => "EHOSTUNREACH",
        _ => return None,
    })
}

fn tls_reason(error: &rustls::Error) -> Reason {
    use rustls::AlertDescription as Alert;
    use rustls::CertificateError as Cert;
    if let Some(untrusted) = Untrusted::of(error) {
        return Reason::Code(untrusted.code());
    }
    Reason::Code(match error {
        rustls::Error::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => "CERT_HAS_EXPIRED",
        rustls::Error::InvalidCertificate(Cert::NotValidYet | Cert::NotValidYetContext { .. }) => "CERT_NOT_YET_VALID",
        rustls::Error::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. }) => {
            return Reason::Fault(Fault::CertificateName);
        }
        rustls::Error::InvalidCertificate(_) => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        rustls::Error::InvalidMessage(_) => return Reason::Fault(Fault::NoTls),
        rustls::Error::AlertReceived(Alert::HandshakeFailure) => return Reason::Fault(Fault::HandshakeRefused),
        rustls::Error::AlertReceived(Alert::ProtocolVersion) => return Reason::Fault(Fault::TlsVersion),
        _ => "EPROTO",
    })
}

fn tls_message(error: &rustls::Error, settings: &TransportSettings) -> String {
    use rustls::CertificateError as Cert;
    use rustls::Error as Tls;
    if let Some(untrusted) = Untrusted::of(error) {
        return match &settings.extra_ca_setting {
            Some(name) => format!("{untrusted} (`{name}` names a file of further authorities to trust)"),
            None => untrusted.to_string(),
        };
    }
    let hint = match error {
        Tls::InvalidMessage(_) => "the server may not speak TLS on this port; should the URL begin with `http:`?",
        // No TLS client accepts these, so no hint helps.
        Tls::InvalidCertificate(
            Cert::Expired
            | Cert::ExpiredContext { .. }
            | Cert::NotValidYet
            | Cert::NotValidYetContext { .. }
            | Cert::NotValidForName
            | Cert::NotValidForNameContext { .. }
            | Cert::Revoked,
        ) => return error.to_string(),
        Tls::InvalidCertificate(_) | Tls::PeerIncompatible(_) | Tls::AlertReceived(_) | Tls::PeerMisbehaved(_) => {
            "this may be a server that only other TLS stacks accept: `openpipe: { transport: \"fetch\" }` uses the runtime's own"
        }
        _ => return error.to_string(),
    };
    format!("{error} ({hint})")
}

/// The message of the last error in the chain of sources: the reason. Those before it may have the URL, which may hold secrets.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|link| link.downcast_ref())
}

/// An error and its sources, including the error that an `io::Error` wraps and does not give as its source.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| {
        let link: &'a (dyn Error + 'static) = *link;
        match link.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => link.source(),
        }
    })
}
