//! An authority, and certificates of it in files, as a cluster's secrets have them.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// Signs for whomever a test wants.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The files of one process.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The authority.
    pub ca: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// With a key of its own.
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// Writes a new certificate for `service` into a folder of that name, over one that is there.
    pub fn issue(&self, folder: &Path, service: &str) -> Identity {
        self.write(folder, service, CertificateParams::new([service.to_owned()]).unwrap())
    }

    /// The same with one that is expired.
    pub fn issue_expired(&self, folder: &Path, service: &str) -> Identity {
        let mut params = CertificateParams::new([service.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2000, 1, 1);
        self.write(folder, service, params)
    }

    fn write(&self, folder: &Path, service: &str, mut params: CertificateParams) -> Identity {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let folder = folder.join(service);
        fs::create_dir_all(&folder).unwrap();
        let [ca, tls, tls_key] = ["ca.crt", "tls.crt", "tls.key"].map(|name| folder.join(name));
        fs::write(&ca, self.issuer.pem()).unwrap();
        fs::write(&tls, certificate.pem()).unwrap();
        fs::write(&tls_key, key.serialize_pem()).unwrap();
        Identity { ca, certificate: tls, key: tls_key }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
