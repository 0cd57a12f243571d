//! The shapes of the convolutions, which form a covering array.
//!
//! A fault of grouped convolution shows only at some shapes, and nobody knows at which. So the shapes are chosen to
//! cover many combinations of attribute values, as far as the size limits allow. For any two attributes, every pair of
//! values occurs in some case. For the three attributes groups, input channels of a group, and stride, every triple of
//! values occurs. Nearly all reported faults involve at most three attributes (Kuhn, Kacker and Lei, NIST SP 800-142).

use std::collections::HashSet;

use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use crate::conv::{Along, ConvSpec};
use crate::error::Result;
use crate::random::Rng;

/// Numbers of groups.
pub const GROUPS: [usize; 7] = [1, 2, 3, 4, 8, 32, 96];
/// Numbers of input or output channels of a group.
pub const WIDTHS: [usize; 15] = [1, 2, 3, 4, 7, 8, 9, 16, 17, 24, 32, 33, 34, 48, 64];
/// Sizes of kernels, height x width.
pub const KERNELS: [(usize, usize); 6] = [(1, 1), (3, 3), (1, 3), (3, 1), (5, 2), (256, 1)];
/// Strides along height and width.
pub const STRIDES: [(usize, usize); 3] = [(1, 1), (2, 2), (3, 2)];
/// Dilations along height and width.
pub const DILATIONS: [(usize, usize); 3] = [(1, 1), (2, 1), (1, 3)];
/// Padding above, below, left, right.
pub const PADDINGS: [[usize; 4]; 5] = [[0; 4], [1; 4], [0, 0, 1, 1], [1, 1, 0, 0], [2, 0, 1, 3]];
/// How much larger the map is than the reach of the kernel, along height and width.
pub const MAPS: [(usize, usize); 3] = [(0, 3), (4, 1), (3, 11)];
/// Numbers of images.
pub const BATCHES: [usize; 3] = [1, 2, 3];

/// The largest number of channels that all groups together may have.
pub const MOST_CHANNELS: usize = 256;

/// Number of attributes.
const FACTORS: usize = 9;
/// How many values each attribute has, in the order of a [`Row`].
const LEVELS: [usize; FACTORS] = [
    GROUPS.len(),
    WIDTHS.len(),
    STRIDES.len(),
    WIDTHS.len(),
    KERNELS.len(),
    DILATIONS.len(),
    PADDINGS.len(),
    MAPS.len(),
    BATCHES.len(),
];
const GROUP: usize = 0;
const INPUT: usize = 1;
const STRIDE: usize = 2;
const OUTPUT: usize = 3;
const KERNEL: usize = 4;
const DILATION: usize = 5;
const PADDING: usize = 6;
const MAP: usize = 7;
const BATCH: usize = 8;

/// For each attribute, the index of its value.
type Row = [usize; FACTORS];

/// The shape of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape(Row);

impl Shape {
    /// The number of groups.
    pub fn groups(&self) -> usize {
        GROUPS[self.0[GROUP]]
    }

    /// The numbers of input and output channels of a group.
    pub fn widths(&self) -> [usize; 2] {
        [WIDTHS[self.0[INPUT]], WIDTHS[self.0[OUTPUT]]]
    }

    /// Height and width of the kernel.
    pub fn kernel(&self) -> (usize, usize) {
        KERNELS[self.0[KERNEL]]
    }

    /// The number of images.
    pub fn batch(&self) -> usize {
        BATCHES[self.0[BATCH]]
    }

    /// The geometry along height and width.
    fn along(&self) -> [Along; 2] {
        let (stride, dilation) = (STRIDES[self.0[STRIDE]], DILATIONS[self.0[DILATION]]);
        let [up, down, left, right] = PADDINGS[self.0[PADDING]];
        [
            Along { stride: stride.0, padding: [up, down], dilation: dilation.0 },
            Along { stride: stride.1, padding: [left, right], dilation: dilation.1 },
        ]
    }

    /// Stride, padding, dilation, groups.
    ///
    /// Errors: none for the values of this module.
    pub fn spec(&self) -> Result<ConvSpec> {
        let [height, width] = self.along();
        ConvSpec::by_axis(height, width, self.groups())
    }

    /// Height and width of the input map. Height and width always differ. At least one output reads the map, not only
    /// padding.
    pub fn map(&self) -> (usize, usize) {
        let ((k_h, k_w), more, [height, width]) = (self.kernel(), MAPS[self.0[MAP]], self.along());
        let size = |along: Along, taps: usize, more: usize| {
            let mut size = (taps - 1) * along.dilation + 1 + more + along.padding[0];
            while !sees_the_map(along, taps, size) {
                size += 1;
            }
            size
        };
        let (h, w) = (size(height, k_h, more.0), size(width, k_w, more.1));
        (h, if h == w { w + 1 } else { w })
    }

    /// For each attribute, the index of its value. This is for counting the combinations that occur.
    pub fn attributes(&self) -> [usize; 9] {
        self.0
    }
}

/// Whether some output position reads the map, not only padding.
fn sees_the_map(along: Along, taps: usize, size: usize) -> bool {
    let padded = size + along.padding.iter().sum::<usize>();
    let outputs = (padded - (taps - 1) * along.dilation - 1) / along.stride + 1;
    (0..outputs).any(|at| (0..taps).any(|tap| along.source(at, tap, size).is_some()))
}

/// The largest number of weights that a kernel of 256 rows may have. They take 1 MB.
const MOST_WEIGHTS: usize = 1 << 18;

/// Whether the values chosen so far may occur together in a case. `None` means that no value is chosen yet.
///
/// A case may have at most [`MOST_CHANNELS`] input channels. The same limit holds for output channels. With a kernel of
/// 256 rows, it may have at most 128 input channels, at most 2^18 weights, and no dilation along the height. Larger
/// cases would make the suite several times as large.
fn can_exist(row: &[Option<usize>; FACTORS]) -> bool {
    let chosen = |factor: usize, values: &[usize]| row[factor].map_or(1, |value| values[value]);
    let (groups, c_in) = (chosen(GROUP, &GROUPS), chosen(INPUT, &WIDTHS));
    let c_out = chosen(OUTPUT, &WIDTHS);
    let is_tall = row[KERNEL].is_some_and(|kernel| KERNELS[kernel].0 >= 256);
    let dilated = row[DILATION].is_some_and(|dilation| DILATIONS[dilation].0 > 1);
    groups * c_in.max(c_out) <= MOST_CHANNELS
        && !(is_tall && dilated)
        && !(is_tall && groups * c_in > 128)
        && !(is_tall && groups * c_out * c_in * 256 > MOST_WEIGHTS)
}

/// All pairs of values of two attributes that can occur in one case. A pair is written as (attribute, value, attribute,
/// value).
pub fn pairs() -> HashSet<[usize; 4]> {
    let mut pairs = HashSet::new();
    for (a, b) in (0..FACTORS).flat_map(|a| (a + 1..FACTORS).map(move |b| (a, b))) {
        for (i, j) in (0..LEVELS[a]).flat_map(|i| (0..LEVELS[b]).map(move |j| (i, j))) {
            let mut row = [None; FACTORS];
            (row[a], row[b]) = (Some(i), Some(j));
            if can_exist(&row) && fits(&row) {
                pairs.insert([a, i, b, j]);
            }
        }
    }
    pairs
}

/// Whether the row can be completed. Attributes that are not chosen yet take their first values (one group, one
/// channel, a 1x1 kernel). These values rule out the fewest combinations.
fn fits(row: &[Option<usize>; FACTORS]) -> bool {
    let mut whole = *row;
    whole.iter_mut().for_each(|value| *value = value.or(Some(0)));
    can_exist(&whole)
}

/// All triples of groups, input channels of a group and stride that can occur in one case.
pub fn triples() -> Vec<[usize; 3]> {
    let all = (0..GROUPS.len()).flat_map(|g| (0..WIDTHS.len()).map(move |c| (g, c)));
    let fitting = all.filter(|&(g, c)| GROUPS[g] * WIDTHS[c] <= MOST_CHANNELS);
    fitting.flat_map(|(g, c)| (0..STRIDES.len()).map(move |s| [g, c, s])).collect()
}

/// The pairs that occur in a row.
fn pairs_of(row: &Row) -> impl Iterator<Item = [usize; 4]> + '_ {
    let both = (0..FACTORS).flat_map(|a| (a + 1..FACTORS).map(move |b| (a, b)));
    both.map(|(a, b)| [a, row[a], b, row[b]])
}

/// Shapes in which all [`triples`] and [`pairs`] occur. First, each triple gets a row. The row is completed at random
/// several times, and the completion with the most new pairs is kept. Then rows are added for the pairs that are left.
pub fn shapes(rng: &mut Rng) -> Vec<Shape> {
    const TRIED: usize = 24;
    let mut open = pairs();
    let mut rows = Vec::new();
    let mut add =
        |fixed: [Option<usize>; FACTORS], open: &mut HashSet<[usize; 4]>, rng: &mut Rng| {
            let candidates = (0..TRIED).filter_map(|_| complete(fixed, open, rng));
            let gain = |row: &Row| pairs_of(row).filter(|pair| open.contains(pair)).count();
            let Some(best) = candidates.max_by_key(gain) else { return };
            pairs_of(&best).for_each(|pair| {
                open.remove(&pair);
            });
            rows.push(Shape(best));
        };
    for [g, c, s] in triples() {
        let mut fixed = [None; FACTORS];
        (fixed[GROUP], fixed[INPUT], fixed[STRIDE]) = (Some(g), Some(c), Some(s));
        add(fixed, &mut open, rng);
    }
    while let Some(&[a, i, b, j]) = open.iter().min() {
        let mut fixed = [None; FACTORS];
        (fixed[a], fixed[b]) = (Some(i), Some(j));
        add(fixed, &mut open, rng);
    }
    rows
}

/// Completes a row, one attribute after the other in random order. Each attribute takes a value that adds as many new
/// pairs as possible.
fn complete(
    fixed: [Option<usize>; FACTORS],
    open: &HashSet<[usize; 4]>,
    rng: &mut Rng,
) -> Option<Row> {
    let mut row = fixed;
    let mut order: Vec<usize> = (0..FACTORS).filter(|&factor| row[factor].is_none()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, rng.random_range(0..=at));
    }
    for factor in order {
        let gain = |value: usize| {
            let with = |other: usize| {
                let chosen = row[other]?;
                let pair = match other < factor {
                    true => [other, chosen, factor, value],
                    false => [factor, value, other, chosen],
                };
                open.contains(&pair).then_some(())
            };
            (0..FACTORS).filter_map(with).count()
        };
        let possible: Vec<usize> = (0..LEVELS[factor])
            .filter(|&value| {
                let mut next = row;
                next[factor] = Some(value);
                can_exist(&next) && fits(&next)
            })
            .collect();
        let most = possible.iter().map(|&value| gain(value)).max()?;
        let best: Vec<usize> = possible.into_iter().filter(|&value| gain(value) == most).collect();
        row[factor] = best.choose(rng).copied();
    }
    let whole: Option<Vec<usize>> = row.into_iter().collect();
    whole.and_then(|row| row.try_into().ok())
}

/// Picks fewer shapes that still cover the same pairs of values. Only the attributes groups, stride, kernel, dilation,
/// padding and batch are considered.
pub fn fewer(shapes: &[Shape]) -> Vec<Shape> {
    const SOME: [usize; 6] = [GROUP, STRIDE, KERNEL, DILATION, PADDING, BATCH];
    let of = |shape: &Shape| {
        let row = shape.0;
        pairs_of(&row)
            .filter(|[a, _, b, _]| SOME.contains(a) && SOME.contains(b))
            .collect::<Vec<_>>()
    };
    let mut open: HashSet<[usize; 4]> = shapes.iter().flat_map(of).collect();
    let mut kept = Vec::new();
    while !open.is_empty() {
        let gain = |shape: &&Shape| of(shape).iter().filter(|pair| open.contains(*pair)).count();
        // `max_by_key` takes the last of equals. Reversed, it takes the first.
        let Some(best) = shapes.iter().rev().max_by_key(gain) else { break };
        for pair in of(best) {
            open.remove(&pair);
        }
        kept.push(*best);
    }
    kept
}
