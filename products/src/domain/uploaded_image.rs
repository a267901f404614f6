//! An image that staff have uploaded: decoded, turned upright, without metadata such as the place
//! where a photo was taken, and encoded as JPEG in several sizes.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, Pixel, Rgb, RgbImage,
};
use sha2::{Digest, Sha256};
use souk_contract::image::{ImageName, SIZES};
use souk_types::{Error, Result};

/// Most pixels. The largest photos of phones have 24 million; a file of a few kilobytes can claim
/// billions.
const MAX_PIXELS: u64 = 25_000_000;
/// Most bytes of a decoded image: 4 for each pixel, or 8 for a smaller image of 16 bits a colour. A
/// progressive JPEG takes three times as much while it is decoded.
const MAX_DECODED: u64 = 100_000_000;
/// Of 100. Artefacts are not visible on pages, and a size of 640 pixels has about 60 kB.
const JPEG_QUALITY: u8 = 85;
/// The largest colour profile that is kept, in bytes. Those of cameras have less than 4 kB.
const MAX_PROFILE: usize = 64 * 1024;

/// An image in all sizes.
pub(crate) struct UploadedImage {
    /// From large to small.
    pub(crate) sizes: [(ImageName, Vec<u8>); SIZES.len()],
    /// Of the largest size, in pixels.
    pub(crate) width: u32,
    /// Of the largest size, in pixels.
    pub(crate) height: u32,
}

impl UploadedImage {
    /// Reads a JPEG, PNG or WebP file; the content decides, not a name or a header. Of an animation
    /// it takes the first image. This takes about a second of a processor for a large photo.
    ///
    /// Errors: `image-format` for another format, or a file that is damaged; `image-too-large` for
    /// more than 25 million pixels, or 12 million of 16 bits a colour.
    pub(crate) fn read(file: &[u8]) -> Result<Self> {
        let (image, profile) = decode(file)?;
        let largest = fit(image, SIZES[0]);
        let (width, height) = largest.dimensions();
        let mut smaller = largest;
        let mut encoded = Vec::with_capacity(SIZES.len());
        for size in SIZES {
            smaller = fit(smaller, size);
            encoded.push(encode(&on_white(&smaller), profile.as_deref())?);
        }
        let names = ImageName::all(Sha256::digest(&encoded[0]).into());
        let mut encoded = encoded.into_iter();
        let sizes = names.map(|name| (name, encoded.next().unwrap_or_default()));
        Ok(Self { sizes, width, height })
    }
}

/// Returns the upright image, and its colour profile.
fn decode(file: &[u8]) -> Result<(DynamicImage, Option<Vec<u8>>)> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(Error::internal)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
        return Err(Error::unprocessable("image-format", "The file is not a JPEG, PNG or WebP image."));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * MAX_DECODED);
    reader.limits(limits);
    let damaged = |error| Error::unprocessable("image-format", "The image is damaged.").caused_by(error);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_DECODED {
        let detail = format!(
            "The image has {width} x {height} pixels; at most 25 million are accepted, or 12 million of 16 bits a colour."
        );
        return Err(Error::unprocessable("image-too-large", detail));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let profile = decoder.icc_profile().map_err(damaged)?.filter(|profile| is_of_rgb(profile));
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    Ok((image, profile))
}

/// Whether a colour profile is for RGB: bytes 16 to 19 of its header name the colour space (ICC.1,
/// section 7.2). That of a grey image would spoil the JPEG, which always has three colours.
fn is_of_rgb(profile: &[u8]) -> bool {
    profile.len() <= MAX_PROFILE && profile.get(16..20) == Some(b"RGB ")
}

/// Makes an image smaller until its shorter side has at most `size` pixels, because pages show it
/// in a square that it covers, and its longer side at most three times as many.
fn fit(image: DynamicImage, size: u16) -> DynamicImage {
    let size = u32::from(size);
    let (width, height) = image.dimensions();
    let (shorter, longer) = (width.min(height), width.max(height));
    if shorter <= size && longer <= 3 * size {
        return image;
    }
    // The longer side decides, because the image keeps its proportions within a square.
    let wanted = u64::from(longer) * u64::from(size) / u64::from(shorter.max(1));
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(size, 3 * size);
    // Averaging is fast and takes no memory; the good filter then has four pixels for each new one.
    let image = if longer > 2 * wanted { image.thumbnail(2 * wanted, 2 * wanted) } else { image };
    image.resize(wanted, wanted, FilterType::CatmullRom)
}

/// Returns the image without transparency.
fn on_white(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let mut opaque = RgbImage::from_pixel(image.width(), image.height(), Rgb([255; 3]));
    for (target, pixel) in opaque.pixels_mut().zip(image.to_rgba8().pixels()) {
        let mut blended = target.to_rgba();
        blended.blend(pixel);
        *target = blended.to_rgb();
    }
    opaque
}

fn encode(image: &RgbImage, profile: Option<&[u8]>) -> Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile.to_vec()).map_err(Error::internal)?;
    }
    encoder.encode_image(image).map_err(Error::internal)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use image::codecs::png::PngEncoder;
    use image::codecs::webp::WebPEncoder;
    use image::{ExtendedColorType, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    const RED: Rgb<u8> = Rgb([220, 20, 20]);
    const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

    /// The left half is red, the right half is blue.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE })
    }

    fn jpeg(image: &RgbImage, exif: Option<Vec<u8>>, profile: Option<Vec<u8>>) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut file, 90);
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif).unwrap();
        }
        if let Some(profile) = profile {
            encoder.set_icc_profile(profile).unwrap();
        }
        encoder.encode_image(image).unwrap();
        file
    }

    fn png(image: &DynamicImage) -> Vec<u8> {
        let mut file = Vec::new();
        image.write_with_encoder(PngEncoder::new(&mut file)).unwrap();
        file
    }

    /// EXIF with the orientation, and a text that must not be published.
    fn exif(orientation: u8) -> Vec<u8> {
        let header = b"II*\0\x08\0\0\0\x02\0".to_vec();
        let orientation = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
        let artist = [0x3b, 0x01, 2, 0, 7, 0, 0, 0, 38, 0, 0, 0];
        [header, orientation.to_vec(), artist.to_vec(), vec![0; 4], b"SECRET\0".to_vec()].concat()
    }

    fn decoded(uploaded: &UploadedImage) -> Vec<RgbImage> {
        let decode = |(_, jpeg): &(ImageName, Vec<u8>)| image::load_from_memory(jpeg).unwrap().to_rgb8();
        uploaded.sizes.iter().map(decode).collect()
    }

    fn is_near(pixel: Rgb<u8>, expected: Rgb<u8>) -> bool {
        pixel.0.iter().zip(expected.0).all(|(given, expected)| given.abs_diff(expected) < 12)
    }

    fn code(file: &[u8]) -> String {
        UploadedImage::read(file).map_or_else(|error| error.code().to_owned(), |_| "none".to_owned())
    }

    #[test]
    fn an_image_has_three_sizes_that_keep_its_proportions() {
        for (width, height, expected) in [
            (2_800, 1_400, [(2_400, 1_200), (1_200, 600), (600, 300)]),
            (1_500, 3_000, [(1_200, 2_400), (600, 1_200), (300, 600)]),
            (3_700, 37, [(3_600, 36), (1_800, 18), (900, 9)]),
            // A small image is not made larger.
            (400, 320, [(400, 320), (400, 320), (375, 300)]),
            (1, 1, [(1, 1), (1, 1), (1, 1)]),
        ] {
            let uploaded = UploadedImage::read(&jpeg(&picture(width, height), None, None)).unwrap();
            let sizes: Vec<(u32, u32)> = decoded(&uploaded).iter().map(RgbImage::dimensions).collect();
            assert_eq!(sizes, expected, "{width} x {height}");
            assert_eq!((uploaded.width, uploaded.height), expected[0]);
            let names = uploaded.sizes.each_ref().map(|(name, _)| name.size());
            assert_eq!(names, SIZES);
        }
    }

    #[test]
    fn a_photo_is_turned_upright_and_tells_nothing_else() {
        let file = jpeg(&picture(200, 100), Some(exif(6)), None);
        assert!(file.windows(6).any(|bytes| bytes == b"SECRET"));
        let uploaded = UploadedImage::read(&file).unwrap();
        for (_, jpeg) in &uploaded.sizes {
            assert!(!jpeg.windows(4).any(|bytes| bytes == b"Exif" || bytes == b"SECR"));
        }
        let image = &decoded(&uploaded)[0];
        assert_eq!(image.dimensions(), (100, 200), "turned by a quarter");
        assert!(is_near(*image.get_pixel(50, 20), RED) && is_near(*image.get_pixel(50, 180), BLUE));
    }

    #[test]
    fn a_transparent_image_is_shown_on_white() {
        let transparent = Rgba([220, 20, 20, 0]);
        let image = RgbaImage::from_fn(64, 64, |x, _| if x < 32 { transparent } else { Rgba([20, 20, 220, 255]) });
        let mut webp = Vec::new();
        WebPEncoder::new_lossless(&mut webp).encode(image.as_raw(), 64, 64, ExtendedColorType::Rgba8).unwrap();
        for file in [png(&image.into()), webp] {
            let image = &decoded(&UploadedImage::read(&file).unwrap())[0];
            assert!(is_near(*image.get_pixel(8, 32), Rgb([255; 3])) && is_near(*image.get_pixel(56, 32), BLUE));
        }
    }

    #[test]
    fn the_profile_of_colours_stays_unless_it_is_for_grey() {
        let profile = |space: &[u8]| [&[0; 16], space, &[0; 108]].concat();
        for (space, stays) in [(b"RGB ", true), (b"GRAY", false)] {
            let file = jpeg(&picture(32, 32), None, Some(profile(space)));
            let uploaded = UploadedImage::read(&file).unwrap();
            let has_profile = uploaded.sizes[2].1.windows(11).any(|bytes| bytes == b"ICC_PROFILE");
            assert_eq!(has_profile, stays, "{}", String::from_utf8_lossy(space));
        }
    }

    #[test]
    fn the_same_file_has_the_same_name() {
        let name = |image: &RgbImage| UploadedImage::read(&jpeg(image, None, None)).unwrap().sizes[0].0;
        assert_eq!(name(&picture(64, 64)), name(&picture(64, 64)));
        assert_ne!(name(&picture(64, 64)), name(&picture(64, 65)));
    }

    #[test]
    fn other_files_are_refused() {
        let png = png(&picture(64, 64).into());
        for (file, expected) in [
            (&b""[..], "image-format"),
            (b"GIF89a\x01\0\x01\0\0\0\0;", "image-format"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "image-format"),
            (b"\xff\xd8\xff", "image-format"),
            (&png[..png.len() / 2], "image-format"),
        ] {
            assert_eq!(code(file), expected, "{}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn an_image_that_claims_too_many_pixels_is_not_decoded() {
        let small = jpeg(&picture(16, 16), None, None);
        // The frame header (ITU-T T.81, B.2.2): marker, length, precision, lines, columns.
        let frame = small.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
        for (width, height) in [(5_001_u16, 5_000_u16), (u16::MAX, u16::MAX)] {
            let mut file = small.clone();
            file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
            file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
            assert_eq!(code(&file), "image-too-large", "{width} x {height}");
        }
    }

    proptest! {
        #![proptest_config(mutations::config())]

        #[test]
        fn any_bytes_are_an_image_or_an_error(file in mutations::bytes(&[
            &jpeg(&picture(24, 16), Some(exif(6)), None),
            &png(&picture(24, 16).into()),
        ])) {
            if let Ok(uploaded) = UploadedImage::read(&file) {
                prop_assert!(uploaded.width.max(uploaded.height) <= 3 * u32::from(SIZES[0]));
                prop_assert!(uploaded.sizes.iter().all(|(_, jpeg)| jpeg.starts_with(&[0xff, 0xd8])));
            }
        }
    }
}
