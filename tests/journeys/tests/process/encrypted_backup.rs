//! Encrypted backups of a one-process shop: `souk backup --encrypt-to`, `souk restore --identity`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use journeys::{
    BackupKey, CommandOutput, Load, PASSWORD, RunningCommand, TestShop, euros, new_email, run_souk, wait_for,
};
use tempfile::TempDir;

use crate::backup::{keys_of, text};

/// A folder with keys, backups, and a directory for temporary files.
struct Operator {
    folder: TempDir,
    key: BackupKey,
}

impl Operator {
    fn new() -> Self {
        let folder = TempDir::with_prefix("souk-operator-").unwrap();
        fs::create_dir(folder.path().join("temporary")).unwrap();
        let key = BackupKey::new(folder.path().join("key.txt"));
        Self { folder, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the command, and expects that it leaves no file in the directory for temporary files.
    async fn run(&self, arguments: &[&str]) -> CommandOutput {
        let temporary = self.path("temporary");
        let output = RunningCommand::start_in(&temporary, arguments).wait().await;
        let left = fs::read_dir(&temporary).unwrap().count();
        assert_eq!(left, 0, "{arguments:?} leaves files that are not encrypted: {output:?}");
        output
    }

    async fn back_up(&self, data: &Path, options: &[&str]) -> CommandOutput {
        let (to, key) = (self.path("backups"), self.key.recipient());
        let arguments = ["backup", "--data", text(data), "--to", text(&to), "--encrypt-to", &key];
        self.run(&[&arguments[..], options].concat()).await
    }

    async fn restore(&self, from: &Path, identity: &str, data: &Path) -> CommandOutput {
        self.run(&["restore", "--from", text(from), "--identity", identity, "--data", text(data)]).await
    }

    fn backups(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.path("backups")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn an_encrypted_backup_under_load_is_restored() {
    let (operator, shop) = (Operator::new(), TestShop::start().await);
    let tea = shop.new_product("tea", &euros(499), 100_000).await;
    let customers = shop.new_customers(5).await;
    let ana = customers[0].sign_in_again().await;
    let load = Load::start(100, customers, vec![tea.clone()]);
    ana.wait_for_orders(5).await;
    let second_key = BackupKey::new(operator.path("second-key.txt"));
    let created = operator.back_up(shop.data(), &["--encrypt-to", &second_key.recipient()]).await;
    assert_eq!((created.code, created.stderr.as_str()), (Some(0), ""), "{created:?}");
    load.stop().await;
    let zoe = shop.new_customer().await;
    assert!(shop.stop().await.success());

    // One file, which only its owner may read.
    let [file] = &operator.backups()[..] else { panic!("{:?}", operator.backups()) };
    #[cfg(unix)]
    for (path, mode) in [(operator.path("backups"), 0o700), (file.clone(), 0o600)] {
        let permissions = fs::metadata(&path).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, mode, "{}", path.display());
    }
    let (encrypted, decrypted) = (fs::read(file).unwrap(), second_key.decrypt(file));
    for personal in [ana.email.as_bytes(), ana.id.as_bytes(), b"customer.db", b"SQLite format 3"] {
        let shown = String::from_utf8_lossy(personal);
        assert!(contains(&decrypted, personal), "the backup has no {shown}, so that the next line means nothing");
        assert!(!contains(&encrypted, personal), "{shown} is not encrypted");
    }

    // The newest backup of the folder, with the second key.
    fs::rename(shop.data(), shop.data().with_extension("old")).unwrap();
    let restored = operator.restore(&operator.path("backups"), second_key.identity(), shop.data()).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    shop.restart().await;
    // The restored shop has a new signing key. It rejects access tokens of the old one, and knows
    // the sessions.
    ana.get_profile().await.expect_unauthenticated();
    shop.client().refresh_session(&ana.refresh_token).await.expect_status(200);
    zoe.get_profile().await.expect_unauthenticated();
    shop.client().refresh_session(&zoe.refresh_token).await.expect_unauthenticated();
    shop.client().sign_in(&ana.email, PASSWORD).retry_while_busy().await.expect_status(200);
    shop.client().sign_in(&zoe.email, PASSWORD).retry_while_busy().await.expect_unauthenticated();
    let audit = shop.run_souk(&["audit"]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    shop.customer_with_order(&tea, 1).await;
}

#[tokio::test]
async fn an_encrypted_backup_contains_no_key() {
    let (operator, shop) = (Operator::new(), TestShop::start().await);
    // The shop creates the key of guest tokens with the first guest.
    shop.client().create_guest_cart().await;
    let ana = shop.new_customer().await;
    let created = operator.back_up(shop.data(), &[]).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    assert!(shop.stop().await.success());
    let archive = operator.key.decrypt(&operator.backups()[0]);
    assert!(contains(&archive, ana.id.as_bytes()), "the archive is not that of the shop");
    for key in keys_of(shop.data()) {
        let bytes = BASE64_STANDARD.decode(&key).unwrap();
        // The last 32 bytes of a signing key in PKCS#8 are the key itself.
        let secret = &bytes[bytes.len() - 32..];
        assert!(!contains(&archive, key.as_bytes()) && !contains(&archive, secret), "the backup has a key");
    }
}

#[tokio::test]
async fn a_damaged_backup_or_a_wrong_key_changes_nothing() {
    let (operator, shop) = (Operator::new(), TestShop::start().await);
    shop.new_customer().await;
    let created = operator.back_up(shop.data(), &[]).await;
    assert_eq!(created.code, Some(0), "{created:?}");
    let file = operator.backups().remove(0);
    let intact = fs::read(&file).unwrap();
    let (size, data) = (intact.len(), operator.path("data"));
    let expect_rejection = async |identity: &str, reason: &str| {
        let rejected = operator.restore(&file, identity, &data).await;
        assert!(rejected.code == Some(1) && rejected.stderr.contains(reason), "{reason}: {rejected:?}");
        assert!(!data.exists(), "{reason}: a failed restore leaves a file behind");
    };

    let other_key = BackupKey::new(operator.path("other-key.txt"));
    expect_rejection(other_key.identity(), "--identity does not open it").await;
    let public_key = operator.path("public-key.txt");
    fs::write(&public_key, operator.key.recipient()).unwrap();
    expect_rejection(text(&public_key), "has no private key").await;
    expect_rejection("/nowhere", "cannot be read").await;

    let key = operator.key.identity();
    for length in [0, 10, 150, size / 2, size - 1] {
        fs::write(&file, &intact[..length]).unwrap();
        expect_rejection(key, "nothing was changed").await;
    }
    for at in [30, 200, size / 2, size - 1] {
        let mut changed = intact.clone();
        changed[at] ^= 1;
        fs::write(&file, changed).unwrap();
        expect_rejection(key, "nothing was changed").await;
    }
    fs::write(&file, &intact).unwrap();
    let without_key = operator.run(&["restore", "--from", text(&file), "--data", text(&data)]).await;
    assert!(without_key.code == Some(1) && without_key.stderr.contains("--identity"), "{without_key:?}");
    let audit = run_souk(&["audit", "--data", text(&file)]).await;
    assert!(audit.code == Some(1) && audit.stderr.contains("souk restore --identity"), "{audit:?}");
    let into_running = operator.restore(&file, key, shop.data()).await;
    assert!(into_running.code == Some(1) && into_running.stderr.contains("is not empty"), "{into_running:?}");
    let restored = operator.restore(&file, key, &data).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
}

/// The name of a backup that is older than those of the tests.
const OLD: &str = "souk-20260101T000000Z.tar.gz.age";

#[tokio::test]
async fn a_failed_backup_deletes_no_other() {
    let (operator, shop) = (Operator::new(), TestShop::start().await);
    let first = operator.back_up(shop.data(), &["--keep", "1"]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let written = operator.backups();
    assert_eq!(written.len(), 1, "--keep 1 has deleted the new backup");
    // Another backup in the same second would have its name.
    fs::rename(&written[0], operator.path("backups").join(OLD)).unwrap();
    let before = operator.backups();
    for (arguments, reason) in [
        (["--keep", "1", "--data", "/nowhere"], "there is no shop in /nowhere"),
        (["--keep", "1", "--recipients-file", "/nowhere"], "/nowhere cannot be read"),
    ] {
        let (to, key) = (operator.path("backups"), operator.key.recipient());
        let mut all = vec!["backup", "--to", text(&to), "--encrypt-to", &key];
        if !arguments.contains(&"--data") {
            all.extend(["--data", text(shop.data())]);
        }
        all.extend(arguments);
        let failed = operator.run(&all).await;
        assert!(failed.code == Some(1) && failed.stderr.contains(reason), "{reason}: {failed:?}");
        assert_eq!(operator.backups(), before, "{reason}");
    }
    let named = operator.path("before-the-upgrade.age");
    let key = operator.key.recipient();
    let arguments = ["backup", "--data", text(shop.data()), "--encrypt-to", &key, "--to", text(&named)];
    assert_eq!(operator.run(&arguments).await.code, Some(0));
    let again = operator.run(&arguments).await;
    assert!(again.code == Some(1) && again.stderr.contains("exists"), "{again:?}");
}

#[tokio::test]
async fn a_schedule_keeps_the_newest_backups() {
    let (operator, shop) = (Operator::new(), TestShop::start().await);
    let (to, key) = (operator.path("backups"), operator.key.recipient());
    let first = operator.back_up(shop.data(), &[]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let first = operator.backups().remove(0);
    let note = to.join("note.txt");
    fs::write(&note, new_email("operator")).unwrap();
    let arguments = ["backup", "--data", text(shop.data()), "--to", text(&to), "--encrypt-to", &key];
    let options = ["--every", "1s", "--keep", "2"];
    let running = RunningCommand::start_in(&operator.path("temporary"), &[&arguments[..], &options].concat());
    wait_for(
        "the first of three backups to be deleted",
        async || {
            if first.exists() { Err("it is there") } else { Ok(()) }
        },
    )
    .await;
    running.terminate();
    // A signal ends the wait with 0, and a backup that has begun with 1.
    let ended = running.wait().await;
    let interrupted = ended.code == Some(1) && ended.stderr == "souk: interrupted\n";
    assert!(ended.code == Some(0) || interrupted, "{ended:?}");
    let kept = operator.backups();
    assert!(kept.len() == 3 && kept.contains(&note), "{kept:?}");
    let restored = operator.restore(&to, operator.key.identity(), &operator.path("data")).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");

    // A schedule that cannot back up ends, so that its supervisor shows that. It waits first, so
    // that the supervisor does not start backups without a pause.
    let nowhere = operator.path("nowhere");
    let arguments = ["backup", "--data", text(&nowhere), "--to", text(&to), "--encrypt-to", &key];
    let started = Instant::now();
    let failed = operator.run(&[&arguments[..], &["--every", "1s"]].concat()).await;
    assert!(failed.code == Some(1) && failed.stderr.contains("there is no shop in"), "{failed:?}");
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}
