//! Names of uploaded images. `products` stores each image as JPEG in several sizes; `web` links to
//! all of them, and the browser chooses.

use std::fmt;
use std::str::FromStr;

/// The shorter side of an image in each size, in pixels, from large to small. An image that is
/// smaller keeps its size.
pub const SIZES: [u16; 3] = [1200, 600, 300];

/// The path at which `products` serves images.
const PATH: &str = "/products/images/";

/// One size of an uploaded image, named after the content of its largest size:
/// `<SHA-256 in hexadecimal>-600.jpg`. The same name always has the same content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageName {
    hash: [u8; 32],
    size: u16,
}

impl ImageName {
    /// Returns the names of all sizes of an image, in the order of [`SIZES`].
    #[must_use]
    pub fn all(hash: [u8; 32]) -> [Self; SIZES.len()] {
        SIZES.map(|size| Self { hash, size })
    }

    /// Returns the names of all sizes of the image that a product has; `None` when the image is not
    /// an uploaded one.
    #[must_use]
    pub fn all_of(path: &str) -> Option<[Self; SIZES.len()]> {
        let name: Self = path.strip_prefix(PATH)?.parse().ok()?;
        Some(Self::all(name.hash))
    }

    /// Returns the shorter side, in pixels.
    #[must_use]
    pub fn size(self) -> u16 {
        self.size
    }

    /// Returns the path of the image in the shop.
    #[must_use]
    pub fn path(self) -> String {
        format!("{PATH}{self}")
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.hash {
            write!(formatter, "{byte:02x}")?;
        }
        write!(formatter, "-{}.jpg", self.size)
    }
}

/// A text is not the name of an uploaded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnImageName;

impl FromStr for ImageName {
    type Err = NotAnImageName;

    fn from_str(text: &str) -> Result<Self, NotAnImageName> {
        let (hex, size) = text.strip_suffix(".jpg").and_then(|name| name.split_once('-')).ok_or(NotAnImageName)?;
        let size = SIZES.into_iter().find(|known| known.to_string() == size).ok_or(NotAnImageName)?;
        let is_lower_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 64 || !hex.as_bytes().iter().all(is_lower_hex) {
            return Err(NotAnImageName);
        }
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).map_err(|_| NotAnImageName)?;
        }
        Ok(Self { hash, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let hash = std::array::from_fn(|index| u8::try_from(index * 8).unwrap());
        for name in ImageName::all(hash) {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(ImageName::all_of(&name.path()), Some(ImageName::all(hash)));
        }
    }

    #[test]
    fn other_names_are_refused() {
        let hash = "0123456789abcdef".repeat(4);
        for name in [
            format!("{hash}.jpg"),
            format!("{hash}-601.jpg"),
            format!("{hash}-0600.jpg"),
            format!("{hash}-600.png"),
            format!("{}-600.jpg", hash.to_uppercase()),
            format!("{}-600.jpg", &hash[1..]),
            format!("é{}-600.jpg", &hash[2..]),
            "tea.svg".to_owned(),
            String::new(),
        ] {
            assert_eq!(name.parse::<ImageName>(), Err(NotAnImageName), "{name}");
        }
        assert_eq!(ImageName::all_of("https://cdn.example/tea.jpg"), None);
        assert_eq!(ImageName::all_of(&format!("/other/{hash}-600.jpg")), None);
    }
}
