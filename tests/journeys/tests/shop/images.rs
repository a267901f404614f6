//! A merchant uploads photos, and visitors get copies that fit their screens.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{GenericImageView, ImageEncoder, Rgb, RgbImage};
use journeys::{Response, Shop, euros, product_json, unique};
use reqwest::Method;
use serde_json::json;

/// EXIF with a text that must not be published, such as the place of the photo.
const EXIF: &[u8] = b"II*\0\x08\0\0\0\x01\0\x3b\x01\x02\0\x07\0\0\0\x1a\0\0\0\0\0\0\0SECRET\0";

/// A photo of which no other test has the content.
fn photo(width: u32, height: u32) -> Vec<u8> {
    let tints = unique("").into_bytes();
    let part = |value: u32| u8::try_from(value % 256).unwrap();
    // Each tint has a block of its own, which the JPEG keeps.
    let tint = |x: u32, y: u32| tints[((x / 16 + y / 16) as usize) % tints.len()];
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([part(x / 8), part(y / 8), tint(x, y)]));
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 85);
    encoder.set_exif_metadata(EXIF.to_vec()).unwrap();
    encoder.encode_image(&image).unwrap();
    file
}

fn png() -> Vec<u8> {
    let mut file = Vec::new();
    RgbImage::new(8, 8).write_with_encoder(PngEncoder::new(&mut file)).unwrap();
    file
}

/// Returns the path of another size of an uploaded image.
fn of_size(image: &str, size: u16) -> String {
    image.replace("-1200.jpg", &format!("-{size}.jpg"))
}

fn path(uploaded: &Response) -> String {
    uploaded["image"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_uploaded_image_is_served_in_three_sizes_without_metadata() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let photo = photo(1600, 1200);
    assert!(photo.windows(6).any(|bytes| bytes == b"SECRET"));
    let uploaded = admin.upload_image(photo.clone()).await.expect_status(201);
    assert_eq!((&uploaded["width"], &uploaded["height"]), (&json!(1600), &json!(1200)));
    let image = path(&uploaded);
    assert_eq!(uploaded.header("Location"), image);
    for (size, dimensions) in [(1200, (1600, 1200)), (600, (800, 600)), (300, (400, 300))] {
        let served = shop.client().get(&of_size(&image, size)).await.expect_status(200);
        assert_eq!(served.header("Content-Type"), "image/jpeg");
        assert_eq!(served.header("Cache-Control"), "public, max-age=31536000, immutable");
        assert_eq!(image::load_from_memory(&served.bytes).unwrap().dimensions(), dimensions);
        assert!(!served.bytes.windows(4).any(|bytes| bytes == b"SECR" || bytes == b"Exif"));
    }
    assert_eq!(path(&admin.upload_image(photo).await.expect_status(201)), image, "the same file has the same path");
    shop.client().get(&of_size(&image, 100)).await.expect_not_found();
    shop.client().get(&image.replace(&image[17..25], "00000000")).await.expect_not_found();
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let shop = Shop::shared().await;
    let admin = shop.admin().await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
    for (file, status, code) in [
        (svg, 422, "image-format"),
        (b"GIF89a".to_vec(), 422, "image-format"),
        (png()[..40].to_vec(), 422, "image-format"),
        (Vec::new(), 400, "malformed"),
        (vec![0; 8 * 1024 * 1024 + 1], 413, "too-large"),
    ] {
        admin.upload_image(file).await.expect_problem(status, code);
    }
}

#[tokio::test]
async fn only_staff_upload_images() {
    let shop = Shop::shared().await;
    let (client, customer) = (shop.client(), shop.new_customer().await);
    client.request(Method::POST, "/products/images").body(png()).await.expect_unauthenticated();
    customer.request(Method::POST, "/products/images").body(png()).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_merchant_gives_a_product_a_picture_and_takes_it_away() {
    let shop = Shop::shared().await;
    let (admin, visitor) = (shop.admin().await, shop.admin_visitor().await);
    let product = admin.create_product(product_json("tea", &euros(499), 3)).await.expect_status(201);
    let id = product.id();
    let page = visitor.open(&format!("/en/admin/products/{id}")).await.expect_status(200);
    let page = visitor.send_form(&page.form("/image").choose(photo(900, 900))).await.expect_status(200);
    let page = page.expect_text("Saved.").expect_text("Replace the picture");
    let image = path(&shop.client().get(&format!("/products/{id}")).await.expect_status(200));
    assert!(page.html().contains(&format!("src=\"{image}\"")));
    let in_shop = shop.visitor().open(&format!("/en/p/{id}")).await.expect_status(200);
    for size in [1200, 600, 300] {
        assert!(in_shop.html().contains(&format!("{} {size}w", of_size(&image, size))), "{in_shop}");
    }
    shop.client().get(&image).await.expect_status(200);

    let refused = visitor.send_form(&page.form("/image").choose("no picture")).await.expect_status(422);
    refused.expect_text("This is not a JPEG, PNG or WebP picture");
    visitor.send_form(&page.form("/image")).await.expect_status(422).expect_text("Choose a file first.");
    let too_large = visitor.send_form(&page.form("/image").choose(vec![0; 8 * 1024 * 1024 + 1])).await;
    too_large.expect_status(413).expect_text("The file is larger than 8 MB.");
    let forged = page.form("/image").choose(photo(90, 90)).forge("csrf", "forged");
    visitor.send_form(&forged).await.expect_status(403);
    assert_eq!(path(&shop.client().get(&format!("/products/{id}")).await), image, "nothing has changed");

    let form = page.form("/image/link").set("image", "no address");
    let refused = visitor.send_form(&form).await.expect_status(422);
    assert_eq!(
        (refused.invalid_fields(), refused.form("/link").value("image")),
        (vec!["image".to_owned()], "no address")
    );
    let form = page.form("/image/link").set("image", "https://cdn.example/tea.jpg");
    let linked = visitor.send_form(&form).await.expect_status(200).expect_text("Saved.");
    assert_eq!(linked.form("/link").value("image"), "https://cdn.example/tea.jpg");
    let page = visitor.send_form(&linked.form("/image").choose(photo(80, 60))).await.expect_status(200);
    let image = path(&shop.client().get(&format!("/products/{id}")).await);
    assert_eq!(page.form("/link").value("image"), "", "the address of an upload is of no use to people");

    // The other fields keep the image.
    let form = page.form(&format!("/products/{id}")).set("name", &unique("tea"));
    visitor.send_form(&form).await.expect_status(200).expect_text("Saved.");
    assert_eq!(path(&shop.client().get(&format!("/products/{id}")).await), image);
    visitor.send_form(&page.form("/image/remove")).await.expect_status(200).expect_text("Saved.");
    assert_eq!(shop.client().get(&format!("/products/{id}")).await["image"], json!(null));
    // Orders and mails may still show it.
    shop.client().get(&image).await.expect_status(200);
}
