//! Turns a photograph into a tensor, like torchvision's `ImageClassification(crop_size=224, resize_size=256)`.
//! torchvision evaluates the `IMAGENET1K_V1` weights with this transform.

mod resize;

use ndarray::{Array3, Array4, ArrayView3};

use crate::error::{Error, Result};

/// Height and width of the images that ImageNet's models are evaluated on.
pub const SIZE: u32 = 224;
/// Length of the shorter side before the crop, for the `IMAGENET1K_V1` weights. The
/// `IMAGENET1K_V2` weights need 232.
pub const SHORTER_SIDE: u32 = 256;
/// The largest value that is accepted for the shorter side. A larger image would only take more time.
const LONGEST: u32 = 1 << 14;
/// Mean and standard deviation of ImageNet's pixels, scaled to 0..1, for red, green and blue.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Scales an image of H x W x 3 bytes until its shorter side is `shorter_side` pixels long. Then cuts out the middle
/// [`SIZE`] x [`SIZE`] pixels, ready for [`normalise`]. The scaling is bilinear and antialiased.
///
/// The bytes equal those of torchvision's transform with Pillow 12. With Pillow 13, bytes may differ by 1 (of 255) if
/// a picture shrinks and is more than twice as tall as wide. All other pictures give the same bytes.
///
/// Errors: [`Error::Side`] if `shorter_side` is below 224 or too large; [`Error::Shape`] for an image that is empty
/// or does not have three channels.
pub fn prepare(image: ArrayView3<u8>, shorter_side: u32) -> Result<Array3<u8>> {
    if !(SIZE..=LONGEST).contains(&shorter_side) {
        return Err(Error::Side { side: shorter_side, least: SIZE, most: LONGEST });
    }
    if image.is_empty() || image.dim().2 != 3 {
        let expected = "H x W x 3, at least 1 x 1 x 3".to_owned();
        return Err(Error::Shape { what: "image", expected, found: image.shape().to_vec() });
    }
    Ok(resize::resize_and_crop(image, shorter_side as usize, SIZE as usize))
}

/// Turns an image of H x W x 3 bytes into the input of ImageNet's models, 1 x 3 x H x W, with the channels red, green
/// and blue. Each value is scaled to 0..1. Then the mean is subtracted, and the result is divided by the standard
/// deviation.
pub fn normalise(image: ArrayView3<u8>) -> Array4<f32> {
    let (height, width, _) = image.dim();
    Array4::from_shape_fn((1, 3, height, width), |(_, c, i, j)| {
        (f32::from(image[[i, j, c]]) / 255.0 - MEAN[c]) / DEVIATION[c]
    })
}
