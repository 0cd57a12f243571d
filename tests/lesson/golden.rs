//! Comparisons with PyTorch's convolutions and torchvision's Bottleneck, in f64. tests/golden/gradients.py wrote the
//! values of gradients, and tests/golden/make.py wrote all other values.

use std::fs::File;

use ndarray::{Array, Array1, Array2, Array4, ArrayView4, Axis, Dimension, IxDyn};
use ndarray_npy::{NpzReader, ReadableElement};
use triform::block::{
    Activation, BatchNorm, BlockForm as _, BlockNorms, BlockSpec, BlockWeights, Form,
    NormFunctions, Shortcut, StrideOn, TrainingFunctions,
};
use triform::conv::{ConvSpec, Convolver, Fast, Recorded, Reference, max_pool};
use triform::evidence::bound::balls;
use triform::evidence::verdict::against_balls;
use triform::scalar::{Var, gradients};
use triform::train::{Model, Sgd, Training};

/// The tensors of a file whose names begin with this prefix.
struct Golden(NpzReader<File>, String);

impl Golden {
    fn open(name: &str) -> Self {
        Self::of("torch", name)
    }

    fn of(file: &str, name: &str) -> Self {
        let path = format!("{}/tests/golden/{file}.npz", env!("CARGO_MANIFEST_DIR"));
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

/// Asserts that both tensors agree within 1e-12 of the largest value. f64 rounds each term by 1e-16 of its size. The
/// longest of these sums has 288 terms, which cancel to a hundredth at worst.
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

        // In f32 the data are rounded first, so the right values are those of the rounded data.
        // That the balls' centres are torchvision's too is checked to f32's precision.
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

/// Compares outputs and running statistics in training mode, in every form.
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

/// Compares gradients with respect to input, kernels and batch norm parameters, in both modes and every form.
#[test]
fn gradients_are_torchvisions_in_every_form() {
    let blocks = [
        "identity",
        "projection",
        "stride_2",
        "resnet",
        "depthwise",
        "wide_paths",
        "many_paths",
        "stride_2_odd",
    ];
    let mut compared = 0;
    for (name, mode) in
        blocks.into_iter().flat_map(|name| [(name, "inference"), (name, "training")])
    {
        let mut golden = Golden::of("gradients", &format!("bottleneck_{name}/{mode}"));
        let (spec, weights, _) = golden.block();
        let (x, y, g) = (golden.tensor("x"), golden.tensor("y"), golden.tensor("g"));
        let (n, _, h, w) = x.dim();
        let reference = Reference::default();
        let recorded = Recorded { forward: reference, backward: reference };
        for form in Form::ALL {
            let mut tracked: Vec<(String, Array4<Var<f64>>)> = Vec::new();
            let x = Var::tracked(&x);
            tracked.push(("x".to_owned(), x.clone()));
            for (kernel, layer) in
                weights.kernels().zip(["conv1", "conv2", "conv3", "downsample.0"])
            {
                tracked.push((format!("{layer}.weight"), Var::tracked(&kernel.to_owned())));
            }
            let mut numbers = tracked[1..].iter().flat_map(|(_, kernel)| kernel).cloned();
            let weights = weights.map(|_| numbers.next().unwrap());
            let epsilon = Var::constant(golden.vector("epsilon")[0]);
            let mut norm = |of: &str| {
                let mut vector = |part: &str| golden.vector(&format!("{of}.{part}"));
                let [mean, variance] =
                    ["running_mean", "running_var"].map(&mut vector).map(|v| v.mapv(Var::constant));
                let [gamma, beta] = ["weight", "bias"].map(|part| {
                    let own = Var::tracked(&vector(part));
                    let row =
                        own.clone().insert_axis(Axis(1)).insert_axis(Axis(2)).insert_axis(Axis(3));
                    tracked.push((format!("{of}.{part}"), row));
                    own
                });
                BatchNorm::new(gamma, beta, mean, variance, epsilon.clone()).unwrap()
            };
            let norms = BlockNorms {
                reduce: norm("bn1"),
                transform: norm("bn2"),
                expand: norm("bn3"),
                shortcut: (spec.shortcut() == Shortcut::Projection).then(|| norm("downsample.1")),
            };
            let relu = Activation::Relu;
            let momentum = Var::constant(golden.vector("momentum")[0]);
            let output = if mode == "training" {
                let functions =
                    TrainingFunctions::new(&norms, momentum, relu, &spec, (n, (h, w))).unwrap();
                form.forward(&weights, x.view(), &functions.functions(), &recorded).unwrap()
            } else {
                let functions = NormFunctions::new(&norms, relu).unwrap();
                form.forward(&weights, x.view(), &functions.functions(), &recorded).unwrap()
            };
            let what = format!("{name}, {mode}, {form:?}");
            assert_close(output.map(|y| *y.value()).view(), y.view(), &what);
            let by = gradients(&output, &g);
            for (of, tensor) in &tracked {
                let found = by.of(tensor);
                let right: Vec<f64> =
                    golden.array::<f64, IxDyn>(&format!("grad.{of}")).into_iter().collect();
                let right = Array4::from_shape_vec(found.dim(), right).unwrap();
                assert_close(found.view(), right.view(), &format!("{of}, {what}"));
                compared += found.len();
            }
        }
    }
    assert!(compared > 50_000, "{compared}");
}

/// Trains a small network for ten steps, and compares every weight and every statistic after each step.
#[test]
fn ten_steps_of_training_are_pytorchs_in_every_form() {
    fn model(golden: &mut Golden, step: usize) -> Model<f64> {
        let norm = |golden: &mut Golden, of: &str| {
            let vector = |part: &str| golden.vector(&format!("step{step}.{of}.{part}"));
            let [gamma, beta, mean, variance] =
                ["weight", "bias", "running_mean", "running_var"].map(vector);
            BatchNorm::new(gamma, beta, mean, variance, 1e-5).unwrap()
        };
        let stem = (golden.tensor(&format!("step{step}.0.weight")), norm(golden, "1"));
        let blocks = [(3, "8-4x2-16"), (4, "16x4x2"), (5, "16-4x3-24/2")].map(|(number, spec)| {
            let spec: BlockSpec = spec.parse().unwrap();
            let projected = spec.shortcut() == Shortcut::Projection;
            let mut kernel = |of: &str| golden.tensor(&format!("step{step}.{number}.{of}.weight"));
            let [reduce, transform, expand] = ["conv1", "conv2", "conv3"].map(&mut kernel);
            let shortcut = projected.then(|| kernel("downsample.0"));
            let weights = BlockWeights::new(spec, reduce, transform, expand, shortcut).unwrap();
            let mut norm = |of: &str| norm(golden, &format!("{number}.{of}"));
            let [reduce, transform, expand] = ["bn1", "bn2", "bn3"].map(&mut norm);
            let shortcut = projected.then(|| norm("downsample.1"));
            (weights, BlockNorms { reduce, transform, expand, shortcut })
        });
        let top: Array2<f64> = golden.array(&format!("step{step}.8.weight"));
        let top = top.insert_axis(Axis(2)).insert_axis(Axis(3));
        let bias = golden.vector(&format!("step{step}.8.bias"));
        Model::new(stem, blocks.into(), (top, bias)).unwrap()
    }
    let mut golden = Golden::of("gradients", "steps");
    let losses = golden.vector("losses");
    let sgd = Sgd { rate: 0.1, momentum: 0.9, decay: 1e-3 };
    let reference = Reference::default();
    let recorded = Recorded { forward: reference, backward: reference };
    let mut compared = 0;
    for form in Form::ALL {
        let mut training = Training::new(model(&mut golden, 0));
        for step in 1..=10 {
            let x = golden.tensor(&format!("x{step}"));
            let labels: Array1<i64> = golden.array(&format!("labels{step}"));
            let labels: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
            let loss = training.step(&form, (x.view(), &labels), &sgd, &|_| recorded).unwrap();
            assert!((loss - losses[step - 1]).abs() < 1e-10, "{form:?}, step {step}");
            let expected = model(&mut golden, step).tensors();
            for (number, (found, expected)) in
                training.model().tensors().iter().zip(&expected).enumerate()
            {
                let largest = expected.iter().fold(0f64, |most, value| most.max(value.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    let off = (found - expected).abs();
                    assert!(
                        off <= 1e-10 * largest,
                        "{form:?}, step {step}, tensor {number}: {off:e}"
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 3 * 10 * 3000, "{compared}");
}

/// The comparison can fail: it does if one value is off by one part in a million.
#[test]
#[should_panic(expected = "spoilt")]
fn a_spoilt_value_is_seen() {
    let mut golden = Golden::open("conv_grouped");
    let y = golden.tensor("y");
    let mut spoilt = y.clone();
    spoilt[[1, 2, 0, 3]] *= 1.000_001;
    assert_close(spoilt.view(), y.view(), "spoilt");
}
