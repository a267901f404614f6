//! The pool of connections that read. Each read is a transaction of its own.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{connect, failed};
use crate::Durability;
use souk_types::Result;

const IDLE_CONNECTIONS: usize = 16;

pub(super) struct Readers {
    file: PathBuf,
    durability: Durability,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: &Path, durability: Durability) -> Self {
        Self { file: file.to_owned(), durability, idle: Mutex::default() }
    }

    /// Reads the state of the database at the time of this call or later.
    pub(super) fn read<R>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        // After an error the connection is closed, because its state is unknown.
        let outcome = work(&connection).map_err(failed)?;
        let mut idle = self.idle();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
        Ok(outcome)
    }

    /// Opens a connection outside the pool.
    pub(super) fn connect(&self) -> Result<Connection> {
        connect(&self.file, self.durability)
    }

    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
