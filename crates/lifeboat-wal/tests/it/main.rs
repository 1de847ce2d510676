//! Following a WAL: in a model of SQLite's locks, and on live databases.

mod explore;
mod live;
mod model;
mod stress;
mod support;
