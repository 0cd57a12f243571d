//! Reads a network's input: a photograph, or an array from a `.npy` file.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbImage};
use ndarray::{Array3, Array4};
use triform_checkpoint::{Dtype, Npy};

use crate::error::{Error, Result};
use triform::network::image::{SHORTER_SIDE, prepare};

/// The largest file that is read. A picture that decodes within 512 MiB has a smaller file.
const MAX_BYTES: u64 = 512 << 20;

/// A cat: `chelsea.png` of scikit-image, cropped to 224 x 224. CC0, by Stefan van
/// der Walt.
const CHELSEA: &[u8] = include_bytes!("../../../assets/chelsea.png");

/// The photograph that comes with the program, `assets/chelsea.png`, as [`read`] would return it.
pub fn photograph() -> Result<Array3<u8>> {
    prepared(CHELSEA, SHORTER_SIDE, Path::new("assets/chelsea.png"))
}

/// Reads a JPEG or PNG file for [`normalise`](triform::network::image::normalise). The shorter side is scaled to
/// [`SHORTER_SIDE`], bilinear and antialiased, even if the image already has 224 x 224 pixels. Then the middle 224 x
/// 224 is cropped.
///
/// For a PNG, the result equals, byte for byte, what torchvision's transform makes of
/// `PIL.Image.open(path).convert("RGB")`, with two exceptions. First, a shrunk picture that is more than twice as tall
/// as wide matches Pillow 12, but differs from Pillow 13 by up to 1 of 255. Second, 16-bit grey keeps its upper 8 bits
/// here, whereas Pillow turns every value from 255 up into white. A JPEG may be off by a few of 255, since the standard
/// leaves decoders some freedom. `tests/program/images.rs` says by how much. As in torchvision, alpha is dropped, and
/// the colour profile, gamma and orientation (EXIF) are ignored.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe; [`Error::Io`]; [`Error::Image`] for a file that
/// is neither JPEG nor PNG, is truncated or damaged, or takes more than 512 MiB to decode.
pub fn read(path: &Path) -> Result<Array3<u8>> {
    read_scaled(path, SHORTER_SIDE)
}

/// Like [`read`], but scales the shorter side to `shorter_side`.
///
/// # Errors
///
/// The errors of [`read`]; [`triform::Error::Side`] for a side that [`prepare`] does not accept.
pub fn read_scaled(path: &Path, shorter_side: u32) -> Result<Array3<u8>> {
    let bytes = whole(path, MAX_BYTES, |why| Error::Image { path: path.to_owned(), why })?;
    prepared(&bytes, shorter_side, path)
}

/// The contents of a regular file. `too_long` makes the error for a file of more than `most` bytes.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe; [`Error::Io`].
pub(crate) fn whole(
    path: &Path,
    most: u64,
    too_long: impl FnOnce(String) -> Error,
) -> Result<Vec<u8>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    // A pipe is not opened: that would wait for a writer that may never come.
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), found });
    }
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length > most {
        return Err(too_long(format!("it has {length} bytes; the limit is {most}")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

fn prepared(bytes: &[u8], shorter_side: u32, path: &Path) -> Result<Array3<u8>> {
    let wrong = |why| Error::Image { path: path.to_owned(), why };
    let image = decode(bytes).map_err(wrong)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = Array3::from_shape_vec((height, width, 3), image.into_raw());
    let pixels = pixels.map_err(|error| wrong(error.to_string()))?;
    Ok(prepare(pixels.view(), shorter_side)?)
}

/// Decodes a picture to 8-bit RGB at its own size, or says in words why it cannot. The format follows
/// from the first bytes of the file, not from its name.
fn decode(bytes: &[u8]) -> std::result::Result<RgbImage, String> {
    // Some of the decoders' messages contain line breaks.
    let words =
        |why: &dyn Display| why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|why| words(&why))?;
    let format = reader.format();
    reader.limits(Limits::default()); // decoding takes 512 MiB at most
    let image = reader.decode().map_err(|why| words(&why))?;
    if format == Some(ImageFormat::Jpeg) && !ends(bytes) {
        return Err(format!(
            "it is cut off after {} bytes; the end-of-image marker is missing",
            bytes.len()
        ));
    }
    Ok(eight_bits(image))
}

/// Whether an end-of-image marker follows the last start of a scan. The decoder leaves the missing part of a truncated
/// JPEG grey, which a network should not see. The pixel data cannot contain a marker, because a zero follows each 0xff
/// there.
fn ends(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xd9) > last(0xda)
}

/// Keeps the upper 8 of 16 bits, as Pillow does for colour. Scaling and rounding instead would differ from Pillow by 1
/// in every fourth pixel. Grey is copied into three channels. Alpha is dropped, not blended.
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

/// Reads a `.npy` array of float32 or float16 with four axes, N x C x H x W, and returns it in f32. Both byte orders
/// and both memory orders (C and Fortran) are accepted.
///
/// # Errors
///
/// [`Error::Tensors`] for a file that is not `.npy` or cannot be read; [`Error::Array`] for other
/// axes or types; [`triform::Error::NotFinite`] for NaN and infinities.
pub(crate) fn array(path: &Path) -> Result<Array4<f32>> {
    let mut array = Npy::open(path)?;
    let wrong = |why| Error::Array { path: path.to_owned(), why };
    let &[n, c, h, w] = array.shape() else {
        let shape = array.shape();
        return Err(wrong(format!("it has shape {shape:?}; four axes are needed, N x C x H x W")));
    };
    if let Dtype::Other(dtype) = array.dtype() {
        return Err(wrong(format!("its dtype is {dtype}, not float32; save x.astype('float32')")));
    }
    let numbers = array.read()?;
    let x = Array4::from_shape_vec([n, c, h, w], numbers);
    let x = x.map_err(|error| wrong(error.to_string()))?;
    match x.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((n, c, h, w), &value)) => {
            let (index, value) = (vec![n, c, h, w], f64::from(value));
            Err(triform::Error::NotFinite { what: "input", index, value }.into())
        }
        None => Ok(x),
    }
}

#[cfg(test)]
mod tests {
    use triform::network::image::normalise;

    use super::photograph;

    #[test]
    fn the_photograph_is_a_photograph() {
        let image = photograph().unwrap();
        assert_eq!(image.dim(), (224, 224, 3));
        let x = normalise(image.view());
        assert_eq!(x.dim(), (1, 3, 224, 224));
        // (0 - 0.485) / 0.229 to (1 - 0.406) / 0.225
        assert!(x.iter().all(|value| (-2.12..=2.65).contains(value)));
        assert!(x.std(0.0) > 0.5);
        let red = f32::from(image[[200, 3, 0]]) / 255.0;
        assert_eq!(x[[0, 0, 200, 3]], (red - 0.485) / 0.229);
    }
}
