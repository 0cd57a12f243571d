//! From a photograph to a tensor, as torchvision's `ImageClassification(crop_size=224,
//! resize_size=256)` goes: the transform with which it evaluates the `IMAGENET1K_V1` weights.

mod decode;
mod resize;

use std::io::Read;
use std::path::Path;

use image::RgbImage;
use ndarray::Array4;

use super::file;
use crate::error::{Error, Result};

/// Height and width of the images that ImageNet's models are evaluated on.
pub const SIZE: u32 = 224;
/// Length of the shorter side before the crop: that of the `IMAGENET1K_V1` weights. Those called
/// `IMAGENET1K_V2` want 232.
pub const SHORTER_SIDE: u32 = 256;
/// More would only take time.
const LONGEST: u32 = 1 << 14;
/// Mean and standard deviation of ImageNet's pixels, red, green, blue, in 0..1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// More than any picture that could be decoded in as much memory.
const MAX_BYTES: u64 = 512 << 20;

/// A cat: `chelsea.png` of scikit-image, cropped to 224 x 224. CC0, by Stefan van
/// der Walt.
const CHELSEA: &[u8] = include_bytes!("../../../assets/chelsea.png");

/// The photograph that comes with the program, `assets/chelsea.png`, as [`read`] would read it.
///
/// # Errors
///
/// None in practice: a test reads it.
pub fn photograph() -> Result<RgbImage> {
    prepare(CHELSEA, SHORTER_SIDE, Path::new("assets/chelsea.png"))
}

/// Reads a JPEG or PNG file, scales its shorter side to [`SHORTER_SIDE`] (bilinear, antialiased; a file
/// of 224 x 224 too), and cuts the middle 224 x 224 out. For [`normalise`].
///
/// Of a PNG it gives the very bytes that torchvision's transform gives of
/// `PIL.Image.open(path).convert("RGB")`, with two exceptions. Pictures that shrink and are more than
/// twice as tall as wide are up to 1 of 255 off Pillow 13, not off Pillow 12. Of 16-bit grey the
/// upper 8 bits count, where Pillow makes white of all but the darkest 256th. A JPEG may be off by a
/// few of 255, since the standard leaves decoders some room: `tests/images.rs` says how much. As in
/// torchvision, alpha is dropped, and colour profile, gamma and orientation (EXIF) are ignored.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe, [`Error::Io`], and [`Error::Image`] for what is
/// neither JPEG nor PNG, is cut short or damaged, or takes more than 512 MiB to decode.
pub fn read(path: &Path) -> Result<RgbImage> {
    read_scaled(path, SHORTER_SIDE)
}

/// The same with another shorter side.
///
/// # Errors
///
/// Those of [`read`]; [`Error::Side`] for a side from which 224 pixels cannot be cut.
pub fn read_scaled(path: &Path, shorter_side: u32) -> Result<RgbImage> {
    if !(SIZE..=LONGEST).contains(&shorter_side) {
        return Err(Error::Side { side: shorter_side, least: SIZE, most: LONGEST });
    }
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let wrong = |why| Error::Image { path: path.to_owned(), why };
    let mut file = file::open(path)?;
    let length = file.metadata().map_err(io)?.len();
    if length > MAX_BYTES {
        return Err(wrong(format!("it has {length} bytes; at most {MAX_BYTES} are read")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io)?;
    prepare(&bytes, shorter_side, path)
}

fn prepare(bytes: &[u8], shorter_side: u32, path: &Path) -> Result<RgbImage> {
    let wrong = |why| Error::Image { path: path.to_owned(), why };
    let image = decode::decode(bytes).map_err(wrong)?;
    Ok(resize::resize_and_crop(&image, shorter_side, SIZE))
}

/// As ImageNet's models take it: 1 x 3 x H x W, channels red, green, blue, each
/// pixel in 0..1 less the mean, over the standard deviation.
pub fn normalise(image: &RgbImage) -> Array4<f32> {
    let (width, height) = image.dimensions();
    Array4::from_shape_fn((1, 3, height as usize, width as usize), |(_, c, i, j)| {
        let value = f32::from(image.get_pixel(j as u32, i as u32)[c]) / 255.0;
        (value - MEAN[c]) / DEVIATION[c]
    })
}

#[cfg(test)]
mod tests {
    use super::{SIZE, normalise, photograph};

    #[test]
    fn the_photograph_is_a_photograph() {
        let image = photograph().unwrap();
        assert_eq!(image.dimensions(), (SIZE, SIZE));
        let x = normalise(&image);
        assert_eq!(x.dim(), (1, 3, 224, 224));
        // (0 - 0.485) / 0.229 to (1 - 0.406) / 0.225
        assert!(x.iter().all(|value| (-2.12..=2.65).contains(value)));
        assert!(x.std(0.0) > 0.5);
        let red = f32::from(image.get_pixel(3, 200)[0]) / 255.0;
        assert_eq!(x[[0, 0, 200, 3]], (red - 0.485) / 0.229);
    }
}
