//! The database of a check.

use souk_store::{Database, Durability};
use tempfile::TempDir;

/// An empty database. Several handles may open it, concurrently or one after another.
pub(crate) enum Home {
    Sqlite(TempDir, Durability),
    #[allow(dead_code, reason = "each test takes the engines it needs")]
    Mongodb(Fresh),
}

impl Home {
    pub(crate) fn sqlite(durability: Durability) -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap(), durability)
    }

    #[allow(dead_code, reason = "each test takes the engines it needs")]
    pub(crate) fn mongodb() -> Self {
        Self::Mongodb(Fresh::new())
    }

    #[allow(dead_code, reason = "not every test uses it")]
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Sqlite(_, durability) => Self::sqlite(*durability),
            Self::Mongodb(_) => Self::mongodb(),
        }
    }

    pub(crate) async fn open(&self) -> Database {
        match self {
            Self::Sqlite(directory, durability) => {
                Database::sqlite("library", &directory.path().join("library.db"), *durability).unwrap()
            }
            Self::Mongodb(fresh) => {
                let database = Database::mongodb("library", &fresh.uri, &fresh.name).unwrap();
                // Creating many databases takes longer than the time limit of a first write.
                while database.ping().await.is_err() {}
                database
            }
        }
    }
}

pub(crate) struct Fresh {
    pub(crate) uri: String,
    pub(crate) name: String,
}

impl Fresh {
    pub(crate) fn new() -> Self {
        let uri = std::env::var("MONGODB_URI").expect("MONGODB_URI should name a MongoDB replica set");
        Self { uri, name: format!("souk-test-{}", uuid::Uuid::now_v7().simple()) }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // The runtime of the check may be shutting down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
                client.database(&name).drop().await.unwrap();
            });
        });
        let dropped = dropping.join();
        assert!(dropped.is_ok() || std::thread::panicking(), "{} should be dropped", self.name);
    }
}
