//! Convolution: the definition, the reference, the fast one, and dense twins.

use std::ops::Range;

use crate::common::cases::config;
use ndarray::{Array4, ArrayView4, Axis, concatenate, s};
use proptest::prelude::*;
use triform::block::Activation;
use triform::conv::{
    Affine, ChannelWise, ConvSpec, Convolver, Double, Elementwise, Epilogue, Fast, Identity,
    Reference, block_diagonal, max_pool,
};
use triform::evidence::generator::tensor;
use triform::scalar::{Additive, Dot, Int, Ordered, Scalar};

#[derive(Clone, Debug)]
struct Problem {
    x: Array4<Int>,
    weights: Array4<Int>,
    spec: ConvSpec,
}

/// Any convolution up to the sizes at which every tail of the fast one is met.
fn problem() -> impl Strategy<Value = Problem> {
    let kernel = prop_oneof![
        3 => Just((1usize, 1usize)),
        3 => Just((3, 3)),
        1 => (1usize..5, 1usize..5),
        1 => Just((7, 7)),
    ];
    let channels = (1usize..4, 1usize..7, 1usize..7); // groups, in and out of each
    // Up to runs of more than 512 pixels.
    let map = prop_oneof![
        8 => (1usize..9, prop_oneof![1usize..9, 15usize..41, 62usize..70]),
        1 => (23usize..27, 23usize..27),
    ];
    (0usize..3, channels, kernel, map, 1usize..4, 0usize..4, 1usize..3)
        .prop_filter_map(
            "the kernel must fit the padded map",
            |(n, (groups, c_in, c_out), (k_h, k_w), (h, w), stride, padding, dilation)| {
                let spec = ConvSpec::new(stride, padding, dilation, groups).unwrap();
                spec.output_size("height", h, k_h).ok()?;
                spec.output_size("width", w, k_w).ok()?;
                Some((spec, [n, groups * c_in, h, w], [groups * c_out, c_in, k_h, k_w]))
            },
        )
        .prop_flat_map(|(spec, x, weights)| {
            (tensor(x, 8), tensor(weights, 8)).prop_map(move |(x, weights)| Problem {
                x,
                weights,
                spec,
            })
        })
}

/// The definition, read off the formula, one output at a time, with no thought for speed.
fn by_definition(problem: &Problem) -> Array4<Int> {
    let Problem { x, weights, spec } = problem;
    let (n, c_in, h, w) = x.dim();
    let (c_out, c_in_group, k_h, k_w) = weights.dim();
    assert_eq!(c_in, c_in_group * spec.groups());
    let h_out = spec.output_size("height", h, k_h).unwrap();
    let w_out = spec.output_size("width", w, k_w).unwrap();
    Array4::from_shape_fn((n, c_out, h_out, w_out), |(n, o, i, j)| {
        let group = o / (c_out / spec.groups());
        let mut sum = Int::from(0);
        for c in 0..c_in_group {
            for u in 0..k_h {
                for v in 0..k_w {
                    let row = (i * spec.stride() + u * spec.dilation()) as isize
                        - spec.padding() as isize;
                    let col = (j * spec.stride() + v * spec.dilation()) as isize
                        - spec.padding() as isize;
                    if (0..h as isize).contains(&row) && (0..w as isize).contains(&col) {
                        let value = &x[[n, group * c_in_group + c, row as usize, col as usize]];
                        sum = sum.add(&weights[[o, c, u, v]].mul(value));
                    }
                }
            }
        }
        sum
    })
}

fn sums<S: Dot, V: Convolver<S>>(
    convolver: &V,
    x: ArrayView4<'_, S>,
    weights: ArrayView4<'_, S>,
    spec: ConvSpec,
) -> Array4<S> {
    convolver.sums(x, &convolver.prepare(weights, spec).unwrap()).unwrap()
}

fn floats(x: &Array4<Int>) -> Array4<f32> {
    x.mapv(|value| value.value().unwrap() as f32)
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn the_reference_is_the_definition(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let expected = by_definition(&problem);
        prop_assert_eq!(&sums(&Reference::default(), x.view(), weights.view(), *spec), &expected);
        let runs = Reference::in_runs_of(2);
        prop_assert_eq!(&sums(&runs, x.view(), weights.view(), *spec), &expected);
    }

    #[test]
    fn fast_equals_the_reference_to_the_bit_on_integers(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let expected = floats(&sums(&Reference::default(), x.view(), weights.view(), *spec));
        let (x, weights) = (floats(x), floats(weights));
        prop_assert_eq!(&sums(&Fast::new(), x.view(), weights.view(), *spec), &expected);
    }

    /// `f64` too, to the bit.
    #[test]
    fn double_equals_the_reference_to_the_bit_on_integers(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let doubles = |x: &Array4<Int>| x.mapv(|value| value.value().unwrap() as f64);
        let expected = doubles(&sums(&Reference::default(), x.view(), weights.view(), *spec));
        let (x, weights) = (doubles(x), doubles(weights));
        prop_assert_eq!(&sums(&Double, x.view(), weights.view(), *spec), &expected);
    }

    #[test]
    fn strides_of_the_views_do_not_matter(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        // The same elements, laid out backwards, with gaps, and with the axes exchanged.
        let backwards = x.slice(s![.., ..;-1, ..;-1, ..]).as_standard_layout().into_owned();
        let backwards = backwards.slice(s![.., ..;-1, ..;-1, ..]);
        let (n, c, h, w) = x.dim();
        let mut gaps = Array4::from_elem((n, c, 2 * h, 3 * w), Int::from(77));
        gaps.slice_mut(s![.., .., ..;2, ..;3]).assign(x);
        let gaps = gaps.slice(s![.., .., ..;2, ..;3]);
        let exchanged = x.view().permuted_axes([3, 1, 2, 0]).as_standard_layout().into_owned();
        let exchanged = exchanged.view().permuted_axes([3, 1, 2, 0]);
        let mut weights_t = weights.view().permuted_axes([2, 3, 0, 1]).as_standard_layout().into_owned();
        let weights_t = weights_t.view_mut().permuted_axes([2, 3, 0, 1]);
        let expected = by_definition(&problem);
        for view in [backwards, gaps, exchanged] {
            prop_assert_eq!(view, x.view());
            prop_assert_eq!(
                &sums(&Reference::default(), view, weights_t.view(), *spec), &expected);
            let (floats_x, floats_w) = (view.mapv(|x| x), weights_t.mapv(|w| w));
            let as_float = |x: &Array4<Int>| floats(x);
            prop_assert_eq!(
                &sums(&Fast::new(), as_float(&floats_x).view(), as_float(&floats_w).view(), *spec),
                &floats(&expected));
        }
        // The fast one on strange views themselves.
        let x_f = floats(x);
        let weights_f = floats(weights);
        let reversed = x_f.slice(s![.., ..;-1, ..;-1, ..;-1]).as_standard_layout().into_owned();
        prop_assert_eq!(
            &sums(&Fast::new(), reversed.slice(s![.., ..;-1, ..;-1, ..;-1]), weights_f.view(), *spec),
            &floats(&expected));
        let exchanged = x_f.view().permuted_axes([3, 1, 2, 0]).as_standard_layout().into_owned();
        prop_assert_eq!(
            &sums(&Fast::new(), exchanged.view().permuted_axes([3, 1, 2, 0]), weights_f.view(), *spec),
            &floats(&expected));
    }

    /// A grouped convolution, its dense twin, and its groups one by one are one function.
    #[test]
    fn a_grouped_convolution_is_its_dense_twin(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let reference = Reference::default();
        let grouped = sums(&reference, x.view(), weights.view(), *spec);
        let ungrouped = ConvSpec::new(spec.stride(), spec.padding(), spec.dilation(), 1).unwrap();

        let dense = block_diagonal(weights.view(), spec.groups()).unwrap();
        prop_assert_eq!(dense.len(), weights.len() * spec.groups());
        prop_assert_eq!(&sums(&reference, x.view(), dense.view(), ungrouped), &grouped);

        let (c_out, c_in) = (weights.len_of(Axis(0)) / spec.groups(), weights.len_of(Axis(1)));
        let parts: Vec<_> = (0..spec.groups())
            .map(|g| {
                let x = x.slice(s![.., g * c_in..(g + 1) * c_in, .., ..]);
                let w = weights.slice(s![g * c_out..(g + 1) * c_out, .., .., ..]);
                sums(&reference, x, w, ungrouped)
            })
            .collect();
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        prop_assert_eq!(&concatenate(Axis(1), &views).unwrap(), &grouped);
    }

    /// What follows the sums: as data (fused) or as a function (afterwards), the same bits.
    #[test]
    fn both_ways_of_finishing_agree(
        problem in problem(),
        affine in proptest::collection::vec((-2.0f32..2.0, -9.0f32..9.0), 64),
        relu in any::<bool>(),
    ) {
        let Problem { x, weights, spec } = &problem;
        let (x, weights) = (floats(x), floats(weights));
        let data = AsData(affine
            .into_iter()
            .map(|(scale, shift)| Affine { scale, shift, relu })
            .collect());
        prop_assert!(data.as_data(0..weights.dim().0).is_some(), "as data, or nothing is compared");
        both_ways_agree(&Fast::new(), &x, &weights, *spec, &data)?;
        both_ways_agree(&Reference::default(), &x, &weights, *spec, &data)?;
    }

    /// The verbs of the fast convolver against their specification, the trait's default bodies.
    #[test]
    fn the_fast_verbs_are_the_default_ones(
        spec in prop_oneof![Just((1usize, 1usize, 0usize)), Just((1, 2, 0)), Just((3, 1, 1)), Just((3, 2, 1))],
        n in 0usize..3,
        paths in 1usize..5,
        d in 1usize..7,
        map in (1usize..10, 1usize..40),
        seed in any::<u64>(),
    ) {
        let (k, stride, padding) = spec;
        let spec = ConvSpec::new(stride, padding, 1, 1).unwrap();
        let mut state = seed;
        let mut next = move |shape: (usize, usize, usize, usize)| {
            Array4::from_shape_simple_fn(shape, || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                ((state >> 33) % 17) as f32 - 8.0
            })
        };
        let fast = Fast::new();
        let slow = BareSums(Fast::new());
        let data = AsData((0..paths * d).map(|c| Affine {
            scale: if c % 2 == 0 { 1.0 } else { -1.0 }, shift: c as f32, relu: c % 3 == 0 }).collect());
        let kernels: Vec<Array4<f32>> = (0..paths).map(|_| next((d, d, k, k))).collect();
        let x = next((n, d, map.0, map.1));
        let xs: Vec<Array4<f32>> = (0..paths).map(|_| next((n, d, map.0, map.1))).collect();
        let of_fast: Vec<_> = kernels.iter().map(|w| fast.prepare(w.view(), spec).unwrap()).collect();
        let of_slow: Vec<_> = kernels.iter().map(|w| slow.prepare(w.view(), spec).unwrap()).collect();

        prop_assert_eq!(
            fast.split(x.view(), &of_fast, &data).unwrap(),
            slow.split(x.view(), &of_slow, &data).unwrap());
        prop_assert_eq!(
            fast.each(&xs, &of_fast, &data).unwrap(),
            slow.each(&xs, &of_slow, &data).unwrap());
        let shortcut = slow.sums(x.view(), &of_slow[0]).unwrap();
        let after = Epilogue { function: &data, shortcut: Some(shortcut.view()), output: &Identity };
        prop_assert_eq!(
            fast.merge(&xs, &of_fast, &after).unwrap(),
            slow.merge(&xs, &of_slow, &after).unwrap());
    }
}

fn both_ways_agree<V: Convolver<f32>>(
    convolver: &V,
    x: &Array4<f32>,
    weights: &Array4<f32>,
    spec: ConvSpec,
    data: &AsData,
) -> Result<(), TestCaseError> {
    let function = AsFunction(data);
    let kernels = [0, 1].map(|_| convolver.prepare(weights.view(), spec).unwrap());
    let shortcut = convolver.sums(x.view(), &kernels[0]).unwrap().mapv(|z| 0.37 * z - 1.0);
    let run = |function, output| {
        let after = Epilogue { function, shortcut: Some(shortcut.view()), output };
        convolver.conv(x.view(), &kernels[0], &after).unwrap()
    };
    let fused = run(data as &dyn ChannelWise<f32>, data as &dyn ChannelWise<f32>);
    // The shortcut may lie in memory as it likes.
    let turned = shortcut.view().permuted_axes([3, 2, 1, 0]).as_standard_layout().into_owned();
    let strange = turned.view().permuted_axes([3, 2, 1, 0]);
    let after = Epilogue { function: data, shortcut: Some(strange), output: data };
    prop_assert_eq!(&convolver.conv(x.view(), &kernels[0], &after).unwrap(), &fused);
    let relu = Epilogue { function: data, shortcut: None, output: &Activation::Relu };
    let by_hand = convolver.conv(x.view(), &kernels[0], &Epilogue::only(data)).unwrap();
    let by_hand = by_hand.mapv(|z| z.relu());
    prop_assert_eq!(&convolver.conv(x.view(), &kernels[0], &relu).unwrap(), &by_hand);
    prop_assert_eq!(&run(data, &function), &fused);
    prop_assert_eq!(&run(&function, data), &fused);
    prop_assert_eq!(&run(&function, &function), &fused);

    let paths = convolver.split(x.view(), &kernels, data).unwrap();
    prop_assert_eq!(&convolver.split(x.view(), &kernels, &function).unwrap(), &paths);
    let inputs = [x.clone(), x.clone()];
    prop_assert_eq!(&convolver.each(&inputs, &kernels, data).unwrap(), &paths);
    prop_assert_eq!(&convolver.each(&inputs, &kernels, &function).unwrap(), &paths);
    Ok(())
}

/// A convolver that overrides nothing.
struct BareSums(Fast);

impl Convolver<f32> for BareSums {
    type Kernel = <Fast as Convolver<f32>>::Kernel;
    fn prepare(
        &self,
        weights: ArrayView4<'_, f32>,
        spec: ConvSpec,
    ) -> triform::Result<Self::Kernel> {
        self.0.prepare(weights, spec)
    }
    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &Self::Kernel) -> triform::Result<Array4<f32>> {
        self.0.sums(x, kernel)
    }
}

struct AsData(Vec<Affine<f32>>);

impl ChannelWise<f32> for AsData {
    fn apply(&self, channel: usize, mut plane: ndarray::ArrayViewMut3<'_, f32>) {
        let affine = self.0[channel];
        plane.mapv_inplace(|z| affine.at(&z));
    }
    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, f32>> {
        self.0.get(channels).map(Elementwise::Affine)
    }
}

struct AsFunction<'a>(&'a AsData);

impl ChannelWise<f32> for AsFunction<'_> {
    fn apply(&self, channel: usize, plane: ndarray::ArrayViewMut3<'_, f32>) {
        self.0.apply(channel, plane);
    }
}

/// The property tests above can fail: with the kernel flipped, they do.
#[test]
fn a_flipped_kernel_is_seen() {
    let x = Array4::from_shape_fn((1, 1, 4, 5), |(_, _, i, j)| Int::from((i * 5 + j) as i64));
    let weights = Array4::from_shape_fn((1, 1, 3, 3), |(_, _, u, v)| Int::from((u * 3 + v) as i64));
    let flipped = weights.slice(s![.., .., ..;-1, ..;-1]);
    let spec = ConvSpec::new(1, 1, 1, 1).unwrap();
    let right = by_definition(&Problem { x: x.clone(), weights: weights.clone(), spec });
    assert_eq!(sums(&Reference::default(), x.view(), weights.view(), spec), right);
    assert_ne!(sums(&Reference::default(), x.view(), flipped, spec), right);
}

/// A wrong geometry, by name and by number.
#[test]
fn bad_geometry_is_refused_with_its_numbers() {
    let fast = Fast::new();
    let prepare = |shape: (usize, usize, usize, usize), groups| {
        let spec = ConvSpec::new(1, 0, 1, groups)?;
        fast.prepare(Array4::zeros(shape).view(), spec)
    };
    let message = |error: triform::Error| error.to_string();
    assert_eq!(
        message(ConvSpec::new(0, 0, 1, 1).unwrap_err()),
        "stride is 0; it must be at least 1"
    );
    assert_eq!(
        message(ConvSpec::new(1, 0, 0, 1).unwrap_err()),
        "dilation is 0; it must be at least 1"
    );
    assert_eq!(
        message(ConvSpec::new(1, 0, 1, 0).unwrap_err()),
        "groups is 0; it must be at least 1"
    );
    assert_eq!(
        message(prepare((8, 2, 3, 3), 3).unwrap_err()),
        "3 groups do not divide 8 output channels"
    );
    assert_eq!(
        message(prepare((8, 0, 3, 3), 1).unwrap_err()),
        "input channels of a group is 0; it must be at least 1"
    );
    let kernel = prepare((9, 2, 3, 3), 3).unwrap();
    let sums = |x: (usize, usize, usize, usize)| {
        message(fast.sums(Array4::zeros(x).view(), &kernel).unwrap_err())
    };
    assert_eq!(sums((1, 7, 5, 5)), "3 groups do not divide 7 input channels");
    assert_eq!(
        sums((1, 9, 5, 5)),
        "input of a convolution has shape [1, 9, 5, 5]; it must be N x 6 x H x W (3 groups of 2)"
    );
    assert_eq!(
        sums((1, 6, 2, 5)),
        "a kernel of 3 taps (dilation 1) does not fit the height of 2 with padding 0"
    );
    assert_eq!(sums((1, 6, 5, 0)), "map width is 0; it must be at least 1");
    let shortcut = Array4::zeros((1, 9, 3, 2));
    let after =
        Epilogue { function: &Identity, shortcut: Some(shortcut.view()), output: &Identity };
    let x = Array4::zeros((1, 6, 5, 5));
    assert_eq!(
        message(fast.conv(x.view(), &kernel, &after).unwrap_err()),
        "shortcut has shape [1, 9, 3, 2]; it must be [1, 9, 3, 3], that of the sum it is added to"
    );
    let data = AsData(vec![Affine { scale: 1.0, shift: 0.0, relu: false }; 9]);
    let after = Epilogue { function: &data, shortcut: Some(shortcut.view()), output: &data };
    assert!(fast.conv(x.view(), &kernel, &after).is_err(), "as data too");
    let padded = ConvSpec::new(1, 3, 1, 1).unwrap();
    assert_eq!(
        message(max_pool(x.view(), 3, padded).unwrap_err()),
        "window of a pool has shape [3, 3]; it must be such that none lies within the padding of 3"
    );
    let spread = ConvSpec::new(1, 1, 6, 1).unwrap();
    assert!(max_pool(x.view(), 2, spread).is_err(), "taps at -1 and 5 of a map of 5");
    // Sizes beyond memory are refused, not tried.
    let far = ConvSpec::new(1, 1 << 40, 1, 1).unwrap();
    let one = fast.prepare(Array4::zeros((1, 1, 1, 1)).view(), far).unwrap();
    let pixel = Array4::zeros((1, 1, 1, 1));
    assert!(message(fast.sums(pixel.view(), &one).unwrap_err()).contains("multiply to more than"));
    // A stride beyond the map leaves its first pixel.
    let stride = ConvSpec::new(usize::MAX, 0, 1, 1).unwrap();
    let one = fast.prepare(Array4::from_elem((1, 6, 1, 1), 2.0).view(), stride).unwrap();
    let ones = Array4::from_elem((1, 6, 5, 4), 1.0);
    assert_eq!(fast.sums(ones.view(), &one).unwrap(), Array4::from_elem((1, 1, 1, 1), 12.0));
    let wide = ConvSpec::new(usize::MAX, 1, 1, 1).unwrap();
    let wide = fast.prepare(Array4::from_elem((1, 6, 3, 3), 1.0).view(), wide).unwrap();
    assert_eq!(fast.sums(ones.view(), &wide).unwrap(), Array4::from_elem((1, 1, 1, 1), 24.0));
    let spread = ConvSpec::new(1, 1 << 40, 1 << 40, 1).unwrap();
    let spread = fast.prepare(Array4::zeros((1, 6, 3, 3)).view(), spread).unwrap();
    assert!(fast.sums(ones.view(), &spread).is_err(), "more memory than anyone has");
    assert_eq!(
        message(fast.merge(&[x], &[], &after).unwrap_err()),
        "inputs, one for each path: 1 where 0 are needed"
    );
}

/// Functions that give as data one channel less or more than they are asked for, which is against their law.
struct Lawless(Vec<Affine<f32>>, usize);

impl ChannelWise<f32> for Lawless {
    fn apply(&self, channel: usize, mut plane: ndarray::ArrayViewMut3<'_, f32>) {
        plane.mapv_inplace(|z| self.0[channel].at(&z));
    }
    fn as_data(&self, _channels: Range<usize>) -> Option<Elementwise<'_, f32>> {
        Some(Elementwise::Affine(&self.0[..self.1]))
    }
}

#[test]
fn data_of_another_length_are_not_used() {
    let fast = Fast::new();
    let x = Array4::from_elem((1, 3, 2, 2), 1.0);
    let kernel = fast.prepare(Array4::from_elem((9, 3, 1, 1), 1.0).view(), ConvSpec::UNIT).unwrap();
    let affine: Vec<_> =
        (0..10).map(|c| Affine { scale: 1.0, shift: c as f32, relu: false }).collect();
    let expected = Array4::from_shape_fn((1, 9, 2, 2), |(_, c, _, _)| 3.0 + c as f32);
    for given in [0, 8, 9, 10] {
        let lawless = Lawless(affine.clone(), given);
        let got = fast.conv(x.view(), &kernel, &Epilogue::only(&lawless)).unwrap();
        assert_eq!(got, expected, "{given}");
    }
}
