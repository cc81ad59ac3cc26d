//! Certificates made for one test, and a server's side of TLS with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority that nobody knows but those who read its file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    /// Makes one; `name` is that of its file.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Certificates that have one name are taken for self-signed.
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.pem", std::process::id()));
        std::fs::write(&file, issuer.pem()).expect("a file");
        Self { issuer, file }
    }

    /// Its certificate, as a PEM file.
    pub(crate) fn file(&self) -> PathBuf {
        self.file.clone()
    }

    /// A server's side with a certificate of this authority, for `name`.
    pub(crate) fn serves(&self, name: &str) -> TlsAcceptor {
        self.serves_with(params(name))
    }

    /// The same, but the certificate's time is over.
    pub(crate) fn served_until_2001(&self, name: &str) -> TlsAcceptor {
        let mut params = params(name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.serves_with(params)
    }

    fn serves_with(&self, params: CertificateParams) -> TlsAcceptor {
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        acceptor(certificate.der().clone(), &key)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// A server's side whose certificate is signed by nobody but itself.
pub(crate) fn self_signed(name: &str) -> TlsAcceptor {
    let key = key();
    let certificate = params(name).self_signed(&key).expect("a certificate");
    acceptor(certificate.der().clone(), &key)
}

/// The same, but made as `openssl req -x509` does it: marked as an authority's. Comes with a file of it, to trust.
pub(crate) fn self_signed_authority(name: &str, is_over: bool) -> (TlsAcceptor, PathBuf) {
    let (key, mut params) = (key(), params(name));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    if is_over {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    }
    let certificate = params.self_signed(&key).expect("a certificate");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("itself-{is_over}-{}.pem", std::process::id()));
    std::fs::write(&file, certificate.pem()).expect("a file");
    (acceptor(certificate.der().clone(), &key), file)
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("a name")
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}
