//! A web application that backs its database up every 15 minutes, brings it back when
//! it is missing, and says how its backups are.
//!
//!     cargo run --example web -- app.db ./backups 127.0.0.1:8080

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use lifeboat::service::Service;
use rusqlite::Connection;

async fn health(State(backups): State<Service>) -> (StatusCode, String) {
    match backups.health("app").await {
        Ok(one) if one.health.reasons.is_empty() => {
            (StatusCode::OK, "backups are healthy\n".into())
        }
        Ok(one) => (StatusCode::SERVICE_UNAVAILABLE, format!("{:?}\n", one.health.reasons)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to {error}\n")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, place, address] = &arguments[..] else {
        return Err("usage: web DATABASE DESTINATION ADDRESS".into());
    };
    let builder = Service::builder().database_as("app", database).destination(place);
    let backups = builder.every(Duration::from_secs(15 * 60)).build()?;
    println!("{:?}", backups.restore_if_missing("app").await?);
    Connection::open(database)?.execute_batch("CREATE TABLE IF NOT EXISTS visit(at)")?;
    backups.start();
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let application = Router::new().route("/health", get(health)).with_state(backups.clone());
    let until = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
    axum::serve(listener, application).with_graceful_shutdown(until).await?;
    backups.shutdown().await;
    Ok(())
}
