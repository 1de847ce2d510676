//! How each store starts, and what is known of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::running::{Running, free_address, make_bucket, program};
use super::{Recipe, ceph, cluster};
use crate::process;

const MOTO: &str = "python3 -m pip install --quiet --disable-pip-version-check 'moto[server]'";
const AZURITE: &str = "npm install --no-audit --no-fund --silent azurite@3.35.0";
const S3RVER: &str = "npm install --no-audit --no-fund --silent s3rver@3.7.1";
const GARAGE: &str = "cargo install garage --version 2.5.0 --locked --root .";
const CEPH: &str = "apt-get install -y --no-install-recommends radosgw ceph-mon ceph-osd \
                    ceph-mgr ceph-common";

/// Made up, as all credentials here; Garage wants this form.
pub(super) const GARAGE_KEYS: [&str; 2] = [
    "GK0123456789abcdef01234567",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
];

/// Of the emulator, the same everywhere and printed in its documentation.
const AZURITE_ACCOUNT: [&str; 2] = [
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
];

const S3RVER_KNOWN: &[(&str, &str)] = &[
    ("a_store_does_what_it_must", "a listing of more than 1,000 objects fails"),
    ("crashes::a_backup", "a listing shows no folders"),
];

pub(crate) const ALL: &[Recipe] = &[
    Recipe { name: "moto", get: MOTO, start: moto, known: &[], story: None },
    Recipe { name: "azurite", get: AZURITE, start: azurite, known: &[], story: None },
    Recipe { name: "s3rver", get: S3RVER, start: s3rver, known: S3RVER_KNOWN, story: None },
    Recipe { name: "garage", get: GARAGE, start: garage, known: &[], story: None },
    Recipe {
        name: "garage-cluster",
        get: GARAGE,
        start: cluster::start,
        known: &[],
        story: Some(cluster::story),
    },
    Recipe { name: "ceph", get: CEPH, start: || ceph::start(CEPH), known: &[], story: None },
];

fn moto() -> Result<Running> {
    let server = program("moto_server", MOTO)?;
    let version = process::output(
        Command::new("python3").args(["-c", "import moto; print(moto.__version__)"]),
    )?;
    let (address, mut store) = (free_address()?, Running::new("moto")?);
    let port = address.port().to_string();
    store.start(Command::new(server).args(["-H", "127.0.0.1", "-p", &port]), address)?;
    store.what = format!("moto {}", version.trim());
    let keys = ["LIFEBOATTEST", "made-up"];
    store.reached_by_s3(address, "us-east-1", keys);
    let endpoint = format!("http://{address}");
    make_bucket(&["s3", &endpoint, "bucket", "us-east-1", keys[0], keys[1]])?;
    // It gives credentials of roles as well.
    store.environment.push(("AWS_ENDPOINT_URL_STS", endpoint));
    Ok(store)
}

fn azurite() -> Result<Running> {
    let server = program("azurite-blob", AZURITE)?;
    let version = process::output(Command::new(&server).arg("--version"))?;
    let (address, mut store) = (free_address()?, Running::new("azurite")?);
    let port = address.port().to_string();
    let mut command = Command::new(server);
    command.args([
        "--silent",
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--skipApiVersionCheck",
    ]);
    store.start(command.args(["--blobHost", "127.0.0.1", "--blobPort", &port]), address)?;
    store.what = format!("Azurite {}", version.trim());
    store.url = "az://bucket".to_owned();
    let [account, key] = AZURITE_ACCOUNT;
    let endpoint = format!("http://{address}");
    store.environment = vec![
        ("AZURITE_BLOB_STORAGE_URL", endpoint.clone()),
        ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
        ("AZURE_STORAGE_ACCOUNT_NAME", account.to_owned()),
        ("AZURE_STORAGE_ACCOUNT_KEY", key.to_owned()),
        ("AZURE_ALLOW_HTTP", "true".to_owned()),
    ];
    make_bucket(&["azure", &endpoint, "bucket", account, key])?;
    Ok(store)
}

fn s3rver() -> Result<Running> {
    let server = program("s3rver", S3RVER)?;
    let version = process::output(Command::new(&server).arg("--version"))?;
    let (address, mut store) = (free_address()?, Running::new("s3rver")?);
    let port = address.port().to_string();
    let mut command = Command::new(server);
    command.args(["-d", ".", "-a", "127.0.0.1", "-p", &port, "--silent", "--no-vhost-buckets"]);
    store.start(command.args(["--configure-bucket", "bucket"]), address)?;
    store.what = format!("s3rver {}", version.trim());
    store.reached_by_s3(address, "us-east-1", ["S3RVER", "S3RVER"]);
    Ok(store)
}

/// The program, and its version.
pub(super) fn garage_program() -> Result<(PathBuf, String)> {
    let server = program("garage", GARAGE)?;
    let version = process::output(Command::new(&server).arg("--version"))?;
    let version = version.split_whitespace().nth(1).unwrap_or_default().replace("cargo:", "");
    Ok((server, version))
}

/// The settings of one node of so many, each of which holds everything.
pub(super) fn garage_settings(
    node: usize,
    nodes: usize,
    s3: SocketAddr,
    rpc: SocketAddr,
    admin: SocketAddr,
) -> String {
    let secret = GARAGE_KEYS[1];
    format!(
        "metadata_dir = \"meta-{node}\"\ndata_dir = \"data-{node}\"\ndb_engine = \"sqlite\"\n\
         replication_factor = {nodes}\nrpc_bind_addr = \"{rpc}\"\nrpc_public_addr = \"{rpc}\"\n\
         rpc_secret = \"{secret}\"\n\n[s3_api]\ns3_region = \"garage\"\n\
         api_bind_addr = \"{s3}\"\nroot_domain = \".s3.garage\"\n\n[admin]\n\
         api_bind_addr = \"{admin}\"\nadmin_token = \"made-up\"\n"
    )
}

fn garage() -> Result<Running> {
    let (server, version) = garage_program()?;
    let (address, rpc, admin) = (free_address()?, free_address()?, free_address()?);
    let mut store = Running::new("garage")?;
    let settings = store.folder().join("garage.toml");
    std::fs::write(&settings, garage_settings(0, 1, address, rpc, admin))?;
    let mut command = Command::new(server);
    command.arg("-c").arg(&settings).args(["server", "--single-node", "--default-bucket"]);
    command.env("GARAGE_DEFAULT_ACCESS_KEY", GARAGE_KEYS[0]);
    command.env("GARAGE_DEFAULT_SECRET_KEY", GARAGE_KEYS[1]);
    store.start(command.env("GARAGE_DEFAULT_BUCKET", "bucket"), address)?;
    store.what = format!("Garage {version}, one node");
    store.reached_by_s3(address, "garage", GARAGE_KEYS);
    Ok(store)
}
