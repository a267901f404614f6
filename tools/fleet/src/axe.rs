//! axe-core from npm (<https://github.com/dequelabs/axe-core>): a script that looks for barriers in
//! a page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::cache;
use crate::error::{Error, Result};

const VERSION: &str = "4.14.1";
/// The checksum of the package, which npm compares.
const INTEGRITY: &str =
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

/// The script axe-core.
pub struct Axe;

impl Axe {
    /// Fetches the script if necessary.
    pub fn ensure_installed() -> Result<()> {
        installed().map(drop)
    }

    /// Returns the text of the script, which defines `axe` in a page.
    pub fn script() -> Result<String> {
        let file = installed()?.join("axe.min.js");
        fs::read_to_string(&file).map_err(Error::context(file.display()))
    }
}

fn installed() -> Result<PathBuf> {
    cache::folder(&format!("axe-core-{VERSION}"), fetch)
        .map_err(|why| Error::Missing { what: "axe-core", help: format!("{why}; npm needs access to its registry") })
}

/// A lock file has the checksum, so npm installs this package or fails.
fn fetch(draft: &Path) -> std::result::Result<PathBuf, String> {
    let dependencies = json!({"axe-core": VERSION});
    let package = json!({"name": "pages", "version": "1.0.0", "private": true, "dependencies": dependencies});
    let lock = json!({
        "name": "pages",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "pages", "version": "1.0.0", "dependencies": dependencies},
            "node_modules/axe-core": {"version": VERSION, "integrity": INTEGRITY},
        },
    });
    for (name, content) in [("package.json", package), ("package-lock.json", lock)] {
        fs::write(draft.join(name), content.to_string()).map_err(|error| error.to_string())?;
    }
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    cache::run(Command::new("npm").args(arguments).current_dir(draft))?;
    Ok(draft.join("node_modules/axe-core"))
}
