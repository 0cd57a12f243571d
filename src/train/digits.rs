//! 1,797 images of handwritten digits, with 8 x 8 pixels each, in scikit-learn's version. They come from "Optical
//! Recognition of Handwritten Digits" in the UCI repository (Alpaydin and Kaynak 1998, CC BY 4.0).

use ndarray::Array4;
use rand::seq::SliceRandom as _;

use crate::random::{Purpose, Rng, Seed};

/// One line for each image. A line has 64 pixels, each from `0` to `g` (16), then a space and the digit.
const FILE: &str = include_str!("../../assets/digits.txt");

/// Images kept for testing: a fifth.
const TESTED: usize = 360;

/// Images with pixels from 0 to 1, and the digit of each image.
#[derive(Clone, Debug)]
pub struct Digits {
    /// The images, N x 1 x 8 x 8.
    pub images: Array4<f32>,
    /// The digit of each image.
    pub labels: Vec<usize>,
}

impl Digits {
    /// All images, in the order of the file.
    pub fn all() -> Self {
        let pixel = |text: char| text.to_digit(17).unwrap_or_default() as f32 / 16.0;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for line in FILE.lines() {
            let (image, label) = line.split_at(line.len().saturating_sub(2));
            pixels.extend(image.chars().map(pixel));
            labels.push(label.trim().parse().unwrap_or_default());
        }
        let images = Array4::from_shape_vec((labels.len(), 1, 8, 8), pixels);
        Self {
            images: images.unwrap_or_else(|error| unreachable!("a committed file: {error}")),
            labels,
        }
    }

    /// The training images and the test images, split at random.
    pub fn parted(seed: Seed) -> [Self; 2] {
        let all = Self::all();
        let mut order: Vec<usize> = (0..all.labels.len()).collect();
        order.shuffle(&mut seed.stream(Purpose::Batches, &[]));
        let (train, test) = order.split_at(order.len() - TESTED);
        [all.chosen(train), all.chosen(test)]
    }

    /// The images with these numbers.
    pub fn chosen(&self, numbers: &[usize]) -> Self {
        let images = self.images.select(ndarray::Axis(0), numbers);
        Self { images, labels: numbers.iter().map(|&number| self.labels[number]).collect() }
    }
}

/// Batches of images, as lists of image numbers. An epoch uses each image at most once, in a new order.
pub struct Batches {
    rng: Rng,
    order: Vec<usize>,
    next: usize,
    size: usize,
}

impl Batches {
    /// Batches of `size` images each, out of `images` images.
    pub fn new(images: usize, size: usize, seed: Seed) -> Self {
        let rng = seed.stream(Purpose::Batches, &[1]);
        Self { rng, order: (0..images).collect(), next: images, size }
    }
}

impl Iterator for Batches {
    type Item = Vec<usize>;

    /// The next batch. Images at the end of an epoch that do not fill a batch are skipped.
    fn next(&mut self) -> Option<Vec<usize>> {
        if self.next + self.size > self.order.len() {
            self.order.shuffle(&mut self.rng);
            self.next = 0;
        }
        let batch = self.order.get(self.next..self.next + self.size)?.to_vec();
        self.next += self.size;
        Some(batch)
    }
}
