//! From the bytes of a file to pixels.

use std::fmt::Display;
use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbImage};

/// The picture in red, green and blue, 8 bits each, of its own height and width; or, in words,
/// why there is none. The first bytes say what it is, not the file's name.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    // Some of the decoders' messages end their line.
    let words =
        |why: &dyn Display| why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|why| words(&why))?;
    let format = reader.format();
    reader.limits(Limits::default()); // decoding takes 512 MiB at most
    let image = reader.decode().map_err(|why| words(&why))?;
    if format == Some(ImageFormat::Jpeg) && !ends(bytes) {
        return Err(format!("its {} bytes are not all: the end of image is missing", bytes.len()));
    }
    Ok(eight_bits(image))
}

/// Whether an end-of-image marker follows the last start of a scan. The decoder shows as much
/// of a JPEG as there is and leaves the rest grey, where a network should see no picture at all.
/// Among the pixels' bytes no marker can stand: after each 0xff there comes a zero.
fn ends(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xd9) > last(0xda)
}

/// Of 16 bits the upper 8, as Pillow does; to scale and round would be 1 off in every fourth
/// pixel. Grey is copied into three channels; alpha is dropped, whatever lies behind it.
fn eight_bits(image: DynamicImage) -> RgbImage {
    use DynamicImage::{ImageLuma16, ImageLumaA16, ImageRgb16, ImageRgba16};
    match image {
        ImageLuma16(_) | ImageLumaA16(_) | ImageRgb16(_) | ImageRgba16(_) => {
            let deep = image.into_rgb16();
            RgbImage::from_fn(deep.width(), deep.height(), |x, y| {
                image::Rgb(deep.get_pixel(x, y).0.map(|value| (value >> 8) as u8))
            })
        }
        _ => image.into_rgb8(),
    }
}
