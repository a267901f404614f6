//! The limit of open files, which connections, databases and drivers of a process share.

/// Descriptors that connections of clients leave free. SQLite needs up to 140 for the four
/// databases of a one-process shop (16 queries and a writer each, two files a connection, and one
/// index of the WAL), and the runtime, logs and drivers need a few.
const RESERVED: usize = 200;
/// Connections that a process accepts even when its limit of open files is very low.
const MIN_CONNECTIONS: usize = 16;
/// Connections that a process holds at most. A half-sent head can cost 32 KiB of memory.
const MAX_CONNECTIONS: usize = 2_048;

/// Raises the limit of open files as far as the system allows, and returns the number of
/// connections that fit under it.
pub(crate) fn connections() -> usize {
    match raise_limit() {
        Some(files) => files.saturating_sub(RESERVED).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS),
        None => MAX_CONNECTIONS,
    }
}

/// Returns the limit afterwards; `None` when there is none.
#[cfg(unix)]
fn raise_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    current.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raise_limit() -> Option<usize> {
    None
}
