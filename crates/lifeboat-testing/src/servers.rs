//! Real servers in this process, for the built binary and for libraries alike:
//! an object store that speaks S3, a proxy that breaks things on the wire, an
//! encrypted front, and a service that gives credentials.
//!
//! Each has a thread and a runtime of its own, so that tests without one can use
//! it; it listens on an ephemeral port of this machine and ends when it is
//! dropped.
//!
//! ```
//! use lifeboat_testing::servers::{Fault, FaultProxy, Kind, S3Server};
//!
//! let store = S3Server::start("bucket");
//! let wire = FaultProxy::before(store.address());
//! wire.when(Kind::Put, "records/").once(Fault::LoseAnswer);
//! assert_eq!(wire.url(), format!("http://{}", wire.address()));
//! assert!(store.requests().is_empty());
//! ```

mod background;
mod fault;
mod kind;
mod log;
mod proxy;
mod s3;
mod sign_on;
mod tls;
mod wire;

pub use self::fault::{Fault, When};
pub use self::kind::{Kind, Request};
pub use self::proxy::FaultProxy;
pub use self::s3::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};
pub use self::sign_on::{Asked, SESSION_TOKEN, SignOn};
pub use self::tls::{Certificate, TlsFront};
