//! From a photograph to a tensor.

use std::io::Cursor;
use std::path::Path;

use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageReader, Limits, RgbImage};
use ndarray::Array4;

use crate::error::{Error, Result};

/// Height and width of the images that ImageNet's models are evaluated on.
pub const SIZE: u32 = 224;
/// Length of the shorter side before the crop.
const SHORTER_SIDE: u32 = 256;
/// Mean and standard deviation of ImageNet's pixels, red, green, blue, in 0..1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// A cat: `chelsea.png` of scikit-image, cropped to 224 x 224. CC0, by Stefan van
/// der Walt.
const CHELSEA: &[u8] = include_bytes!("../../assets/chelsea.png");

/// The photograph that comes with the program, 224 x 224.
///
/// # Errors
///
/// None in practice: a test decodes it.
pub fn photograph() -> Result<RgbImage> {
    let path = Path::new("assets/chelsea.png");
    decode(path, ImageReader::new(Cursor::new(CHELSEA)))
}

/// Reads a JPEG or PNG file and makes it 224 x 224: an image of that size is taken as
/// it is; any other has its shorter side scaled to 256, then the middle cut out.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe, [`Error::Io`], [`Error::Image`].
pub fn read(path: &Path) -> Result<RgbImage> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        // Opening a pipe would wait for a writer that may never come.
        let found = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), found });
    }
    let bytes = std::fs::read(path).map_err(io)?;
    decode(path, ImageReader::new(Cursor::new(&bytes)))
}

fn decode(path: &Path, reader: ImageReader<Cursor<impl AsRef<[u8]>>>) -> Result<RgbImage> {
    let wrong = |why: String| Error::Image { path: path.to_owned(), why };
    let mut reader = reader.with_guessed_format().map_err(|why| wrong(why.to_string()))?;
    reader.limits(Limits::default()); // decoding takes 512 MiB at most
    let image = reader.decode().map_err(|why| wrong(why.to_string()))?.to_rgb8();
    let (width, height) = image.dimensions();
    if (width, height) == (SIZE, SIZE) {
        return Ok(image);
    }
    let scale = |side: u32| {
        let scaled = u64::from(side) * u64::from(SHORTER_SIDE) / u64::from(width.min(height));
        u32::try_from(scaled).unwrap_or(u32::MAX)
    };
    let (scaled_width, scaled_height) = (scale(width), scale(height));
    if scaled_width.max(scaled_height) > 64 * SHORTER_SIDE {
        return Err(wrong(format!("{width} x {height} pixels is too narrow to crop")));
    }
    let scaled = resize(&image, scaled_width, scaled_height, FilterType::Triangle);
    let (left, top) = ((scaled_width - SIZE) / 2, (scaled_height - SIZE) / 2);
    Ok(crop_imm(&scaled, left, top, SIZE, SIZE).to_image())
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
