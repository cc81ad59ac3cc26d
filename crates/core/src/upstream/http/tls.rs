//! The TLS configuration, with the certificates that the host's own HTTP client would trust.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use webpki::EndEntityCert;

use super::settings::TransportSettings;

/// The TLS configuration of a pool. Reads the system's certificates, which takes milliseconds.
pub(super) fn config(settings: &TransportSettings) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if settings.accept_invalid_certs {
        Arc::new(AnyCertificate(Arc::clone(&provider)))
    } else {
        Arc::new(Trusted::new(extra_roots(settings), &provider).map_err(|error| error.to_string())?)
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates of the file of further roots; empty if it cannot be read. Malformed ones are left out.
fn extra_roots(settings: &TransportSettings) -> Vec<CertificateDer<'static>> {
    let pem = settings.extra_ca_certs.as_ref().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        // A certificate that rustls cannot read would fail every connection, also those that do not need it.
        .filter(|der| RootCertStore::empty().add(der.clone()).is_ok())
        .collect()
}

/// Verifies with the platform's roots, Mozilla's and the file's. Mozilla's are bundled because slim container images have none.
#[derive(Debug)]
struct Trusted {
    chains: Verifier,
    extra: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn new(extra: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
        let chains = Verifier::new_with_extra_roots(bundled.chain(extra.iter().cloned()), Arc::clone(provider))?;
        Ok(Self { chains, extra })
    }

    /// Accepts a server's certificate that is itself one of the file's roots, for the names in it. `openssl req -x509` marks a self-signed
    /// certificate as an authority's, which rustls refuses as a server's. Its validity period has been checked before.
    fn trusted_itself(
        &self,
        refusal: Error,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        let is_authority = match &refusal {
            Error::InvalidCertificate(CertificateError::Other(other)) => {
                matches!(other.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
            }
            _ => false,
        };
        if !is_authority || !self.extra.iter().any(|trusted| trusted.as_ref() == certificate.as_ref()) {
            return Err(refusal);
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chains.verify_server_cert(certificate, intermediates, name, ocsp, now);
        verified
            .or_else(|refusal| self.trusted_itself(refusal, certificate, name))
            .map_err(|refusal| Untrusted::named(refusal, certificate, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Why a certificate has no trusted issuer, with OpenSSL's codes and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untrusted {
    SelfSigned,
    SelfSignedInChain,
    UnknownIssuer,
    UnknownIssuerOfLeaf,
}

impl Untrusted {
    pub(super) fn of(error: &Error) -> Option<Self> {
        let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return None };
        other.0.downcast_ref().copied()
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::SelfSigned => "DEPTH_ZERO_SELF_SIGNED_CERT",
            Self::SelfSignedInChain => "SELF_SIGNED_CERT_IN_CHAIN",
            Self::UnknownIssuer => "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
            Self::UnknownIssuerOfLeaf => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        }
    }

    /// Replaces "unknown issuer" by the reason that OpenSSL would give for these certificates; any other error is returned as it is.
    fn named(refusal: Error, certificate: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Error {
        let is_own = is_self_signed(certificate);
        let reason = match refusal {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) if !is_own => {
                if intermediates.iter().any(is_self_signed) {
                    Self::SelfSignedInChain
                } else if intermediates.is_empty() {
                    Self::UnknownIssuerOfLeaf
                } else {
                    Self::UnknownIssuer
                }
            }
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Self::SelfSigned,
            Error::InvalidCertificate(CertificateError::Other(_)) if is_own => Self::SelfSigned,
            _ => return refusal,
        };
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SelfSigned => "self-signed certificate",
            Self::SelfSignedInChain => "self-signed certificate in certificate chain",
            Self::UnknownIssuer => "unable to get local issuer certificate",
            Self::UnknownIssuerOfLeaf => "unable to verify the first certificate",
        })
    }
}

impl std::error::Error for Untrusted {}

/// Whether a certificate names itself as its issuer.
fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|parsed| parsed.issuer() == parsed.subject())
}

/// Accepts any certificate whose private key the server has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
