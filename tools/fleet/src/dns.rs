//! A private DNS server for one zone (Unbound, Debian's `unbound`), whose records can change while
//! it runs. It needs no root.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::component::Component;
use crate::error::{Error, Result};
use crate::folder::TempFolder;
use crate::install;
use crate::port;
use crate::process::{POLL_INTERVAL, Program};

/// A reserved name (RFC 6761, 6.2).
const ZONE: &str = "souk.test";
/// Time for the server to load a changed zone, which takes milliseconds.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(200);
/// Type SOA and class IN (RFC 1035, 3.2).
const SOA_IN: [u8; 4] = [0, 6, 0, 1];

/// A DNS server for the zone `souk.test`.
pub struct Dns {
    component: Component,
    zone: PathBuf,
    serial: Mutex<u32>,
    _folder: TempFolder,
}

impl Dns {
    /// The zone: the suffix of its names.
    pub const ZONE: &str = ZONE;

    /// Installs Unbound if necessary.
    pub fn ensure_installed() -> Result<()> {
        program().map(drop)
    }

    /// Starts a server with an empty zone and waits until it answers.
    pub fn start() -> Result<Self> {
        let unbound = program()?;
        let folder = TempFolder::new("souk-dns-")?;
        let address = port::local(port::free()?);
        let in_folder = |name: &str| folder.path().join(name);
        let (configuration, zone) = (in_folder("unbound.conf"), in_folder("zone"));
        write(&configuration, &self::configuration(folder.path(), address))?;
        write(&zone, &zone_file(1, ""))?;
        let program = Program::new(unbound, in_folder("unbound.log")).arguments(["-d", "-c"]).argument(configuration);
        let component = Component::program("dns", address, program, |address| serial(address).is_some());
        component.start()?;
        Ok(Self { component, zone, serial: Mutex::new(1), _folder: folder })
    }

    /// Returns the address that it listens on, UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.component.address()
    }

    /// Replaces the records of the zone by lines of a zone file (RFC 1035, 5), such as `_amqp._tcp
    /// SRV 1 1 5672 mq`. Names are relative to `souk.test` unless they end with a dot. Returns when
    /// the server answers with them. Their TTL is one hour, so a caching client does not see the
    /// next change.
    pub fn publish(&self, records: &str) -> Result<()> {
        let mut known = self.serial.lock().unwrap_or_else(PoisonError::into_inner);
        *known += 1;
        write(&self.zone, &zone_file(*known, records))?;
        self.component.reload()?;
        let begun = Instant::now();
        loop {
            let answered = serial(self.address());
            if answered == Some(*known) {
                return Ok(());
            }
            if begun.elapsed() > RELOAD_TIMEOUT || self.component.pid().is_none() {
                let log = self.component.log_tail();
                return Err(Error::failed(format!(
                    "the server answers with serial {answered:?} instead of {known}\n{log}"
                )));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Returns the component.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
    }
}

fn program() -> Result<PathBuf> {
    install::find_or_install("a DNS server (Unbound)", &["unbound"], || install::find_program("unbound"))
}

/// Returns the configuration: the zone only, without root servers or forwarding, all files in the
/// folder. With one thread, no answer is older than the one before.
fn configuration(folder: &Path, address: SocketAddr) -> String {
    let (folder, ip, port) = (folder.display(), address.ip(), address.port());
    format!(
        "server:\n\
         \x20 interface: {ip}@{port}\n\
         \x20 num-threads: 1\n\
         \x20 do-daemonize: no\n\
         \x20 use-syslog: no\n\
         \x20 username: \"\"\n\
         \x20 chroot: \"\"\n\
         \x20 directory: \"{folder}\"\n\
         \x20 pidfile: \"{folder}/pid\"\n\
         \x20 module-config: \"iterator\"\n\
         \x20 local-zone: \"test.\" nodefault\n\
         remote-control:\n\
         \x20 control-enable: no\n\
         auth-zone:\n\
         \x20 name: \"{ZONE}.\"\n\
         \x20 zonefile: \"zone\"\n\
         \x20 for-upstream: no\n\
         \x20 fallback-enabled: no\n"
    )
}

fn zone_file(serial: u32, records: &str) -> String {
    format!(
        "$ORIGIN {ZONE}.\n\
         $TTL 3600\n\
         @ SOA ns hostmaster {serial} 3600 600 86400 3600\n\
         @ NS ns\n\
         ns A 127.0.0.1\n\
         {records}\n"
    )
}

fn serial(address: SocketAddr) -> Option<u32> {
    let mut name: Vec<u8> = Vec::new();
    for label in ZONE.split('.') {
        name.push(u8::try_from(label.len()).ok()?);
        name.extend(label.bytes());
    }
    name.push(0);
    // A header with one question (RFC 1035, 4.1).
    let header = [0x50, 0x55, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let question = [&header[..], &name, &SOA_IN].concat();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(RESPONSE_TIMEOUT)).ok()?;
    socket.connect(address).ok()?;
    socket.send(&question).ok()?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).ok()?;
    serial_in(answer.get(..length)?, question.len())
}

/// Returns the serial number in the SOA record of a response (RFC 1035, 3.3.13). The record follows
/// the question: a compressed name of two bytes, type, class, TTL and length; its data ends with
/// five numbers, the first of which is the serial.
fn serial_in(message: &[u8], question: usize) -> Option<u32> {
    let code = message.get(3)? % 16;
    let is_answered = code == 0 && message.get(6..8)? != [0, 0];
    let record = message.get(question..).filter(|_| is_answered)?;
    if record.get(2..6)? != SOA_IN {
        return None;
    }
    let length = usize::from(u16::from_be_bytes(record.get(10..12)?.try_into().ok()?));
    let numbers = record.get(12..12 + length)?.last_chunk::<20>()?;
    Some(u32::from_be_bytes(*numbers.first_chunk()?))
}

fn write(file: &Path, content: &str) -> Result<()> {
    fs::write(file, content).map_err(Error::context(file.display()))
}

#[cfg(test)]
mod tests {
    use super::serial_in;

    #[test]
    fn serial_number_is_read_from_the_soa_record() {
        let header = [0, 0, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        let record = [0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 9, 0, 24, 0xc0, 12, 0xc0, 12];
        let numbers = [[0, 0, 1, 7], [0, 0, 0, 1], [0, 0, 0, 2], [0, 0, 0, 3], [0, 0, 0, 4]].concat();
        let message = [&header[..], &[0, 0, 6, 0, 1], &record, &numbers].concat();
        assert_eq!(serial_in(&message, 17), Some(0x107));
        for end in 0..message.len() {
            assert_eq!(serial_in(&message[..end], 17), None, "{end}");
        }
        let refused = [&[0, 0, 0x84, 5][..], &message[4..]].concat();
        assert_eq!(serial_in(&refused, 17), None);
    }
}
