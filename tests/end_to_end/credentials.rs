//! Encrypted connections, and credentials as AWS's own tools find them. All of both
//! is made up.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use lifeboat_testing::databases::one_row_a_page;
use lifeboat_testing::servers::{
    ACCESS_KEY, Certificate, Kind, REGION, S3Server, SECRET_KEY, SignOn, TlsFront,
};

use crate::command::{Folder, Ran, binary, same_bytes};
use crate::place::Place;

/// A folder with a database, and the binary with nothing but what a test gives it.
struct Bare {
    folder: Folder,
    store: S3Server,
}

impl Bare {
    fn new() -> Self {
        let folder = Folder::without_repository(Place::Directory);
        drop(one_row_a_page(&folder.path("app.db"), "delete", 20, 1));
        Self { folder, store: S3Server::start("bucket") }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path(name);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("makes it");
        std::fs::write(path, text).expect("writes");
    }

    fn run(&self, url: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = self.folder.under(Command::new(binary()));
        // Nothing asks a metadata service, which is elsewhere or nowhere.
        command.env("AWS_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(variables.iter().copied()).args(["-r", url]).args(arguments);
        command.output().expect("the binary runs").into()
    }

    /// Makes a repository, backs up and restores with what is given.
    #[track_caller]
    fn works(&self, url: &str, variables: &[(&str, &str)]) {
        self.run(url, variables, &["init", "--no-encryption"]).ok();
        self.run(url, variables, &["backup", "app.db"]).ok();
        self.run(url, variables, &["restore", "app", "--target", "new.db"]).ok();
        assert!(same_bytes(&self.folder.path("new.db"), &self.folder.path("app.db")));
    }

    /// Is refused at once, with words that say what it is, and a hint.
    #[track_caller]
    fn refused(&self, url: &str, variables: &[(&str, &str)], words: &[&str]) {
        let start = Instant::now();
        let ran = self.run(url, variables, &["init", "--no-encryption"]);
        // Nothing is tried again: the budget is three minutes.
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!(ran.code, 13, "{ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "no {word:?} in {}", ran.err);
        }
        assert!(ran.err.contains("HINT:"), "no hint in {}", ran.err);
        for secret in [SECRET_KEY, "hush"] {
            assert!(!ran.err.contains(secret), "{}", ran.err);
        }
        assert_eq!(self.store.count(Kind::Put), 0);
    }
}

fn keys(endpoint: &str) -> [(&str, &str); 3] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let bare = Bare::new();
    let front = TlsFront::before(bare.store.address(), Certificate::Good);
    let (authority, url) = (front.authority(), front.url());
    let authority = authority.to_str().expect("UTF-8");
    bare.refused("s3://bucket/p", &keys(&url), &["certificate", "ca_certificates"]);
    // Another authority is none of this one's.
    let other = TlsFront::before(bare.store.address(), Certificate::Good);
    let others = format!("s3://bucket/p?ca_certificates={}", other.authority().display());
    bare.refused(&others, &keys(&url), &["certificate"]);
    bare.works(&format!("s3://bucket/p?ca_certificates={authority}"), &keys(&url));
    std::fs::remove_file(bare.folder.path("new.db")).expect("removes");
    let only = format!("s3://bucket/q?only_ca_certificates=yes&ca_certificates={authority}");
    bare.works(&only, &keys(&url));
}

#[test]
fn a_certificate_that_does_not_hold_is_refused() {
    let bare = Bare::new();
    for (certificate, word) in
        [(Certificate::Expired, "expired"), (Certificate::OtherName, "elsewhere.example")]
    {
        let front = TlsFront::before(bare.store.address(), certificate);
        for only in ["", "&only_ca_certificates=yes"] {
            let authority = front.authority();
            let url = format!("s3://bucket/p?ca_certificates={}{only}", authority.display());
            bare.refused(&url, &keys(&front.url()), &["certificate", word]);
        }
    }
    // Nor is what is no certificate.
    bare.write("authority.pem", "not one");
    let ran = bare.run(
        "s3://bucket/p?ca_certificates=authority.pem",
        &keys("https://x"),
        &["init", "--no-encryption"],
    );
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("authority.pem"), "{}", ran.err);
}

#[test]
fn a_profile() {
    let bare = Bare::new();
    let keys = format!("aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    bare.write(
        "shared",
        &format!("[work]\n{keys}[default]\naws_access_key_id = AK\naws_secret_access_key = hush\n"),
    );
    let (shared, endpoint) = (bare.folder.path("shared"), bare.store.url());
    let variables = [
        ("AWS_SHARED_CREDENTIALS_FILE", shared.to_str().expect("UTF-8")),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
    ];
    bare.refused("s3://bucket/p", &variables, &["refuses access"]);
    bare.refused("s3://bucket/p?profile=wrok", &variables, &["no credentials"]);
    bare.works("s3://bucket/p?profile=work", &variables);
    std::fs::remove_file(bare.folder.path("new.db")).expect("removes");
    bare.works("s3://bucket/q", &[&variables[..], &[("AWS_PROFILE", "work")]].concat());
}

const ROLE: &str = "arn:aws:iam::123456789012:role/backup";

#[test]
fn a_role() {
    let bare = Bare::new();
    let sts = SignOn::start();
    let (endpoint, sts_url) = (bare.store.url(), sts.url());
    let variables = [
        ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
        ("AWS_ENDPOINT_URL_STS", &sts_url),
        ("AWS_ACCESS_KEY_ID", "BASE"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    bare.works(&format!("s3://bucket/p?role_arn={ROLE}&role_session_name=tuesday"), &variables);
    let asked = sts.asked();
    assert_eq!(asked.len(), 3, "once for each command: {asked:?}");
    assert!(asked.iter().all(|asked| {
        asked.authorization.contains("Credential=BASE/")
            && asked.body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbackup")
            && asked.body.contains("RoleSessionName=tuesday")
    }));
    std::fs::remove_file(bare.folder.path("new.db")).expect("removes");
    let by_environment =
        [&variables[..], &[("AWS_ROLE_ARN", ROLE), ("AWS_EXTERNAL_ID", "theirs")]].concat();
    bare.works("s3://bucket/q", &by_environment);
    assert!(sts.asked().iter().skip(3).all(|asked| asked.body.contains("ExternalId=theirs")));
    // A profile that takes on a role with another's keys.
    let config = format!(
        "[profile base]\naws_access_key_id = DEEP\naws_secret_access_key = hush\n\
         [profile work]\nrole_arn = {ROLE}\nsource_profile = base\n"
    );
    bare.write("config", &config);
    let config = bare.folder.path("config");
    let profile =
        [&variables[..2], &[("AWS_CONFIG_FILE", config.to_str().expect("UTF-8"))]].concat();
    bare.run("s3://bucket/q?profile=work", &profile, &["snapshots"]).ok();
    let last = sts.asked().pop().expect("was asked");
    assert!(last.authorization.contains("Credential=DEEP/"), "{last:?}");
}

/// The same with the role's service of a store that has one, by `cargo xtask
/// conformance --with moto`.
mod a_role_taken_on {
    use super::*;

    #[test]
    fn on_a_store() {
        let folder = Folder::without_repository(Place::Store);
        let path = folder.path("app.db");
        drop(one_row_a_page(&path, "delete", 20, 1));
        let store = folder.store();
        let sts = store.is_own().then(SignOn::start);
        let sts_url = sts.as_ref().map(SignOn::url);
        let theirs = store.variable("AWS_ENDPOINT_URL_STS").map(ToOwned::to_owned);
        let Some(url) = sts_url.or(theirs) else {
            eprintln!("SKIPPED: this store gives no roles");
            return;
        };
        let run = |arguments: &[&str]| {
            let mut command = folder.command();
            command.env("AWS_ENDPOINT_URL_STS", &url).env("AWS_ROLE_ARN", ROLE).args(arguments);
            Ran::from(command.output().expect("the binary runs")).ok()
        };
        run(&["init", "--no-encryption"]);
        run(&["backup", "app.db"]);
        run(&["restore", "app", "--target", "new.db"]);
        assert!(same_bytes(&folder.path("new.db"), &path));
        assert!(sts.is_none_or(|sts| sts.asked().len() == 3));
        if !store.is_own() {
            println!("store: gives the credentials of a role");
        }
    }
}

#[test]
fn a_role_that_is_refused() {
    let bare = Bare::new();
    let sts = SignOn::start();
    sts.refuse();
    let (endpoint, sts_url) = (bare.store.url(), sts.url());
    let variables = [
        ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
        ("AWS_ENDPOINT_URL_STS", &sts_url),
        ("AWS_ACCESS_KEY_ID", "BASE"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    bare.refused(&format!("s3://bucket/p?role_arn={ROLE}"), &variables, &["refuses access"]);
    assert_eq!(sts.asked().len(), 1, "a refusal is not asked again");
}

/// The token that `aws sso login` leaves: the name of its file is the SHA-1 of the
/// session's name.
#[test]
fn a_sign_on() {
    let bare = Bare::new();
    let portal = SignOn::start();
    bare.write(
        "config",
        "[profile work]\nsso_session = office\nsso_account_id = 123456789012\n\
         sso_role_name = backup\nregion = us-east-1\n\
         [sso-session office]\nsso_region = us-east-1\n\
         sso_start_url = https://office.example/start\n",
    );
    let token = |expires: &str| {
        let text = format!(
            "{{\"accessToken\":\"hush-token\",\"expiresAt\":\"{expires}\",\
             \"region\":\"us-east-1\",\"startUrl\":\"https://office.example/start\"}}"
        );
        // sha1("office"), as coreutils' sha1sum prints it.
        let name = sha1_of_office();
        bare.write(&format!(".aws/sso/cache/{name}.json"), &text);
    };
    let (config, endpoint, url) = (bare.folder.path("config"), bare.store.url(), portal.url());
    let variables = [
        ("AWS_CONFIG_FILE", config.to_str().expect("UTF-8")),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_ENDPOINT_URL_SSO", &url),
    ];
    let repository = "s3://bucket/p?profile=work";
    // Nobody has signed on, or too long ago.
    bare.refused(repository, &variables, &["no credentials"]);
    token("2020-01-01T00:00:00Z");
    bare.refused(repository, &variables, &["no credentials"]);
    assert!(portal.asked().is_empty());
    token("2099-01-01T00:00:00Z");
    bare.works(repository, &variables);
    let asked = portal.asked();
    assert!(asked.iter().all(|asked| {
        asked.bearer == "hush-token"
            && asked.target.contains("role_name=backup")
            && asked.target.contains("account_id=123456789012")
    }));
    assert_eq!(asked.len(), 3, "once for each command: {asked:?}");
}

fn sha1_of_office() -> String {
    let mut command = Command::new("sh");
    let output = command.args(["-c", "printf office | sha1sum"]).output().expect("coreutils");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("a sum").to_owned()
}

/// A program that gives credentials is asked again before they expire, and not
/// before that.
#[test]
fn a_program_that_gives_credentials() {
    let bare = Bare::new();
    let program = |expires: &str| {
        let text = format!(
            "#!/bin/sh\necho x >> {calls}\necho '{{\"Version\":1,\"AccessKeyId\":\"{ACCESS_KEY}\",\
             \"SecretAccessKey\":\"{SECRET_KEY}\",\"SessionToken\":\"t\",\
             \"Expiration\":\"'{expires}'\"}}'\n",
            calls = bare.folder.path("calls").display(),
        );
        bare.write("give", &text);
        let mode = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bare.folder.path("give"), mode).expect("is ours");
        let _ = std::fs::remove_file(bare.folder.path("calls"));
    };
    let calls = || std::fs::read(bare.folder.path("calls")).map_or(0, |text| text.len() / 2);
    let give = bare.folder.path("give");
    bare.write("config", &format!("[profile work]\ncredential_process = {}\n", give.display()));
    let (config, endpoint) = (bare.folder.path("config"), bare.store.url());
    let variables =
        [("AWS_CONFIG_FILE", config.to_str().expect("UTF-8")), ("AWS_ENDPOINT_URL_S3", &endpoint)];
    let repository = "s3://bucket/p?profile=work";
    program("2099-01-01T00:00:00Z");
    bare.works(repository, &variables);
    assert_eq!(calls(), 3, "once for each command");
    // They hold for two minutes more, and are fetched anew five minutes before.
    program("$(date -u -d +2minutes +%Y-%m-%dT%H:%M:%SZ)");
    bare.store.forget_requests();
    bare.run(repository, &variables, &["snapshots"]).ok();
    assert_eq!(calls(), bare.store.requests().len(), "each request has new ones");
    assert!(calls() > 1);
    // Where there are no new ones, those that still hold are used.
    std::fs::write(bare.folder.path("once"), "").expect("writes");
    let text = std::fs::read_to_string(&give).expect("reads");
    let once = "#!/bin/sh\n[ -e once ] || exit 1\nrm once\n";
    bare.write("give", &text.replacen("#!/bin/sh\n", once, 1));
    bare.run(repository, &variables, &["snapshots"]).ok();
    bare.refused_listing(repository, &variables);
}

impl Bare {
    fn refused_listing(&self, url: &str, variables: &[(&str, &str)]) {
        let ran = self.run(url, variables, &["snapshots"]);
        assert_eq!(ran.code, 13, "{ran:?}");
        assert!(ran.err.contains("no credentials"), "{}", ran.err);
    }
}
