//! The admin interface of `lifeboat run`: an HTTP API and a page.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat::agent::Metrics;
use lifeboat::config::{Http, PageRole, SecretText};
use lifeboat::http::{
    AdminOptions, Audit, Interface, Role, Security, ServiceAdmin, TrustedProxy, serve,
};
use lifeboat::service::Service;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::arguments::{Arguments, Refusal};
use crate::exit::Exit;
use crate::report::Reporter;

/// The interface, being served.
pub(super) struct Page {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Page {
    /// Takes no more requests; those that are open have a few seconds.
    pub(super) async fn close(self) {
        let _ = self.stop.send(());
        let _ = self.serving.await;
    }
}

fn settings(arguments: &Arguments) -> &Http {
    &arguments.setup().configuration().settings().http
}

/// Whether the settings ask for it.
pub(super) fn is_wanted(arguments: &Arguments) -> bool {
    settings(arguments).listen.is_some()
}

/// Listens where the settings say so. Tokens and the address are those of the
/// start: new ones need another.
pub(super) async fn open(
    arguments: &Arguments,
    service: &Service,
    metrics: &Metrics,
    reporter: &Reporter,
) -> Result<Option<Page>, Refusal> {
    let http = settings(arguments);
    let Some(address) = http.listen else { return Ok(None) };
    let security = security(http)?;
    security.check(address).map_err(|error| {
        refusal(Exit::Usage, &error, "set http.token_file, or listen on 127.0.0.1")
    })?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let message = format!("failed to listen on {address}: {error}");
        let hint = "another program may listen there: http.listen names the address".into();
        Refusal { exit: Exit::Failed, message, hint }
    })?;
    let bound = listener.local_addr().unwrap_or(address);
    let setup = arguments.setup();
    let state = setup.directories().state;
    let restore_dir = http.restore_dir.clone().unwrap_or_else(|| state.join("restored"));
    let mut options = AdminOptions::new(absolute(restore_dir));
    options.setup = Some(Arc::clone(setup));
    options.metrics = Some(metrics.clone());
    if !http.objects.is_empty() {
        let objects = &setup.configuration().settings().objects;
        let store = lifeboat::objects::open(objects, setup.environment());
        options.objects =
            Some(store.map_err(|error| {
                refusal(Exit::Usage, &error, "[objects] says where objects lie")
            })?);
    }
    let interface = Interface::new(ServiceAdmin::new(service.clone(), options), security);
    let interface = interface.audit(audit(&state, reporter));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, interface.router(), async {
        let _ = stopped.await;
    }));
    reporter.note(&format!("the page is at http://{bound}"));
    if http.token.is_none() && http.token_file.is_none() {
        reporter.note("restoring and forgetting there needs a token: http.token_file names one");
    }
    Ok(Some(Page { stop, serving }))
}

/// Refuses settings of the page with which it would not be served.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Refusal> {
    let http = settings(arguments);
    if http.listen.is_none() {
        return Ok(());
    }
    security(http).map(drop)
}

/// Who did what is kept beside the other state; in memory where that fails.
fn audit(state: &Path, reporter: &Reporter) -> Audit {
    let path = state.join("audit.jsonl");
    let opened = std::fs::create_dir_all(state).and_then(|()| Audit::in_file(&path));
    opened.unwrap_or_else(|error| {
        let path = path.display();
        reporter.warn(&format!("who does what on the page is not kept in {path}: {error}"));
        Audit::in_memory()
    })
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn security(http: &Http) -> Result<Security, Refusal> {
    // Without a token, whoever uses this machine may look and back up; more needs one.
    let mut security = Security::by_application()
        .without_token(Role::Operate)
        .hosts(http.hosts.iter().cloned())
        .objects(http.objects.clone(), http.public_objects);
    let tokens = [
        (Role::Restore, "token", &http.token, &http.token_file),
        (Role::Operate, "operate_token", &http.operate_token, &http.operate_token_file),
        (Role::Read, "read_token", &http.read_token, &http.read_token_file),
    ];
    for (role, name, text, file) in tokens {
        let Some(token) = token(name, text.as_ref(), file.as_deref())? else { continue };
        security = security.token(role, &token).map_err(|error| {
            let hint = "`head -c 24 /dev/urandom | base64 > FILE` makes one";
            let setting = if text.is_some() { name.to_owned() } else { format!("{name}_file") };
            let mut refusal = refusal(Exit::Usage, &error, hint);
            refusal.message = format!("http.{setting}: {}", refusal.message);
            refusal
        })?;
        security = security.only_known();
    }
    if let Some(header) = &http.proxy_header {
        let header = header.parse().map_err(|_| Refusal {
            exit: Exit::Usage,
            message: format!("http.proxy_header: {header:?} is no name of a header"),
            hint: "it is such as X-Forwarded-User".into(),
        })?;
        let addresses = http.proxy_addresses.iter().filter_map(|one| one.parse().ok()).collect();
        let role = match http.proxy_role.unwrap_or_default() {
            PageRole::Operate => Role::Operate,
            PageRole::Restore => Role::Restore,
            _ => Role::Read,
        };
        security = security.trusted_proxy(TrustedProxy { header, addresses, role });
        // Behind a proxy of this machine everybody comes from this machine.
        security = security.only_known();
    }
    Ok(security)
}

fn token(
    name: &str,
    text: Option<&SecretText>,
    file: Option<&Path>,
) -> Result<Option<String>, Refusal> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.reveal().to_owned())),
        (None, None) => Ok(None),
        (None, Some(file)) => std::fs::read_to_string(file).map(Some).map_err(|error| Refusal {
            exit: Exit::Usage,
            message: format!("http.{name}_file: failed to read {}: {error}", file.display()),
            hint: "it holds the token, and nothing else".into(),
        }),
    }
}

fn refusal(exit: Exit, error: &dyn std::error::Error, hint: &str) -> Refusal {
    Refusal {
        exit,
        message: format!("failed to {}", crate::report::causes(error)),
        hint: hint.into(),
    }
}
