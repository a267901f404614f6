//! The version of the stored documents. A database carries it from its first use, so that a build
//! refuses data that it would misread.

use souk_types::Error;

/// The version of the documents that this build reads and writes, in the databases of all services.
/// Raise it with each change after which stored documents of the build before cannot be read.
pub const FORMAT_VERSION: i32 = 1;

/// Error for data with another version, or with none.
pub(super) fn incompatible(database: &str, found: Option<i32>) -> Error {
    let found = found.map_or("no format version".to_owned(), |version| format!("format version {version}"));
    Error::internal(format!(
        "the data of {database} has {found}, and this build needs format version {FORMAT_VERSION}; nothing was changed. \
         Run the build that wrote the data, or start with an empty database: docs/operations.md"
    ))
}
