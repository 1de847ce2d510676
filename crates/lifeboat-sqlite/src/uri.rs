//! File names as SQLite URIs, for files of our own.

use std::ffi::CString;
use std::path::Path;

/// The bytes of a path, as SQLite wants them: any on Unix, elsewhere UTF-8.
pub(crate) fn path_bytes(path: &Path) -> Option<Vec<u8>> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    let bytes = path.to_str()?.as_bytes().to_vec();
    (!bytes.contains(&0)).then_some(bytes)
}

/// A URI that opens `path` as a file that nobody changes: without locks,
/// sidecars or recovery.
pub(crate) fn immutable(path: &Path) -> Option<CString> {
    let path = std::path::absolute(path).ok()?;
    let mut uri = b"file:".to_vec();
    // Windows: `C:\a` is `file:///C:/a`.
    let bytes = path_bytes(&path)?;
    if cfg!(windows) {
        uri.extend_from_slice(b"///");
    }
    for byte in bytes {
        match byte {
            b'\\' if cfg!(windows) => uri.push(b'/'),
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(byte),
            b':' if cfg!(windows) => uri.push(byte),
            other => uri.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    uri.extend_from_slice(b"?immutable=1&mode=ro");
    CString::new(uri).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn every_odd_byte_is_encoded() {
        let path = Path::new("/tmp/a b?#%é/c");
        let uri = immutable(path).expect("no zero byte");
        assert_eq!(
            uri.to_str().expect("ASCII"),
            "file:/tmp/a%20b%3F%23%25%C3%A9/c?immutable=1&mode=ro"
        );
    }
}
