//! An encrypted front for a server that speaks plainly, with certificates of an
//! authority that nobody else knows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::background::Background;

/// What is in the front's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It is for `localhost`, and holds.
    Good,
    /// It is for `localhost`, and ended in 2020.
    Expired,
    /// It is for `elsewhere.example`, and holds.
    OtherName,
}

/// Passes on to a server what comes in encrypted. It changes nothing.
#[derive(Debug)]
pub struct TlsFront {
    background: Background,
    folder: tempfile::TempDir,
}

impl TlsFront {
    /// Starts one before a server, with an authority of its own.
    pub fn before(server: SocketAddr, certificate: Certificate) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (config, authority) = config(certificate);
        std::fs::write(folder.path().join("authority.pem"), authority).expect("writes");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serve = move |stream| serve(acceptor.clone(), server, stream);
        Self { background: Background::start("tls", serve), folder }
    }

    /// Its URL, by name: certificates are for names.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.background.address().port())
    }

    /// A PEM file with the certificate of its authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }
}

async fn serve(acceptor: TlsAcceptor, server: SocketAddr, stream: TcpStream) {
    // A client that does not trust the certificate goes away.
    let Ok(mut inside) = acceptor.accept(stream).await else { return };
    let Ok(mut outside) = TcpStream::connect(server).await else { return };
    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
}

/// What a server with such a certificate needs, and its authority's, as PEM.
fn config(certificate: Certificate) -> (ServerConfig, String) {
    let mut of_authority = CertificateParams::new(Vec::new()).expect("no names");
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    of_authority.distinguished_name.push(DnType::CommonName, "Nobody\u{2019}s Authority");
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(of_authority, key).expect("signs");
    let name = match certificate {
        Certificate::OtherName => "elsewhere.example",
        Certificate::Good | Certificate::Expired => "localhost",
    };
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2019, 1, 1);
    if certificate == Certificate::Expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().expect("a key");
    let signed = params.signed_by(&key, &authority).expect("signs");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], key)
        .expect("they belong together");
    (config, authority.pem())
}
