//! Hashing a password takes 19 MiB, and gives them back. A process of its own, because it looks at the whole process.
#![cfg(target_os = "linux")]

use customer::admin;
use souk_store::{Database, Durability};
use tokio::task::JoinSet;

/// Enough for everything but a hash that somebody held on to.
const PLENTY_KIB: u64 = 24 * 1024;

#[tokio::test]
async fn what_hashing_took_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::sqlite("customer", &directory.path().join("customer.db"), Durability::Process).unwrap();
    // The first time, a thread gets fresh memory in any case; what it keeps shows from the second time on.
    for round in 0..3 {
        let mut hashing = JoinSet::new();
        for number in 0..4 {
            let (database, email) = (database.clone(), format!("admin-{round}-{number}@example.com").parse().unwrap());
            hashing.spawn(async move { admin::create(&database, email, "correct horse".parse().unwrap()).await });
        }
        assert!(hashing.join_all().await.iter().all(Result::is_ok));
    }
    let resident = resident_kib().unwrap();
    assert!(resident < PLENTY_KIB, "{resident} KiB are resident");
}

fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
