//! Password hashing returns its memory to the system. The test has a process of its own, because it
//! reads the memory of the whole process.
#![cfg(target_os = "linux")]

use customer::operator;
use souk_contract::role::Role;
use souk_store::{Database, Durability};
use tokio::task::JoinSet;

/// Most resident memory in KiB. The process needs about 27 MiB, 4 of them for the dictionaries of
/// weak passwords; it exceeds the limit when it retains the 19 MiB of a hash.
const LIMIT_KIB: u64 = 32 * 1024;

#[tokio::test]
async fn hashing_returns_its_memory() {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::sqlite("customer", &directory.path().join("customer.db"), Durability::Process).unwrap();
    // A retained allocation shows from the second round on.
    for round in 0..3 {
        let mut hashes = JoinSet::new();
        for number in 0..4 {
            let (database, email) = (database.clone(), format!("admin-{round}-{number}@example.com").parse().unwrap());
            hashes.spawn(async move {
                operator::create(&database, email, "correct horse".parse().unwrap(), Role::Admin).await
            });
        }
        assert!(hashes.join_all().await.iter().all(Result::is_ok));
    }
    let resident = resident_kib().unwrap();
    assert!(resident < LIMIT_KIB, "{resident} KiB are resident");
}

fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
