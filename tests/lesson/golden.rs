//! Against PyTorch: its convolutions, and torchvision's Bottleneck, in f64. The values were
//! written by tests/golden/make.py.

use std::fs::File;

use ndarray::{Array, Array1, Array4, ArrayView4, Dimension};
use ndarray_npy::{NpzReader, ReadableElement};
use triform::block::{
    Activation, BatchNorm, BlockForm as _, BlockNorms, BlockSpec, BlockWeights, Form,
    NormFunctions, Shortcut, StrideOn, TrainingFunctions,
};
use triform::conv::{ConvSpec, Convolver, Fast, Reference, max_pool};
use triform::evidence::bound::balls;
use triform::evidence::verdict::against_balls;

/// The tensors whose names begin with this.
struct Golden(NpzReader<File>, String);

impl Golden {
    fn open(name: &str) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/torch.npz");
        Self(NpzReader::new(File::open(path).unwrap()).unwrap(), name.to_owned())
    }

    fn array<T: ReadableElement, D: Dimension>(&mut self, name: &str) -> Array<T, D> {
        self.0.by_name(&format!("{}/{name}", self.1)).unwrap()
    }

    fn tensor(&mut self, name: &str) -> Array4<f64> {
        self.array(name)
    }

    fn vector(&mut self, name: &str) -> Array1<f64> {
        self.array(name)
    }

    fn sizes<const N: usize>(&mut self) -> [usize; N] {
        let sizes: Array1<i64> = self.array("spec");
        let sizes: Vec<usize> = sizes.iter().map(|&size| size as usize).collect();
        sizes.try_into().unwrap()
    }

    fn convolution(&mut self) -> ConvSpec {
        let [stride, padding, dilation, groups] = self.sizes();
        ConvSpec::new(stride, padding, dilation, groups).unwrap()
    }

    /// A block: its shape, kernels and batch norms.
    fn block(&mut self) -> (BlockSpec, BlockWeights<f64>, BlockNorms<f64>) {
        let [c_in, cardinality, width, c_out, stride, projection] = self.sizes();
        let epsilon = self.vector("epsilon")[0];
        let shortcut = if projection == 1 { Shortcut::Projection } else { Shortcut::Identity };
        let spec = BlockSpec::new(c_in, cardinality, width, c_out)
            .unwrap()
            .with_stride(stride, StrideOn::Transform)
            .unwrap()
            .with_shortcut(shortcut)
            .unwrap();
        let weights = BlockWeights::new(
            spec,
            self.tensor("conv1.weight"),
            self.tensor("conv2.weight"),
            self.tensor("conv3.weight"),
            (projection == 1).then(|| self.tensor("downsample.0.weight")),
        )
        .unwrap();
        let mut norm = |of: &str| {
            BatchNorm::new(
                self.vector(&format!("{of}.weight")),
                self.vector(&format!("{of}.bias")),
                self.vector(&format!("{of}.running_mean")),
                self.vector(&format!("{of}.running_var")),
                epsilon,
            )
            .unwrap()
        };
        let norms = BlockNorms {
            reduce: norm("bn1"),
            transform: norm("bn2"),
            expand: norm("bn3"),
            shortcut: (projection == 1).then(|| norm("downsample.1")),
        };
        (spec, weights, norms)
    }
}

/// 1e-12 of the tensor's largest value: f64 rounds at 1e-16 of each term, and the longest of
/// these sums has 288 terms that cancel to a hundredth at worst.
fn assert_close(found: ArrayView4<'_, f64>, golden: ArrayView4<'_, f64>, what: &str) {
    assert_eq!(found.shape(), golden.shape(), "{what}");
    let largest = golden.iter().fold(0f64, |largest, value| largest.max(value.abs()));
    let wrong = found
        .iter()
        .zip(golden)
        .filter(|(f, g)| !approx::abs_diff_eq!(**f, **g, epsilon = 1e-12 * largest));
    assert_eq!(wrong.count(), 0, "{what}");
}

#[test]
fn convolutions_are_pytorchs() {
    let names = "dense_3x3 grouped grouped_stride_2 depthwise dilated stem_7x7 pointwise_stride_2 \
                 rectangular_kernel no_padding_stride_3";
    for name in names.split(' ') {
        let mut golden = Golden::open(&format!("conv_{name}"));
        let (x, weight, y) = (golden.tensor("x"), golden.tensor("weight"), golden.tensor("y"));
        let spec = golden.convolution();
        let reference = Reference::default();
        let kernel = reference.prepare(weight.view(), spec).unwrap();
        let sums = reference.sums(x.view(), &kernel).unwrap();
        assert_close(sums.view(), y.view(), name);
    }
}

#[test]
fn the_max_pool_is_pytorchs() {
    let mut golden = Golden::open("max_pool");
    let (x, y) = (golden.tensor("x"), golden.tensor("y"));
    assert_eq!(max_pool(x.view(), 3, golden.convolution()).unwrap(), y);
}

#[test]
fn blocks_are_torchvisions_in_every_form() {
    for name in ["identity", "projection", "stride_2", "resnet", "depthwise"] {
        let mut golden = Golden::open(&format!("bottleneck_{name}"));
        let (spec, weights, norms) = golden.block();
        norms.check(&spec).unwrap();
        let (x, y) = (golden.tensor("x"), golden.tensor("y"));

        let functions = NormFunctions::new(&norms, Activation::Relu).unwrap();
        let reference = Reference::default();
        for form in Form::ALL {
            let output = form.forward(&weights, x.view(), &functions.functions(), &reference);
            assert_close(output.unwrap().view(), y.view(), &format!("{name}, {form:?}"));
        }

        // In f32 the data are rounded first, so the right values are those of the rounded data;
        // that the balls' centres are torchvision's too is checked to f32's precision.
        let weights = weights.map(|&w| w as f32);
        let (norms, x) = (norms.cast::<f32>(), x.mapv(|x| x as f32));
        let balls = balls(&weights, &norms, x.view()).unwrap();
        let largest = y.iter().fold(0f64, |largest, value| largest.max(value.abs()));
        let off = balls.iter().zip(&y).map(|(ball, y)| (ball.centre - y).abs());
        assert!(off.fold(0f64, f64::max) < 1e-4 * largest, "{name}");
        let functions = NormFunctions::new(&norms, Activation::Relu).unwrap();
        for form in Form::ALL {
            let output = form.forward(&weights, x.view(), &functions.functions(), &Fast::new());
            let (_, witness) = against_balls(('?', name), &output.unwrap(), &balls);
            assert_eq!(witness, None, "{form:?}");
        }
    }
}

/// In training mode, outputs and running statistics, in every form.
#[test]
fn training_is_torchvisions_in_every_form() {
    let mut golden = Golden::open("training");
    let (spec, weights, norms) = golden.block();
    let momentum = golden.vector("momentum")[0];
    let (x, y) = (golden.tensor("x"), golden.tensor("y"));
    let (n, _, h, w) = x.dim();
    let reference = Reference::default();
    let mut compared = 0;
    for form in Form::ALL {
        let functions =
            TrainingFunctions::new(&norms, momentum, Activation::Relu, &spec, (n, (h, w))).unwrap();
        let output = form.forward(&weights, x.view(), &functions.functions(), &reference);
        assert_close(output.unwrap().view(), y.view(), &format!("{form:?}"));
        let names = ["bn1", "bn2", "bn3", "downsample.1"];
        for (name, running) in names.into_iter().zip(functions.running()) {
            let column =
                |values: Vec<f64>| Array4::from_shape_vec((1, values.len(), 1, 1), values).unwrap();
            let mean = column(running.values().map(|running| running.mean).collect());
            let variance = column(running.values().map(|running| running.variance).collect());
            for (found, which) in [(mean, "running_mean"), (variance, "running_var")] {
                let golden = column(golden.vector(&format!("after.{name}.{which}")).to_vec());
                assert_close(found.view(), golden.view(), &format!("{form:?} {name} {which}"));
                compared += found.len();
            }
        }
    }
    assert_eq!(compared, 3 * 2 * (2 * spec.inner() + 2 * spec.c_out()));
}

/// The comparison can fail: with one weight off by a part in a million it does.
#[test]
#[should_panic(expected = "spoilt")]
fn a_spoilt_value_is_seen() {
    let mut golden = Golden::open("conv_grouped");
    let y = golden.tensor("y");
    let mut spoilt = y.clone();
    spoilt[[1, 2, 0, 3]] *= 1.000_001;
    assert_close(spoilt.view(), y.view(), "spoilt");
}
