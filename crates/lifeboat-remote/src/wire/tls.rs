//! Whom to trust. The configuration is ours, so that nothing is installed for
//! the whole process: a program that embeds this may use another provider.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::error::OpenError;

/// A configuration that trusts the system's authorities and those of a file, or
/// only the latter.
pub(super) fn config(own: Option<&Path>, only_own: bool) -> Result<ClientConfig, OpenError> {
    let certificates = own.map(read).transpose()?.unwrap_or_default();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| OpenError::Tls(e.into()))?;
    let config = if only_own {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|e| OpenError::Tls(e.into()))?;
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let verifier = Verifier::new_with_extra_roots(certificates, provider)
            .map_err(|e| OpenError::Tls(e.into()))?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    };
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let fail = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Certificates {
        path: path.to_owned(),
        source,
    };
    let pem = std::fs::read(path).map_err(|error| fail(error.into()))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| fail(error.to_string().into()))?;
    if certificates.is_empty() {
        return Err(fail("there is no certificate in it".into()));
    }
    Ok(certificates)
}
