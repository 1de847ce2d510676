//! A web application with the page and API of its backups under /backups, for users
//! that the application knows itself.
//!
//!     cargo run --example admin --features http -- app.db ./backups 127.0.0.1:8080

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::{Router, response::Response, routing::get};
use lifeboat::http::{AdminOptions, Caller, Interface, Role, Security, ServiceAdmin};
use lifeboat::service::Service;

/// Without a caller nobody may do anything: here, whoever shows a header is one.
async fn our_own_users(mut request: Request, next: Next) -> Response {
    if request.headers().get("x-user").is_some_and(|user| user == "alice") {
        request.extensions_mut().insert(Caller { name: "alice".into(), role: Role::Operate });
    }
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, place, address] = &arguments[..] else {
        return Err("usage: admin DATABASE DESTINATION ADDRESS".into());
    };
    let service = Service::builder().database(database).destination(place).start()?;
    let app = Router::new().route("/", get("the application\n"));
    let admin = ServiceAdmin::new(service, AdminOptions::new("restored"));
    let backups = Interface::new(admin, Security::by_application()).router();
    let app = app.nest("/backups", backups.layer(from_fn(our_own_users)));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let until = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
    Ok(axum::serve(listener, app).with_graceful_shutdown(until).await?)
}
