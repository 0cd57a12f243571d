//! Convolution: the definition, the reference, the fast convolver, and dense twins.

use std::ops::Range;

use crate::common::cases::config;
use ndarray::{Array4, ArrayView4, Axis, concatenate, s};
use proptest::prelude::*;
use triform::block::Activation;
use triform::conv::{
    Affine, Along, ChannelWise, ConvSpec, Convolver, Double, Elementwise, Epilogue, Fast, Identity,
    KernelShape, Reference, block_diagonal, max_pool,
};
use triform::evidence::generator::tensor;
use triform::scalar::{Additive, Dot, Int, Ordered, Scalar};

#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) x: Array4<Int>,
    pub(crate) weights: Array4<Int>,
    pub(crate) spec: ConvSpec,
}

impl Problem {
    pub(crate) fn output(&self) -> [usize; 4] {
        let kernel = KernelShape::new(self.weights.dim().into(), self.spec).unwrap();
        kernel.output(self.x.dim().into()).unwrap()
    }
}

/// Draws any convolution. The sizes reach every tail loop of the fast convolver.
pub(crate) fn problem() -> impl Strategy<Value = Problem> {
    let kernel = prop_oneof![
        3 => Just((1usize, 1usize)),
        3 => Just((3, 3)),
        1 => (1usize..5, 1usize..5),
        1 => Just((7, 7)),
    ];
    let channels = (1usize..4, 1usize..7, 1usize..7); // groups, channels in and out of each
    // Up to runs of more than 512 pixels.
    let map = prop_oneof![
        8 => (1usize..9, prop_oneof![1usize..9, 15usize..41, 62usize..70]),
        1 => (23usize..27, 23usize..27),
    ];
    let along = (1usize..4, (0usize..4, 0usize..4), 1usize..3).prop_map(|along| {
        let (stride, (before, after), dilation) = along;
        Along { stride, padding: [before, after], dilation }
    });
    // Equally often the same along both axes and on all sides.
    let alike = (1usize..4, 0usize..4, 1usize..3).prop_map(|(stride, padding, dilation)| {
        [Along { stride, padding: [padding; 2], dilation }; 2]
    });
    let axes = prop_oneof![alike, [along.clone(), along]];
    (0usize..3, channels, kernel, map, axes)
        .prop_filter_map(
            "the kernel must fit the padded map",
            |(n, (groups, c_in, c_out), (k_h, k_w), (h, w), [height, width])| {
                let spec = ConvSpec::by_axis(height, width, groups).unwrap();
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

/// The definition of convolution, taken directly from the formula, one output at a time and without regard to speed.
fn by_definition(problem: &Problem) -> Array4<Int> {
    let Problem { x, weights, spec } = problem;
    let (n, c_in, h, w) = x.dim();
    let (c_out, c_in_group, k_h, k_w) = weights.dim();
    assert_eq!(c_in, c_in_group * spec.groups());
    let h_out = spec.output_size("height", h, k_h).unwrap();
    let w_out = spec.output_size("width", w, k_w).unwrap();
    let at = |along: Along, i: usize, u: usize, size: usize| {
        let at = (i * along.stride + u * along.dilation).checked_sub(along.padding[0]);
        at.filter(|at| *at < size)
    };
    let (height, width) = (spec.height(), spec.width());
    Array4::from_shape_fn((n, c_out, h_out, w_out), |(n, o, i, j)| {
        let first = o / (c_out / spec.groups()) * c_in_group;
        let mut sum = Int::from(0);
        for (c, u, v) in ndarray::indices((c_in_group, k_h, k_w)) {
            if let (Some(row), Some(col)) = (at(height, i, u, h), at(width, j, v, w)) {
                sum = sum.add(&weights[[o, c, u, v]].mul(&x[[n, first + c, row, col]]));
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

    /// On integers, the reference, the fast convolver and the f64 convolver equal the definition to the bit.
    #[test]
    fn every_convolver_is_the_definition(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let expected = by_definition(&problem);
        for reference in [Reference::default(), Reference::in_runs_of(2)] {
            prop_assert_eq!(&sums(&reference, x.view(), weights.view(), *spec), &expected);
        }
        let [x_f, weights_f, expected_f] = [x, weights, &expected].map(floats);
        prop_assert_eq!(&sums(&Fast::new(), x_f.view(), weights_f.view(), *spec), &expected_f);
        let doubles = |x: &Array4<Int>| x.mapv(|value| value.value().unwrap() as f64);
        let [x, weights, expected] = [x, weights, &expected].map(doubles);
        prop_assert_eq!(&sums(&Double, x.view(), weights.view(), *spec), &expected);
    }

    #[test]
    fn strides_of_the_views_do_not_matter(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let expected = by_definition(&problem);
        let (x_f, weights_f, expected_f) = (floats(x), floats(weights), floats(&expected));
        let weights = &strange(weights, Int::from(77))[2];
        let weights_f = &strange(&weights_f, 77.0)[2];
        for (view, view_f) in strange(x, Int::from(77)).iter().zip(strange(&x_f, 77.0)) {
            prop_assert_eq!(view, x);
            let reference = sums(&Reference::default(), view.view(), weights.view(), *spec);
            prop_assert_eq!(&reference, &expected);
            let fast = sums(&Fast::new(), view_f.view(), weights_f.view(), *spec);
            prop_assert_eq!(&fast, &expected_f);
        }
    }

    /// A grouped convolution, its dense twin, and its groups one by one compute the same function.
    #[test]
    fn a_grouped_convolution_is_its_dense_twin(problem in problem()) {
        let Problem { x, weights, spec } = &problem;
        let reference = Reference::default();
        let grouped = sums(&reference, x.view(), weights.view(), *spec);
        let ungrouped = ConvSpec::by_axis(spec.height(), spec.width(), 1).unwrap();

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

    /// An epilogue gives the same bits if it is given as data (fused) and if it is given as a function (applied
    /// afterwards).
    #[test]
    fn both_ways_of_finishing_agree(
        problem in problem(),
        affine in proptest::collection::vec((-2.0f32..2.0, -9.0f32..9.0), 64),
        relu in any::<bool>(),
    ) {
        let Problem { x, weights, spec } = &problem;
        let (x, weights) = (floats(x), floats(weights));
        let affine = affine.into_iter().map(|(scale, shift)| Affine { scale, shift, relu });
        let data = AsData(affine.collect(), None);
        prop_assert!(data.as_data(0..weights.dim().0).is_some(), "as data, or nothing is compared");
        both_ways_agree(&Fast::new(), &x, &weights, *spec, &data)?;
        both_ways_agree(&Reference::default(), &x, &weights, *spec, &data)?;
    }
}

/// The same elements, laid out backwards, with gaps, and with the axes exchanged.
fn strange<S: Clone>(x: &Array4<S>, gap: S) -> [Array4<S>; 3] {
    let mut backwards = x.slice(s![.., ..;-1, ..;-1, ..;-1]).as_standard_layout().into_owned();
    (1..4).for_each(|axis| backwards.invert_axis(Axis(axis)));
    let (n, c, h, w) = x.dim();
    let mut gaps = Array4::from_elem((n, c, 2 * h, 3 * w), gap);
    gaps.slice_mut(s![.., .., ..;2, ..;3]).assign(x);
    let exchanged = x.view().permuted_axes([2, 3, 0, 1]).as_standard_layout().into_owned();
    [backwards, gaps.slice_move(s![.., .., ..;2, ..;3]), exchanged.permuted_axes([2, 3, 0, 1])]
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
    let [data, function]: [&dyn ChannelWise<f32>; 2] = [data, &function];
    let fused = run(data, data);
    for (inner, output) in [(data, function), (function, data), (function, function)] {
        prop_assert_eq!(&run(inner, output), &fused);
    }
    // The shortcut may have any memory layout.
    for shortcut in strange(&shortcut, 77.0) {
        let after = Epilogue { function: data, shortcut: Some(shortcut.view()), output: data };
        prop_assert_eq!(&convolver.conv(x.view(), &kernels[0], &after).unwrap(), &fused);
    }
    let relu = Epilogue { function: data, shortcut: None, output: &Activation::Relu };
    let by_hand = convolver.conv(x.view(), &kernels[0], &Epilogue::only(data)).unwrap();
    let by_hand = by_hand.mapv(|z| z.relu());
    prop_assert_eq!(&convolver.conv(x.view(), &kernels[0], &relu).unwrap(), &by_hand);

    let paths = convolver.split(x.view(), &kernels, data).unwrap();
    let inputs = [x.clone(), x.clone()];
    for function in [data, function] {
        prop_assert_eq!(&convolver.split(x.view(), &kernels, function).unwrap(), &paths);
        prop_assert_eq!(&convolver.each(&inputs, &kernels, function).unwrap(), &paths);
    }
    Ok(())
}

/// Functions as data. If the second field is a number, they break the contract and always give that many channels.
struct AsData(Vec<Affine<f32>>, Option<usize>);

impl ChannelWise<f32> for AsData {
    fn apply(&self, channel: usize, mut plane: ndarray::ArrayViewMut3<'_, f32>) {
        let affine = self.0[channel];
        plane.mapv_inplace(|z| affine.at(&z));
    }
    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, f32>> {
        self.0.get(self.1.map_or(channels, |given| 0..given)).map(Elementwise::Affine)
    }
}

struct AsFunction<'a>(&'a AsData);

impl ChannelWise<f32> for AsFunction<'_> {
    fn apply(&self, channel: usize, plane: ndarray::ArrayViewMut3<'_, f32>) {
        self.0.apply(channel, plane);
    }
}

/// The property tests above can fail: they do if the kernel is flipped.
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

/// The message about a wrong geometry contains the name and the number of what is wrong.
#[test]
fn bad_geometry_is_refused_with_its_numbers() {
    macro_rules! refused {
        ($($message:literal: $result:expr;)*) => {
            $(assert_eq!($result.err().unwrap().to_string(), $message);)*
        };
    }
    let fast = Fast::new();
    let spec = ConvSpec::new;
    let prepare = |value: f32, shape: [usize; 4], spec: triform::Result<ConvSpec>| {
        fast.prepare(Array4::from_elem(shape, value).view(), spec?)
    };
    let sums = |shape: [usize; 4], kernel: &_| fast.sums(Array4::ones(shape).view(), kernel);
    let grouped = prepare(0.0, [9, 2, 3, 3], spec(1, 0, 1, 3)).unwrap();
    let lopsided = |shape: [usize; 4]| {
        let along = Along { stride: 1, padding: [0, 1], dilation: 1 };
        sums(shape, &prepare(0.0, [9, 2, 3, 3], ConvSpec::by_axis(along, along, 3))?)
    };
    let (x, shortcut) = (Array4::zeros((1, 6, 5, 5)), Array4::zeros((1, 9, 3, 2)));
    let shortcut = Some(shortcut.view());
    let after = Epilogue { function: &Identity, shortcut, output: &Identity };
    let data = AsData(vec![Affine { scale: 1.0, shift: 0.0, relu: false }; 9], None);
    let as_data = Epilogue { function: &data, shortcut, output: &data };
    refused! {
        "stride is 0; it must be at least 1": spec(0, 0, 1, 1);
        "dilation is 0; it must be at least 1": spec(1, 0, 0, 1);
        "number of groups is 0; it must be at least 1": spec(1, 0, 1, 0);
        "8 output channels cannot be divided into 3 groups of equal size": prepare(0.0, [8, 2, 3, 3], spec(1, 0, 1, 3));
        "number of input channels of a group is 0; it must be at least 1":
            prepare(0.0, [8, 0, 3, 3], spec(1, 0, 1, 1));
        "7 input channels cannot be divided into 3 groups of equal size": sums([1, 7, 5, 5], &grouped);
        "input of a convolution has shape [1, 9, 5, 5]; it must be N x 6 x H x W (3 groups of 2)":
            sums([1, 9, 5, 5], &grouped);
        "a kernel of 3 taps (dilation 1) is larger than the padded map: height 2, padding 0":
            sums([1, 6, 2, 5], &grouped);
        "a kernel of 3 taps (dilation 1) is larger than the padded map: width 1, padding 0 before the map and 1 \
         after it":
            lopsided([1, 6, 2, 1]);
        "map width is 0; it must be at least 1": sums([1, 6, 5, 0], &grouped);
        "shortcut has shape [1, 9, 3, 2]; it must be [1, 9, 3, 3], that of the sum it is added to":
            fast.conv(x.view(), &grouped, &after);
        "shortcut has shape [1, 9, 3, 2]; it must be [1, 9, 3, 3], that of the sum it is added to":
            fast.conv(x.view(), &grouped, &as_data);
        "window of a pool has shape [3, 3]; it must be such that none lies within the padding of 3":
            max_pool(x.view(), 3, spec(1, 3, 1, 1).unwrap());
        // Taps at -1 and 5 of a map of 5.
        "window of a pool has shape [2, 2]; it must be such that none lies within the padding of 1":
            max_pool(x.view(), 2, spec(1, 1, 6, 1).unwrap());
        "inputs, one for each path: 0 needed, but 1 given":
            fast.merge(std::slice::from_ref(&x), &[], &after);
    }
    // Sizes beyond memory are refused, not tried.
    for (k, padding, dilation, x) in
        [(1, 1 << 40, 1, [1, 6, 1, 1]), (3, 1 << 40, 1 << 40, [1, 6, 5, 4])]
    {
        let kernel = prepare(0.0, [1, 6, k, k], spec(1, padding, dilation, 1)).unwrap();
        let error = sums(x, &kernel).unwrap_err().to_string();
        assert!(error.contains("too large for 64 bits"), "{error}");
    }
    // With a stride beyond the map, only its first pixel is left.
    for (k, padding, value, expected) in [(1, 0, 2.0, 12.0), (3, 1, 1.0, 24.0)] {
        let kernel = prepare(value, [1, 6, k, k], spec(usize::MAX, padding, 1, 1)).unwrap();
        let got = sums([1, 6, 5, 4], &kernel).unwrap();
        assert_eq!(got, Array4::from_elem((1, 1, 1, 1), expected));
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
        let lawless = AsData(affine.clone(), Some(given));
        let got = fast.conv(x.view(), &kernel, &Epilogue::only(&lawless)).unwrap();
        assert_eq!(got, expected, "{given}");
    }
}
