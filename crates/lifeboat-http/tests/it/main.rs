//! The router over an admin that does what a test says.

mod answers;
mod attempts;
mod document;
mod downloads;
mod jobs;
mod objects;
mod script;
mod wire;
