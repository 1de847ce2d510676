//! A store that speaks S3 as a process of its own, which can be killed and stopped.
//!
//!     s3_store FOLDER PORT
//!
//! It has the bucket `bucket` in the folder, says its URL, and ends when its input
//! does: whoever started it is gone then.

use std::io::Read;
use std::path::Path;

use lifeboat_testing::servers::S3Server;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, port] = &arguments[..] else { panic!("s3_store FOLDER PORT") };
    let port = port.parse().expect("a port is a number");
    let server = S3Server::over(Path::new(folder), "bucket", port);
    println!("{}", server.url());
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
}
