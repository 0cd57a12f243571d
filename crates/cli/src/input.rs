//! What is read to be shown to a network: a photograph, or an array of a `.npy` file.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbImage};
use ndarray::{Array3, Array4};
use triform_checkpoint::{Dtype, Npy};

use crate::error::{Error, Result};
use triform::network::image::{SHORTER_SIDE, prepare};

/// More than any picture that could be decoded in as much memory.
const MAX_BYTES: u64 = 512 << 20;

/// A cat: `chelsea.png` of scikit-image, cropped to 224 x 224. CC0, by Stefan van
/// der Walt.
const CHELSEA: &[u8] = include_bytes!("../../../assets/chelsea.png");

/// The photograph that comes with the program, `assets/chelsea.png`, as [`read`] would read it.
pub fn photograph() -> Result<Array3<u8>> {
    prepared(CHELSEA, SHORTER_SIDE, Path::new("assets/chelsea.png"))
}

/// Reads a JPEG or PNG file, scales its shorter side to [`SHORTER_SIDE`] (bilinear, antialiased; a file
/// of 224 x 224 too), and cuts the middle 224 x 224 out. For [`normalise`](triform::network::image::normalise).
///
/// Of a PNG it gives the very bytes that torchvision's transform gives of
/// `PIL.Image.open(path).convert("RGB")`, with two exceptions. Pictures that shrink and are more than
/// twice as tall as wide are up to 1 of 255 off Pillow 13, not off Pillow 12. Of 16-bit grey the
/// upper 8 bits count, where Pillow makes white of all but the darkest 256th. A JPEG may be off by a
/// few of 255, since the standard leaves decoders some room: `tests/program/images.rs` says how much. As in
/// torchvision, alpha is dropped, and colour profile, gamma and orientation (EXIF) are ignored.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe, [`Error::Io`], and [`Error::Image`] for what is
/// neither JPEG nor PNG, is cut short or damaged, or takes more than 512 MiB to decode.
pub fn read(path: &Path) -> Result<Array3<u8>> {
    read_scaled(path, SHORTER_SIDE)
}

/// The same with another shorter side.
///
/// # Errors
///
/// Those of [`read`]; [`triform::Error::Side`] for a side from which 224 pixels cannot be cut.
pub fn read_scaled(path: &Path, shorter_side: u32) -> Result<Array3<u8>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let wrong = |why| Error::Image { path: path.to_owned(), why };
    // A pipe is not opened: that would wait for a writer who may never come.
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), found });
    }
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length > MAX_BYTES {
        return Err(wrong(format!("it has {length} bytes; at most {MAX_BYTES} are read")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    prepared(&bytes, shorter_side, path)
}

fn prepared(bytes: &[u8], shorter_side: u32, path: &Path) -> Result<Array3<u8>> {
    let wrong = |why| Error::Image { path: path.to_owned(), why };
    let image = decode(bytes).map_err(wrong)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = Array3::from_shape_vec((height, width, 3), image.into_raw());
    let pixels = pixels.map_err(|error| wrong(error.to_string()))?;
    Ok(prepare(pixels.view(), shorter_side)?)
}

/// The picture in red, green and blue, 8 bits each, of its own height and width; or, in words,
/// why there is none. The first bytes say what it is, not the file's name.
fn decode(bytes: &[u8]) -> std::result::Result<RgbImage, String> {
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

/// Reads an array of four axes, N x C x H x W, of float32 or float16, as f32; of either byte order, and
/// of either order of the axes.
///
/// # Errors
///
/// [`Error::Tensors`] for what is no `.npy` file or cannot be read; [`Error::Array`] for other axes or
/// numbers; [`triform::Error::NotFinite`] for NaN and infinities.
pub(crate) fn array(path: &Path) -> Result<Array4<f32>> {
    let mut array = Npy::open(path)?;
    let wrong = |why| Error::Array { path: path.to_owned(), why };
    let &[n, c, h, w] = array.shape() else {
        let shape = array.shape();
        return Err(wrong(format!("it has shape {shape:?}; four axes are needed, N x C x H x W")));
    };
    if let Dtype::Other(dtype) = array.dtype() {
        return Err(wrong(format!("its numbers are {dtype}; save x.astype('float32')")));
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
