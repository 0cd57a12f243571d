//! Weights and their conversions, counts, shapes, and rejected input.

use crate::common::cases::config;
use ndarray::{Array1, Array3, Array4};
use proptest::prelude::*;
use triform::block::{
    Activation, BatchNorm, BlockForm as _, BlockNorms, BlockSpec, BlockWeights, Form, Functions,
    Normalise, Path, Shortcut, StrideOn, TrainingFunctions,
};
use triform::conv::{Affine, ChannelWise, ConvSpec, Elementwise, Reference};
use triform::count;
use triform::evidence::generator;
use triform::network::zoo;
use triform::scalar::{Counter, Int, counted};

proptest! {
    #![proptest_config(config(256))]

    /// Converts canonical weights to paths and back, and paths to canonical weights and back.
    #[test]
    fn weights_and_paths_are_two_views_of_one_thing(case in generator::contract()) {
        let weights = &case.weights;
        let spec = *weights.spec();
        let paths: Vec<Path<'_, Int>> = weights.paths().collect();
        prop_assert_eq!(paths.len(), spec.cardinality());
        let projection = weights.shortcut().map(|kernel| kernel.to_owned());
        let back = BlockWeights::from_paths(spec, &paths, projection.clone()).unwrap();
        prop_assert_eq!(&back, weights);

        // A block made of independent paths has those paths.
        let owned = paths.iter().rev();
        let owned: Vec<_> = owned
            .map(|path| [path.reduce, path.transform, path.expand].map(|kernel| kernel.to_owned()))
            .collect();
        let independent = owned.iter().map(|kernels| {
            let [reduce, transform, expand] = kernels.each_ref().map(|kernel| kernel.view());
            Path { reduce, transform, expand }
        });
        let independent: Vec<_> = independent.collect();
        let block = BlockWeights::from_paths(spec, &independent, projection.clone()).unwrap();
        for (path, given) in block.paths().zip(&independent) {
            prop_assert_eq!(path.reduce, given.reduce);
            prop_assert_eq!(path.transform, given.transform);
            prop_assert_eq!(path.expand, given.expand);
        }
        prop_assert!(BlockWeights::from_paths(spec, &independent[1..], projection).is_err());

        // A path is a view: its kernels lie inside the block's, at the channels of the path.
        let d = spec.width();
        let (reduce, transform, expand) =
            (weights.reduce(), weights.transform(), weights.expand());
        for (i, path) in weights.paths().enumerate() {
            prop_assert!(std::ptr::eq(path.reduce.as_ptr(), &reduce[[i * d, 0, 0, 0]]));
            prop_assert!(std::ptr::eq(path.transform.as_ptr(), &transform[[i * d, 0, 0, 0]]));
            prop_assert!(std::ptr::eq(path.expand.as_ptr(), &expand[[0, i * d, 0, 0]]));
        }
    }

    /// The closed form counts what the arrays hold.
    #[test]
    fn the_count_is_the_length_of_the_arrays(case in generator::contract()) {
        let weights = &case.weights;
        let counted = count::block(weights.spec()).unwrap();
        let held = weights.reduce().len() + weights.transform().len() + weights.expand().len();
        prop_assert_eq!(counted.convolutions, held as u64);
        let shortcut = weights.shortcut().map_or(0, |kernel| kernel.len());
        prop_assert_eq!(counted.shortcut, shortcut as u64);
    }

    /// Each form runs on a number type that counts its own multiplications. The count equals the closed form for taps
    /// inside the map. There are no functions between the convolutions, so only the convolutions multiply.
    #[test]
    fn the_tally_of_every_form_is_the_closed_form(case in generator::contract()) {
        let weights = case.weights.map(|w| Counter(*w));
        let x = case.x.map(|x| Counter(*x));
        let (n, _, h, w) = x.dim();
        let macs = count::block_macs(&case.spec, (h, w)).unwrap();
        let reference = Reference::default();
        for form in Form::ALL {
            let forward = || form.forward(&weights, x.view(), &Functions::none(), &reference);
            let (output, counts) = counted(|| forward().unwrap());
            let expected = n as u64 * (macs.convolutions.inside + macs.shortcut.inside);
            prop_assert_eq!(counts.multiplications, expected, "{:?}", form);
            // Additions outside the dot products: the shortcut, and in form (a) the sum over the paths.
            let shortcut = u64::from(case.spec.shortcut() != Shortcut::None);
            let paths = if form == Form::Aggregated { case.spec.cardinality() as u64 - 1 } else { 0 };
            prop_assert_eq!(counts.additions, output.len() as u64 * (shortcut + paths));
        }
        prop_assert!(macs.convolutions.inside <= macs.convolutions.all_taps);
    }

    /// The closed form agrees with counting the taps one by one.
    #[test]
    fn taps_inside_are_counted(
        k in 1usize..6, n in 1usize..9, stride in 1usize..4, padding in 0usize..5, dilation in 1usize..4,
    ) {
        let spec = ConvSpec::new(stride, padding, dilation, 1).unwrap();
        prop_assume!(spec.output_size("height", n, k).is_ok());
        let n_out = spec.output_size("height", n, k).unwrap();
        let inside = |i: usize, u: usize| {
            (i * stride + u * dilation).checked_sub(padding).is_some_and(|at| at < n)
        };
        let taps = |u: usize| (0..n_out).filter(|&i| inside(i, u)).count();
        let one_axis: usize = (0..k).map(taps).sum();
        let macs = count::convolution_macs(k, 1, 1, &spec, (n, n)).unwrap();
        prop_assert_eq!(macs.inside, (one_axis * one_axis) as u64);
        prop_assert_eq!(macs.all_taps, (n_out * k * n_out * k) as u64);
    }
}

#[test]
fn the_blocks_of_resnext50_are_the_papers() {
    let mut blocks = zoo::named("resnext50_32x4d").unwrap().bottlenecks().unwrap();
    assert_eq!(blocks.len(), 3 + 4 + 6 + 3);
    blocks.retain(|block| block.name.ends_with("_1") || block.name.ends_with("_2"));
    let found = blocks.iter().map(|block| format!("{} {}", block.name, block.spec));
    assert_eq!(
        found.collect::<Vec<_>>().join(", "),
        "conv2_1 64-32x4-256, conv2_2 256-32x4-256, conv3_1 256-32x8-512/2, conv3_2 512-32x8-512, \
         conv4_1 512-32x16-1024/2, conv4_2 1024-32x16-1024, conv5_1 1024-32x32-2048/2, \
         conv5_2 2048-32x32-2048"
    );
    for (number, block) in blocks.iter().enumerate() {
        let first = number % 2 == 0;
        let shortcut = if first { Shortcut::Projection } else { Shortcut::Identity };
        assert_eq!(block.spec.shortcut(), shortcut, "{}", block.name);
        let stride = if first && number > 0 { 2 } else { 1 };
        assert_eq!(block.spec.stride(), stride, "{}", block.name);
        assert_eq!(block.spec.transform(32).height().stride, stride, "{}", block.name);
        assert_eq!(block.spec.reduce().height().stride, 1, "{}", block.name);
    }
    let original = BlockSpec::new(256, 1, 128, 512).unwrap().with_stride(2, StrideOn::Reduce);
    let original = original.unwrap();
    assert_eq!((original.reduce().height().stride, original.transform(1).height().stride), (2, 1));
    assert_eq!(original.output_map((56, 55)).unwrap(), (28, 28));
}

#[test]
fn bad_blocks_are_refused_with_their_numbers() {
    let message = |result: triform::Result<BlockSpec>| result.unwrap_err().to_string();
    let block = || BlockSpec::new(6, 3, 2, 6).unwrap();
    for (spec, words) in [
        (BlockSpec::new(0, 3, 2, 6), "number of input channels is 0; it must be at least 1"),
        (BlockSpec::new(6, 0, 2, 6), "cardinality is 0; it must be at least 1"),
        (BlockSpec::new(6, 3, 0, 6), "width of a path is 0; it must be at least 1"),
        (BlockSpec::new(6, 3, 2, 0), "number of output channels is 0; it must be at least 1"),
        (block().with_stride(0, StrideOn::Reduce), "stride is 0; it must be at least 1"),
        (block().with_kernel(0), "kernel size is 0; it must be at least 1"),
        (
            block().with_kernel(4),
            "kernel size 4 is even; it must be odd, so that the middle convolution keeps the map size",
        ),
        (
            BlockSpec::new(6, 3, 2, 8).unwrap().with_shortcut(Shortcut::Identity),
            "an identity shortcut cannot join 6 input channels at stride 1 to 8 output channels; \
             use a projection",
        ),
    ] {
        assert_eq!(message(spec), words);
    }
    assert!(BlockSpec::new(usize::MAX, 2, 2, 2).is_err());
    // An array of 8-byte numbers must fit in isize: it may have 2^60 - 1 of them.
    assert!(BlockSpec::new((1 << 60) - 1, 1, 1, 1).is_ok());
    assert!(BlockSpec::new(1 << 60, 1, 1, 1).is_err());
    assert!(block().output_map((0, 3)).is_err());

    let zeros = |shape: [usize; 4]| Array4::<f32>::zeros(shape);
    let weights = |transform: [usize; 4], shortcut| {
        let (reduce, expand) = (zeros([6, 6, 1, 1]), zeros([6, 6, 1, 1]));
        BlockWeights::new(block(), reduce, zeros(transform), expand, shortcut)
    };
    assert!(weights([6, 2, 3, 3], None).is_ok());
    assert_eq!(
        weights([6, 6, 3, 3], None).unwrap_err().to_string(),
        "kernel of the 3x3 has shape [6, 6, 3, 3]; it must be [6, 2, 3, 3]"
    );
    assert_eq!(
        weights([6, 2, 3, 3], Some(zeros([6, 6, 1, 1]))).unwrap_err().to_string(),
        "projections of the shortcut: 0 needed, but 1 given"
    );
}

/// A shortcut fits if the padding of the 3x3 keeps the map size. An identity shortcut also needs a block that keeps the
/// shape.
#[test]
fn a_block_has_a_shortcut_only_where_one_fits() {
    let block = || BlockSpec::new(6, 3, 2, 6).unwrap();
    assert_eq!(block().with_padding(1).shortcut(), Shortcut::Identity, "3/2: the map is kept");
    let wide = block().with_kernel(5).unwrap();
    assert_eq!((wide.padding(), wide.shortcut()), (2, Shortcut::Identity));
    assert_eq!(wide.with_padding(2).shortcut(), Shortcut::Identity);

    let shrinking = block().with_padding(0);
    assert_eq!((shrinking.padding(), shrinking.shortcut()), (0, Shortcut::None));
    assert_eq!(shrinking.output_map((5, 6)).unwrap(), (3, 4));
    assert_eq!(shrinking.with_shortcut(Shortcut::None).unwrap(), shrinking);
    for shortcut in [Shortcut::Identity, Shortcut::Projection] {
        assert_eq!(
            shrinking.with_shortcut(shortcut).unwrap_err().to_string(),
            "a block with a shortcut needs padding 1 in its 3x3 convolution, not 0, which changes the map \
             size"
        );
    }

    for shortcut in [Shortcut::None, Shortcut::Identity, Shortcut::Projection] {
        assert_eq!(block().with_shortcut(shortcut).unwrap().shortcut(), shortcut);
    }
    let strided = block().with_stride(2, StrideOn::Transform).unwrap();
    assert!(strided.with_shortcut(Shortcut::Identity).is_err());
    let none = block().with_shortcut(Shortcut::None).unwrap();
    let none = none.with_stride(2, StrideOn::Transform).unwrap();
    assert_eq!(none.shortcut(), Shortcut::None, "a stride adds no shortcut");
}

/// Batch norm in training mode needs two values per channel. They may come from two images, two rows or two columns.
#[test]
fn training_needs_two_values_a_channel() {
    let spec = BlockSpec::new(6, 3, 2, 6).unwrap();
    let norms = BlockNorms::from_fn(false, |_| Ok(BatchNorm::<f32>::fresh(6))).unwrap();
    let of = |batch| TrainingFunctions::new(&norms, 0.1, Activation::Relu, &spec, batch);
    for batch in [(2, (1, 1)), (1, (2, 1)), (1, (1, 2))] {
        assert!(of(batch).is_ok(), "{batch:?}");
    }
    for (batch, values) in [((1, (1, 1)), "1"), ((0, (3, 2)), "0")] {
        let message = of(batch).err().map(|error| error.to_string());
        let words = format!(
            "batch norm in training mode needs at least 2 values per channel, not {values}"
        );
        assert_eq!(message, Some(words));
    }
}

/// A fast convolver asks for these functions as data, to apply them while the sums are in cache. They must exist as
/// data, and the data must do the same as [`ChannelWise::apply`].
#[test]
fn what_the_functions_are_as_data_is_what_they_do() {
    let relu: &dyn ChannelWise<f32> = &Activation::Relu;
    let identity: &dyn ChannelWise<f32> = &Activation::Identity;
    assert_eq!(relu.as_data(3..5), Some(Elementwise::Relu));
    assert_eq!(identity.as_data(3..5), Some(Elementwise::Identity));
    let affine = |scale| Affine { scale, shift: -1.5, relu: scale < 0.0 };
    let norm = Normalise::new(vec![affine(2.0), affine(-3.0)]);
    let values = [0.75f32, -0.25, -0.0, 2.0];
    for channel in 0..2 {
        let Some(Elementwise::Affine([told])) = norm.as_data(channel..channel + 1) else {
            panic!("a batch norm is an affine of each channel");
        };
        let mut plane = Array3::from_shape_vec((2, 1, 2), values.to_vec()).unwrap();
        norm.apply(channel, plane.view_mut());
        let by_data: Vec<u32> = values.iter().map(|z| told.at(z).to_bits()).collect();
        assert_eq!(plane.iter().map(|z| z.to_bits()).collect::<Vec<_>>(), by_data);
    }
    assert_eq!(norm.as_data(0..2), Some(Elementwise::Affine(norm.affine())));
    assert_eq!(norm.as_data(1..3), None, "there is no third channel");
}

#[test]
fn bad_batch_norms_are_refused_with_their_numbers() {
    let norm = |gamma: Vec<f32>, variance: Vec<f32>, epsilon: f32| {
        let zeros = Array1::zeros(2);
        BatchNorm::new(Array1::from(gamma), zeros.clone(), zeros, Array1::from(variance), epsilon)
    };
    let message = |result: triform::Result<BatchNorm<f32>>| result.unwrap_err().to_string();
    assert!(norm(vec![1.0, -1.0], vec![0.0, 1.0], 1e-5).is_ok());
    assert_eq!(
        message(norm(vec![1.0; 3], vec![1.0; 2], 1e-5)),
        "batch norm beta: 3 needed, but 2 given"
    );
    assert_eq!(
        message(norm(vec![1.0; 2], vec![1.0, -0.5], 1.0)),
        "batch norm, channel 1: variance -0.5, epsilon 1; the variance must be at least 0, and \
         variance + epsilon must be above 0"
    );
    assert!(norm(vec![1.0; 2], vec![0.0, 1.0], 0.0).is_err());
    assert!(norm(vec![1.0; 2], vec![1.0; 2], f32::NAN).is_err());
    assert_eq!(
        message(norm(vec![1.0, f32::NAN], vec![1.0; 2], 1e-5)),
        "batch norm gamma: element [1] is NaN, not a finite number"
    );
    // The data are finite, but their scale is not.
    let huge = norm(vec![f32::MAX; 2], vec![0.0; 2], 1e-9).unwrap();
    assert!(huge.fold().is_err());

    let spec = BlockSpec::new(6, 3, 2, 6).unwrap();
    let mut norms = BlockNorms::from_fn(false, |_| Ok(BatchNorm::<f32>::fresh(6))).unwrap();
    norms.transform = BatchNorm::fresh(5);
    assert_eq!(
        norms.check(&spec).unwrap_err().to_string(),
        "channels of the second batch norm: 6 needed, but 5 given"
    );
}
