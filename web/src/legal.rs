//! The legal pages of the shop: Markdown files of the operator's (`LEGAL_PAGES`), or samples.

use std::collections::HashMap;
use std::path::Path;

use include_dir::{Dir, include_dir};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::locale::{Key, Language};

static SAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/legal");

/// A legal page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LegalPage {
    Terms,
    Privacy,
    Returns,
    Imprint,
}

impl LegalPage {
    /// All legal pages, as the footer lists them.
    pub(crate) const ALL: [Self; 4] = [Self::Terms, Self::Privacy, Self::Returns, Self::Imprint];

    /// Returns the name of its file and the end of its URL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Terms => "terms",
            Self::Privacy => "privacy",
            Self::Returns => "returns",
            Self::Imprint => "imprint",
        }
    }

    /// Returns its title.
    pub(crate) const fn title(self) -> Key {
        match self {
            Self::Terms => Key("legal-terms"),
            Self::Privacy => Key("legal-privacy"),
            Self::Returns => Key("legal-returns"),
            Self::Imprint => Key("legal-imprint"),
        }
    }

    /// Returns the page of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.name() == name)
    }
}

/// The legal pages in all languages, as HTML.
pub(crate) struct LegalPages(HashMap<(Language, LegalPage), Content>);

/// The content of a legal page.
pub(crate) struct Content {
    pub(crate) html: String,
    /// Whether it is a sample, which a shop must replace.
    pub(crate) is_sample: bool,
}

impl Content {
    fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Ok(Self { html: to_html(&text), is_sample: false })
    }

    fn sample(path: &str) -> Self {
        let text = SAMPLES.get_file(path).and_then(include_dir::File::contents_utf8);
        Self { html: to_html(text.unwrap_or_default()), is_sample: true }
    }
}

impl LegalPages {
    /// Reads `{folder}/{language}/{page}.md`. A page that the folder lacks is a sample.
    ///
    /// Errors: the folder does not exist, or a file cannot be read.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Self, String> {
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(format!("{} is not a folder", folder.display()));
        }
        let mut pages = HashMap::new();
        for language in Language::ALL {
            for page in LegalPage::ALL {
                let path = format!("{}/{}.md", language.tag(), page.name());
                let own = folder.map(|folder| folder.join(&path)).filter(|file| file.exists());
                let content = match own {
                    Some(file) => Content::read(&file)?,
                    None => Content::sample(&path),
                };
                pages.insert((language, page), content);
            }
        }
        Ok(Self(pages))
    }

    /// Returns a page.
    pub(crate) fn get(&self, language: Language, page: LegalPage) -> Option<&Content> {
        self.0.get(&(language, page))
    }
}

/// Converts Markdown. HTML in it is shown as text. Its headings are one level lower, because the
/// page has a title of its own.
fn to_html(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Event::Start(Tag::Heading { level: lower(level), id, classes, attrs })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
        other => other,
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    text
}

/// Returns the heading level below.
fn lower(level: HeadingLevel) -> HeadingLevel {
    HeadingLevel::try_from(level as usize + 1).unwrap_or(HeadingLevel::H6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_legal_page_has_a_sample_in_every_language() {
        let pages = LegalPages::load(None).unwrap();
        for language in Language::ALL {
            for page in LegalPage::ALL {
                let content = pages.get(language, page).unwrap();
                assert!(content.is_sample && content.html.contains("<h2>"), "{} {page:?}", language.tag());
            }
        }
    }

    #[test]
    fn markdown_cannot_bring_html() {
        let html = to_html("# Title\n\n<script>alert(1)</script>\n\nA *word* <b>x</b>");
        assert!(html.contains("<h2>Title</h2>") && html.contains("<em>word</em>"), "{html}");
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }
}
