//! Ports that a component keeps while it is down.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

const LOWEST: u16 = 15_000;
/// Linux's default lower bound of ephemeral ports.
const EPHEMERAL: u16 = 32_768;

/// Ports given out by this process, whether a component listens on them yet or not.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Returns a free port on 127.0.0.1 below the ephemeral range: an outgoing connection could
/// otherwise take the port of a stopped component, or connect to itself. Random, so that processes
/// rarely choose the same.
pub(crate) fn free() -> Result<u16> {
    let below = ephemeral().max(LOWEST + 1000);
    for _ in 0..1000 {
        let random = getrandom::u32().map_err(Error::context("no random numbers"))?;
        let port = u16::try_from(u32::from(LOWEST) + random % u32::from(below - LOWEST)).unwrap_or(LOWEST);
        let fresh = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        if fresh && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
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
