//! Where the backups of a test go: a directory, or a store that speaks S3.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lifeboat::remote::{Remote, RemoteOptions, Secret};
use lifeboat_testing::servers::{ACCESS_KEY, FaultProxy, REGION, S3Server, SECRET_KEY};

/// Makes a test for each place out of a function that takes one.
macro_rules! in_every_place {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            #[test]
            fn in_a_directory() {
                super::$test($crate::place::Place::Directory);
            }

            #[test]
            fn on_a_store() {
                super::$test($crate::place::Place::Store);
            }
        })+
    };
}

/// The same for tests that look at the objects as files, which the store of
/// this process allows and others do not.
macro_rules! in_every_folder {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            #[test]
            fn in_a_directory() {
                super::$test($crate::place::Place::Directory);
            }

            #[test]
            fn in_the_folder_of_a_store() {
                super::$test($crate::place::Place::Own);
            }
        })+
    };
}

pub(crate) use {in_every_folder, in_every_place};

/// What kind of place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A directory, `./backups`.
    Directory,
    /// The store that `LIFEBOAT_TEST_STORE_URL` names, with the environment of
    /// `LIFEBOAT_TEST_STORE_ENV`; without these, as [`Place::Own`].
    Store,
    /// A store in this process.
    Own,
    /// The same, behind a proxy that breaks things.
    Faulty,
    /// A store in this process that ignores conditions.
    Careless,
}

/// Where things go wrong on purpose, nobody wants to wait for long.
const IMPATIENT: &str = "?request_timeout=1s&connect_timeout=1s&retry_budget=4s&min_rate=100000";

/// A store that was opened for one test.
#[derive(Debug)]
pub(crate) struct Store {
    /// The repository: a prefix that no other test uses.
    pub(crate) url: String,
    environment: Vec<(String, String)>,
    prefix: String,
    server: Option<S3Server>,
    proxy: Option<FaultProxy>,
}

impl Store {
    pub(crate) fn open(place: Place) -> Option<Self> {
        match place {
            Place::Directory => None,
            Place::Store => Some(Self::outside().unwrap_or_else(|| Self::own(false))),
            Place::Own => Some(Self::own(false)),
            Place::Faulty => Some(Self::own(true)),
            Place::Careless => {
                let store = Self::own(false);
                store.server().ignore_conditions();
                Some(store)
            }
        }
    }

    fn own(faulty: bool) -> Self {
        let server = S3Server::start("bucket");
        let proxy = faulty.then(|| FaultProxy::before(server.address()));
        let endpoint = proxy.as_ref().map_or_else(|| server.url(), FaultProxy::url);
        let environment = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let prefix = "some/prefix".to_owned();
        let url = format!("s3://bucket/{prefix}{}", if faulty { IMPATIENT } else { "" });
        Self { url, environment: environment.into(), prefix, server: Some(server), proxy }
    }

    fn outside() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = std::env::var("LIFEBOAT_TEST_STORE_URL").ok()?;
        let environment = std::env::var("LIFEBOAT_TEST_STORE_ENV").unwrap_or_default();
        let pairs = environment.lines().filter_map(|line| line.split_once('='));
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let prefix = format!("test-{now}-{process}-{next}");
        let url = format!("{}/{prefix}", root.trim_end_matches('/'));
        Some(Self { url, environment, prefix, server: None, proxy: None })
    }

    /// The store in this process.
    pub(crate) fn server(&self) -> &S3Server {
        self.server.as_ref().expect("it is a store of our own")
    }

    /// The proxy before it.
    pub(crate) fn proxy(&self) -> &FaultProxy {
        self.proxy.as_ref().expect("it is a store behind a proxy")
    }

    /// A variable that commands are told.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it is the one in this process.
    pub(crate) fn is_own(&self) -> bool {
        self.server.is_some()
    }

    /// The folder that holds the objects of the repository as files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.server().folder().join(&self.prefix)
    }

    /// As a library opens it; a store outside as the environment of this process
    /// says.
    pub(crate) fn remote(&self) -> Remote {
        let mut options = RemoteOptions::default();
        if let Some(server) = &self.server {
            options.environment = false;
            options.endpoint = Some(server.url());
            options.region = Some(REGION.to_owned());
            options.access_key_id = Some(ACCESS_KEY.to_owned());
            options.secret_access_key = Some(Secret::new(SECRET_KEY));
        }
        Remote::open_with(&self.url, options).expect("opens")
    }

    /// What a command needs to know to reach it.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("LIFEBOAT_REPOSITORY", &self.url);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }
}
