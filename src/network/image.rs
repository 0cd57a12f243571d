//! From a photograph to a tensor, as in torchvision's `ImageClassification(crop_size=224,
//! resize_size=256)`: the transform with which it evaluates the `IMAGENET1K_V1` weights.

mod resize;

use ndarray::{Array3, Array4, ArrayView3};

use crate::error::{Error, Result};

/// Height and width of the images that ImageNet's models are evaluated on.
pub const SIZE: u32 = 224;
/// Length of the shorter side before the crop, for the `IMAGENET1K_V1` weights. The
/// `IMAGENET1K_V2` weights need 232.
pub const SHORTER_SIDE: u32 = 256;
/// The largest shorter side that is accepted. A larger one would only take time.
const LONGEST: u32 = 1 << 14;
/// Mean and standard deviation of ImageNet's pixels, red, green, blue, in 0..1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Scales the shorter side of an image, H x W x 3 bytes, to `shorter_side` pixels (bilinear, antialiased,
/// even if it has that length), and cuts out the middle [`SIZE`] x [`SIZE`] for [`normalise`].
///
/// The bytes are exactly those of torchvision's transform with Pillow 12. With Pillow 13 they differ by up
/// to 1 of 255 for pictures that shrink and are more than twice as tall as wide, and for no others.
///
/// Errors: [`Error::Side`] for a side that is shorter than 224 pixels or too long, [`Error::Shape`] for an
/// image that is empty or does not have three channels.
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

/// Turns an image of H x W x 3 bytes into the input of ImageNet's models: 1 x 3 x H x W, channels red,
/// green, blue. Each pixel is in 0..1, less the mean, divided by the standard deviation.
pub fn normalise(image: ArrayView3<u8>) -> Array4<f32> {
    let (height, width, _) = image.dim();
    Array4::from_shape_fn((1, 3, height, width), |(_, c, i, j)| {
        (f32::from(image[[i, j, c]]) / 255.0 - MEAN[c]) / DEVIATION[c]
    })
}
