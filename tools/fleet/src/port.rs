//! Ports that a component keeps while it is down.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

const LOWEST: u16 = 15_000;
/// Linux's default lower bound of ephemeral ports.
const EPHEMERAL: u16 = 32_768;
/// A fleet has about 25 components.
const BLOCK: u16 = 100;

/// Ports that only this process gives out, because it holds the lock of their file.
struct Block {
    left: Range<u16>,
    _lock: File,
}

static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Returns a free port on 127.0.0.1 that no other process of this user's tests is given, also while
/// the component is down. It is below the ephemeral range: an outgoing connection could otherwise
/// take the port of a stopped component, or connect to itself.
pub(crate) fn free() -> Result<u16> {
    let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(block) = blocks.last_mut() {
            for port in block.left.by_ref() {
                if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Ok(port);
                }
            }
        }
        blocks.push(block()?);
    }
}

/// Another user cannot write into this user's folder.
fn folder() -> PathBuf {
    let user = std::env::var("USER").unwrap_or_default();
    std::env::temp_dir().join(format!("souk-ports-{user}"))
}

/// Locks a random block until this process ends.
fn block() -> Result<Block> {
    let folder = folder();
    fs::create_dir_all(&folder).map_err(Error::context("cannot create a folder for the locks of ports"))?;
    let blocks = ephemeral().saturating_sub(LOWEST).max(1000) / BLOCK;
    for _ in 0..1000 {
        let random = getrandom::u32().map_err(Error::context("no random numbers"))?;
        let first = LOWEST + u16::try_from(random % u32::from(blocks)).unwrap_or(0) * BLOCK;
        let lock = File::create(folder.join(first.to_string())).map_err(Error::context("cannot lock ports"))?;
        match lock.try_lock() {
            Ok(()) => return Ok(Block { left: first..first + BLOCK, _lock: lock }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::context("cannot lock ports")(error)),
        }
    }
    Err(Error::failed("no port is free on 127.0.0.1"))
}

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn ephemeral() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_to_one_process() {
        let given: Vec<u16> = (0..=2 * BLOCK).map(|_| free().unwrap()).collect();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
        for port in given {
            let first = port - (port - LOWEST) % BLOCK;
            // The lock belongs to the open file: opening it again is what another process does.
            let lock = File::create(folder().join(first.to_string())).unwrap();
            assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        }
    }
}
