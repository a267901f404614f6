//! A browser that takes pictures of pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use journeys::{Browser, Shop};

/// Loads the pictures below the first screen, which a browser loads when they come into view.
const LOAD_IMAGES: &str = "return Promise.all([...document.images].map(image => { image.loading = 'eager'; \
     return image.decode().catch(() => null); })).then(() => null)";

/// Waits until the page is painted in its new size and colours.
const PAINT: &str = "return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))";

/// Width of a small phone, in CSS pixels.
const NARROW: u64 = 360;
/// Width and height of a large screen, in CSS pixels. A page may be higher.
const WIDE: (u64, u64) = (1_600, 1_000);

/// The folder of the pictures, and the selection of pages.
pub(crate) struct Folder {
    path: PathBuf,
    words: Vec<String>,
    written: AtomicUsize,
}

/// A browser with a session of its own.
pub(crate) struct Camera<'f> {
    pub(crate) browser: Browser,
    folder: &'f Folder,
}

impl Folder {
    pub(crate) fn create(path: PathBuf, words: Vec<String>) -> Result<Self, String> {
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, words, written: AtomicUsize::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    fn is_selected(&self, page: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| page.contains(word))
    }

    fn write(&self, name: &str, picture: &[u8]) -> Result<(), String> {
        let file = self.path.join(format!("{name}.png"));
        fs::write(&file, picture).map_err(|error| format!("{}: {error}", file.display()))?;
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl<'f> Camera<'f> {
    pub(crate) async fn start(shop: &Shop, folder: &'f Folder) -> Self {
        Self { browser: Browser::start(shop).await, folder }
    }

    /// Opens a page and takes its pictures.
    pub(crate) async fn take(&self, name: &str, path: &str) -> Result<(), String> {
        if self.folder.is_selected(name) {
            self.browser.open(path).await;
            self.take_open_page(name).await?;
        }
        Ok(())
    }

    /// Takes pictures of the page that is open.
    pub(crate) async fn take_open_page(&self, name: &str) -> Result<(), String> {
        if !self.folder.is_selected(name) {
            return Ok(());
        }
        self.browser.evaluate(LOAD_IMAGES).await;
        // Chromium paints a table that scrolls anew after a change of its size, and not always
        // after one of colours only: each picture has another width than the one before.
        for colours in ["light", "dark"] {
            self.browser.emulate_dark(colours == "dark").await;
            for width in ["narrow", "wide"] {
                match width {
                    "narrow" => self.browser.emulate_phone(NARROW).await,
                    _ => self.browser.emulate_screen(WIDE.0, WIDE.1).await,
                }
                self.browser.evaluate(PAINT).await;
                let picture = self.browser.screenshot().await;
                self.folder.write(&format!("{name}-{width}-{colours}"), &picture)?;
            }
        }
        Ok(())
    }
}
