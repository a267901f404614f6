//! Style sheets, scripts and pictures of the pages, embedded in the program. The URL of a file
//! has the hash of its content, so browsers keep it for ever.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};
use rocket::http::ContentType;
use sha2::{Digest, Sha256};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets");

/// The style sheet of the storefront: the files of `assets/css`, in this order. Tokens come first.
const SHOP_CSS: [&str; 8] = ["tokens", "base", "layout", "forms", "catalogue", "cart", "checkout", "account"];

/// The style sheet of the admin pages, which comes after that of the storefront.
const ADMIN_CSS: [&str; 2] = ["admin", "admin-lists"];

/// The scripts of the storefront. Each page names those that improve it.
const SCRIPTS: [&str; 7] = ["shop.js", "checkout.js", "order.js", "pay.js", "account.js", "passkey.js", "system.js"];

static ASSETS: LazyLock<HashMap<&'static str, Asset>> = LazyLock::new(|| {
    let css = |names: &[&str]| -> Vec<u8> {
        names.iter().flat_map(|name| file(&format!("css/{name}.css"))).copied().collect()
    };
    let assets = [
        Asset::new("shop.css", ContentType::CSS, css(&SHOP_CSS)),
        Asset::new("admin.css", ContentType::CSS, css(&ADMIN_CSS)),
        Asset::new("icon.svg", ContentType::SVG, file("icon.svg").to_vec()),
    ];
    let scripts = SCRIPTS.map(|name| Asset::new(name, ContentType::JavaScript, file(name).to_vec()));
    assets.into_iter().chain(scripts).map(|asset| (asset.name, asset)).collect()
});

/// An embedded file.
pub(crate) struct Asset {
    name: &'static str,
    /// The URL: `/assets/0f3a.../shop.css`.
    path: String,
    pub(crate) content_type: ContentType,
    pub(crate) content: Vec<u8>,
}

impl Asset {
    fn new(name: &'static str, content_type: ContentType, content: Vec<u8>) -> Self {
        let hash = Sha256::digest(&content);
        let hash = hash.iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { name, path: format!("/assets/{hash}/{name}"), content_type, content }
    }
}

/// Returns the URL of a file; that of a missing one leads nowhere, and a test finds it.
pub(crate) fn path(name: &str) -> &'static str {
    ASSETS.get(name).map_or("/assets/missing", |asset| &asset.path)
}

/// Returns the file of this name, and whether `hash` is that of its content. During an upgrade, an
/// instance is asked for the files of another release.
pub(crate) fn named(hash: &str, name: &str) -> Option<(&'static Asset, bool)> {
    ASSETS.get(name).map(|asset| (asset, asset.path == format!("/assets/{hash}/{name}")))
}

fn file(path: &str) -> &'static [u8] {
    FILES.get_file(path).map_or(&[], include_dir::File::contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_exists_at_its_address() {
        for name in ["shop.css", "admin.css", "icon.svg"].into_iter().chain(SCRIPTS) {
            let [_, _, hash, file] = path(name).split('/').collect::<Vec<_>>()[..] else { panic!("{name}") };
            assert!(named(hash, file).is_some_and(|(asset, is_own)| is_own && !asset.content.is_empty()), "{name}");
            assert!(named("0", file).is_some_and(|(_, is_own)| !is_own), "{name}");
        }
        assert!(named("0", "missing.css").is_none());
        for name in SHOP_CSS.into_iter().chain(ADMIN_CSS) {
            assert!(!file(&format!("css/{name}.css")).is_empty(), "{name}");
        }
    }
}
