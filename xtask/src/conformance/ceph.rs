//! A Ceph cluster of one monitor, one store in memory and one S3 gateway.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::running::{Running, free_address, make_bucket, program};
use crate::process;

const CLUSTER: &str = "a7f64266-0894-4f1e-a635-d0aeaca0e993";
const DISK: &str = "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b";
const KEYS: [&str; 2] = ["LIFEBOATTEST", "made-up-secret-for-tests"];

/// Who may do what, in the order in which the keyring is made.
const USERS: &[(&str, &[&str])] = &[
    ("mon.", &["--cap", "mon", "allow *"]),
    ("client.admin", &["--cap", "mon", "allow *", "--cap", "osd", "allow *"]),
    ("osd.0", &["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"]),
    ("client.rgw", &["--cap", "mon", "allow rw", "--cap", "osd", "allow rwx"]),
];

pub(crate) fn start(get: &str) -> Result<Running> {
    for name in ["ceph-mon", "ceph-osd", "radosgw"] {
        program(name, get)?;
    }
    let version = process::output(Command::new("radosgw").arg("--version"))?;
    let (monitor, gateway) = (free_address()?, free_address()?);
    let mut store = Running::new("ceph")?;
    let folder = store.folder().to_owned();
    for name in ["mon", "osd", "rgw", "crash"] {
        fs::create_dir(folder.join(name))?;
    }
    fs::write(
        folder.join("ceph.conf"),
        settings(&folder, &monitor.to_string(), &gateway.to_string()),
    )?;

    for (index, (user, caps)) in USERS.iter().enumerate() {
        let create: &[&str] = if index == 0 { &["--create-keyring"] } else { &[] };
        let mut tool = Command::new("ceph-authtool");
        tool.arg("keyring").args(create).args(["--gen-key", "-n", user]).args(*caps);
        process::output(tool.current_dir(&folder))?;
    }
    let address = format!("[v2:{monitor}]");
    let map = ["--create", "--addv", "a", &address, "--fsid", CLUSTER, "monmap"];
    process::output(Command::new("monmaptool").args(map).current_dir(&folder))?;
    let make = ["--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring"];
    process::output(with_settings("ceph-mon", &folder).args(make))?;
    let public = format!("v2:{monitor}");
    let serve = ["-f", "-i", "a", "--public-addr", &public];
    store.start(with_settings("ceph-mon", &folder).args(serve), monitor)?;

    let patient = ["--connect-timeout", "30"];
    process::output(with_settings("ceph", &folder).args(patient).args(["osd", "new", DISK]))?;
    let make = ["-i", "0", "--mkfs", "--osd-uuid", DISK];
    process::output(with_settings("ceph-osd", &folder).args(make))?;
    let place = ["osd", "crush", "add", "osd.0", "1", "host=here", "root=default"];
    process::output(with_settings("ceph", &folder).args(patient).args(place))?;
    store.start(with_settings("ceph-osd", &folder).args(["-f", "-i", "0"]), monitor)?;
    store.start(with_settings("radosgw", &folder).args(["-n", "client.rgw", "-f"]), gateway)?;
    let user = ["user", "create", "--uid", "lifeboat", "--display-name", "lifeboat"];
    let keys = ["--access-key", KEYS[0], "--secret-key", KEYS[1]];
    let mut admin = with_settings("radosgw-admin", &folder);
    process::output(admin.args(["-n", "client.rgw"]).args(user).args(keys))?;

    let version = version.split_whitespace().nth(2).unwrap_or_default();
    store.what = format!("Ceph {version}, one disk in memory");
    store.reached_by_s3(gateway, "default", KEYS);
    let endpoint = format!("http://{gateway}");
    make_bucket(&["s3", &endpoint, "bucket", "default", KEYS[0], KEYS[1]])?;
    Ok(store)
}

fn with_settings(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-c", "ceph.conf"]).current_dir(folder);
    command
}

/// One of everything, all of it in this folder, nothing at the usual places.
fn settings(folder: &Path, monitor: &str, gateway: &str) -> String {
    let folder = folder.display();
    format!(
        "[global]
fsid = {CLUSTER}
mon host = v2:{monitor}
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.$pid.asok
log file = {folder}/$name.log
crash dir = {folder}/crash
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data = {folder}/mon
mon data avail crit = 1
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296

[client.rgw]
rgw frontends = beast endpoint={gateway}
rgw data = {folder}/rgw
"
    )
}
