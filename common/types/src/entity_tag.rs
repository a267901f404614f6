//! Entity tags and the preconditions that clients form with them (RFC 9110, sections 8.8.3 and
//! 13.1).

use std::fmt;

use crate::{Error, Result};

/// An entity tag: `"3"`, or `W/"3"` for a weak one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityTag {
    is_weak: bool,
    opaque: String,
}

impl EntityTag {
    /// Returns a strong tag: of a version, or of whatever else identifies a representation and has
    /// no quotes, spaces and control characters.
    #[must_use]
    pub fn strong(opaque: impl fmt::Display) -> Self {
        let opaque = opaque.to_string();
        debug_assert!(opaque.chars().all(is_opaque), "{opaque:?} in an entity tag");
        Self { is_weak: false, opaque }
    }

    /// Returns a weak tag: of the content, whatever its coding.
    #[must_use]
    pub fn weak(opaque: impl fmt::Display) -> Self {
        Self { is_weak: true, ..Self::strong(opaque) }
    }

    /// Reads a tag at the start of `text`, and returns it with the rest.
    fn read(text: &str) -> Option<(Self, &str)> {
        let (is_weak, quoted) = text.strip_prefix("W/").map_or((false, text), |quoted| (true, quoted));
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        opaque.chars().all(is_opaque).then(|| (Self { is_weak, opaque: opaque.to_owned() }, rest))
    }
}

fn is_opaque(c: char) -> bool {
    !c.is_ascii_control() && c != ' ' && c != '"'
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.opaque)
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: every representation that exists.
    Any,
    /// One or more tags.
    List(Vec<EntityTag>),
}

impl EntityTags {
    /// Reads the value of a header; `None` when it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim_matches(WHITESPACE) == "*" {
            return Some(Self::Any);
        }
        let (mut tags, mut rest) = (Vec::new(), text);
        loop {
            // A list may have empty elements (RFC 9110, section 5.6.1.2).
            rest = rest.trim_start_matches(|c| c == ',' || WHITESPACE.contains(&c));
            if rest.is_empty() {
                break;
            }
            let (tag, after) = EntityTag::read(rest)?;
            rest = after.trim_start_matches(WHITESPACE);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
            tags.push(tag);
        }
        (!tags.is_empty()).then_some(Self::List(tags))
    }

    /// Evaluates `If-None-Match`: whether the client has the representation with the tag `current`.
    /// Weak tags match as well (RFC 9110, section 13.1.2).
    #[must_use]
    pub fn contain(&self, current: &EntityTag) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => tags.iter().any(|tag| tag.opaque == current.opaque),
        }
    }
}

/// The precondition of a change: the value of `If-Match`, if the client sent one.
#[derive(Debug, Clone, Default)]
pub struct Precondition(Option<EntityTags>);

impl Precondition {
    /// Returns the precondition of a request, or none.
    #[must_use]
    pub fn new(if_match: Option<EntityTags>) -> Self {
        Self(if_match)
    }

    /// Checks that the tags of the client include the current one, if the client sent some. Weak
    /// tags never match (RFC 9110, section 13.1.1). `is_current` compares the text in the quotes.
    ///
    /// # Errors
    /// `precondition-failed`; the caller adds the current state.
    pub fn check(&self, is_current: impl Fn(&str) -> bool) -> Result<()> {
        let holds = match &self.0 {
            None | Some(EntityTags::Any) => true,
            Some(EntityTags::List(tags)) => tags.iter().any(|tag| !tag.is_weak && is_current(&tag.opaque)),
        };
        if holds { Ok(()) } else { Err(Error::precondition_failed()) }
    }

    /// Like [`Precondition::check`], for a change that would overwrite unseen changes.
    ///
    /// # Errors
    /// `precondition-required` when the client sent no `If-Match`, else `precondition-failed`.
    pub fn require(&self, is_current: impl Fn(&str) -> bool) -> Result<()> {
        if self.0.is_none() { Err(Error::precondition_required()) } else { self.check(is_current) }
    }
}

const WHITESPACE: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn tags(text: &str) -> Option<Vec<String>> {
        match EntityTags::parse(text)? {
            EntityTags::Any => Some(vec!["*".to_owned()]),
            EntityTags::List(tags) => Some(tags.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_header_is_a_star_or_a_list_of_tags() {
        for (text, expected) in [
            ("*", &["*"] as &[&str]),
            ("\t* ", &["*"]),
            ("\"3\"", &["\"3\""]),
            ("W/\"3\"", &["W/\"3\""]),
            ("\"\"", &["\"\""]),
            ("\"a,b\" ,\t\"c\"", &["\"a,b\"", "\"c\""]),
            ("\"3\",\"4\"", &["\"3\"", "\"4\""]),
            (" , \"3\", , W/\"4\",", &["\"3\"", "W/\"4\""]),
            ("\"*\"", &["\"*\""]),
            ("\"\\\"", &["\"\\\""]),
            ("\"é\"", &["\"é\""]),
        ] {
            assert_eq!(tags(text).unwrap(), expected, "{text}");
        }
        for malformed in [
            "",
            " ",
            ",",
            "3",
            "\"3",
            "3\"",
            "'3'",
            "\"3\" \"4\"",
            "\"3\"\"4\"",
            "\"3\"x",
            "w/\"3\"",
            "W/3",
            "W/ \"3\"",
            "W/*",
            "*, \"3\"",
            "\"3\", *",
            "**",
            "\"a b\"",
            "\"a\u{7f}\"",
            "\"a\tb\"",
            "\"3\"; \"4\"",
        ] {
            assert_eq!(tags(malformed), None, "{malformed:?}");
        }
    }

    #[test]
    fn only_strong_tags_allow_a_change() {
        let current = EntityTag::strong(3);
        for (text, allows, contains) in [
            ("*", true, true),
            ("\"3\"", true, true),
            ("\"2\", \"3\"", true, true),
            ("W/\"3\"", false, true),
            ("W/\"3\", \"3\"", true, true),
            ("\"2\"", false, false),
            ("\"03\"", false, false),
        ] {
            let tags = EntityTags::parse(text).unwrap();
            assert_eq!(tags.contain(&current), contains, "{text}");
            let precondition = Precondition::new(Some(tags));
            assert_eq!(precondition.check(|tag| tag == "3").is_ok(), allows, "{text}");
            let required = precondition.require(|tag| tag == "3").map_err(|error| error.kind());
            assert_eq!(required, if allows { Ok(()) } else { Err(ErrorKind::PreconditionFailed) }, "{text}");
        }
    }

    #[test]
    fn without_tags_a_change_passes_unless_they_are_required() {
        let none = Precondition::default();
        assert!(none.check(|_| false).is_ok());
        assert_eq!(none.require(|_| true).unwrap_err().kind(), ErrorKind::PreconditionRequired);
    }
}
