//! Computes gradients in three ways: by the formulas, backwards with numbers that record, and forwards with dual
//! numbers.

use ndarray::{Array, Array4, Dimension, s};
use proptest::prelude::*;
use triform::block::{
    Activation, BatchNorm, BlockForm as _, Form, Functions, NormFunctions, Normalise, RecordedNorm,
    TrainingNorm,
};
use triform::conv::{
    Affine, ChannelWise as _, Convolver, Recorded, Reference, bias_gradient, kernel_gradient,
};
use triform::evidence::Shape;
use triform::evidence::generator::{self, tensor};
use triform::evidence::rungs::r3_exact_integers::certify;
use triform::scalar::{Additive, Dot, Dual, Int, M61, Ordered, Scalar, Var, gradients};

use crate::common::cases::config;
use crate::convolution::{Problem, problem};

/// Batch norms of integers, converted to another number type, with ReLU.
fn over<S: Ordered>(functions: &NormFunctions<f64>, to: impl Fn(Int) -> S) -> NormFunctions<S> {
    let number = |value: f64| to(Int::from(value as i64));
    let norm = |norm: &Normalise<f64>| {
        let affine = norm.affine().iter().map(|affine| {
            let (scale, shift) = (number(affine.scale), number(affine.shift));
            Affine { scale, shift, relu: affine.relu }
        });
        Normalise::new(affine.collect())
    };
    let NormFunctions { reduce, transform, expand, shortcut, output } = functions;
    let shortcut = shortcut.as_ref().map(norm);
    let [reduce, transform, expand] = [reduce, transform, expand].map(norm);
    NormFunctions { reduce, transform, expand, shortcut, output: *output }
}

fn inner<S: Scalar, D: Dimension>(left: &Array<S, D>, right: &Array<S, D>) -> S {
    assert_eq!(left.shape(), right.shape());
    left.iter().zip(right).fold(S::zero(), |sum, (l, r)| sum.add(&l.mul(r)))
}

/// A convolution, directions for its input and its kernel, and a gradient with respect to its output.
fn moving() -> impl Strategy<Value = (Problem, Array4<Int>, Array4<Int>, Array4<Int>)> {
    problem().prop_flat_map(|problem| {
        let (x, weights) = (problem.x.dim().into(), problem.weights.dim().into());
        let output = problem.output();
        (Just(problem), tensor(x, 8), tensor(weights, 8), tensor(output, 8))
    })
}

fn sums<S: Dot>(x: &Array4<S>, weights: &Array4<S>, problem: &Problem) -> Array4<S> {
    let reference = Reference::default();
    reference.sums(x.view(), &reference.prepare(weights.view(), problem.spec).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(config(256))]

    /// `<g, J u> = <J^T g, u>`: the forward derivative along `u`, weighted by `g`, equals the backward gradient of `g`,
    /// weighted by `u`. This is tested over the integers and over a field, with any stride, dilation and padding along
    /// either axis.
    #[test]
    fn the_way_back_is_the_adjoint_of_the_way_there((problem, dx, dw, g) in moving()) {
        fn check<S: Dot>(problem: &Problem, [dx, dw, g]: [&Array4<Int>; 3], to: fn(&Int) -> S) {
            let (x, weights) = (problem.x.map(to), problem.weights.map(to));
            let [dx, dw, g] = [dx, dw, g].map(|array| array.map(to));
            let dual = |values: &Array4<S>, moves: &Array4<S>| {
                let pairs = values.iter().cloned().zip(moves.iter().cloned());
                let duals = pairs.map(|(value, derivative)| Dual { value, derivative }).collect();
                Array4::from_shape_vec(values.dim(), duals).unwrap()
            };
            let forwards = sums(&dual(&x, &dx), &dual(&weights, &dw), problem).map(|z| z.derivative.clone());
            let (_, _, h, w) = x.dim();
            let (_, _, k_h, k_w) = weights.dim();
            for reference in [Reference::default(), Reference::in_runs_of(2)] {
                let by_x = reference.input_gradient(g.view(), weights.view(), problem.spec, (h, w)).unwrap();
                let by_w = kernel_gradient(g.view(), x.view(), problem.spec, (k_h, k_w)).unwrap();
                assert_eq!(inner(&by_x, &dx).add(&inner(&by_w, &dw)), inner(&g, &forwards));
            }
        }
        let arrays = [&dx, &dw, &g];
        check(&problem, arrays, |integer| *integer);
        check(&problem, arrays, |integer| M61::of(integer.value().unwrap()));
    }

    /// Three ways give the same gradients: recording each product, recording each convolution as a whole, and the
    /// formulas.
    #[test]
    fn the_record_gives_what_the_formulas_give((problem, _, _, g) in moving()) {
        let Problem { x, weights, spec } = &problem;
        let (_, _, h, w) = x.dim();
        let (_, _, k_h, k_w) = weights.dim();
        let reference = Reference::default();
        let by_x = reference.input_gradient(g.view(), weights.view(), *spec, (h, w)).unwrap();
        let by_w = kernel_gradient(g.view(), x.view(), *spec, (k_h, k_w)).unwrap();
        let (x, weights) = (Var::tracked(x), Var::tracked(weights));
        let recorded = Recorded { forward: reference, backward: reference };
        let whole = recorded.sums(x.view(), &recorded.prepare(weights.view(), *spec).unwrap()).unwrap();
        let single = sums(&x, &weights, &problem);
        prop_assert_eq!(&whole, &single);
        for z in [whole, single] {
            let by = gradients(&z, &g);
            prop_assert_eq!(&by.of(&x), &by_x);
            prop_assert_eq!(&by.of(&weights), &by_w);
        }
        let biases: Vec<Int> = (0..g.dim().1).map(|o| g.slice(s![.., o, .., ..]).iter().fold(Int::from(0), |sum, g| sum.add(g))).collect();
        prop_assert_eq!(bias_gradient(g.view()).to_vec(), biases);
    }

    /// Compares the gradients of a whole block with its forward derivative, over integers, with batch norm and ReLU.
    /// The gradients come from a record of every operation, and from a record of whole convolutions.
    #[test]
    fn blocks_differentiate_the_same_way_back_and_forth(case in generator::contract(), seed in 0u64..1000) {
        use rand::Rng as _;
        let mut rng = triform::random::Seed(seed).stream(triform::random::Purpose::Directions, &[]);
        let mut small = || Int::from(rng.random_range(-2i64..=2));
        let moves = case.weights.map(|_| small());
        let dx = case.x.map(|_| small());
        // Integers with scale 1 or -1, chosen when the sums are first seen.
        let (weights, x) = (case.weights.clone(), case.x.clone());
        let exact = certify(weights, x, &case.live(), i64::MAX / 2).unwrap();
        let norms = exact.map(|exact| exact.norms).unwrap();
        let functions = NormFunctions::new(&norms, Activation::Relu).unwrap();

        let mut moving = moves.kernels().flat_map(|kernel| kernel.into_iter());
        let weights = case.weights.map(|value| Dual { value: *value, derivative: *moving.next().unwrap() });
        let x = ndarray::Zip::from(&case.x).and(&dx).map_collect(|&value, &derivative| Dual { value, derivative });
        let duals = over(&functions, Dual::constant);
        let reference = Reference::default();
        let forwards = Form::Grouped.forward(&weights, x.view(), &duals.functions(), &reference).unwrap();
        let derivative = forwards.map(|y| y.derivative);
        let g = derivative.map(|_| small());

        for form in Form::ALL {
            let vars = over(&functions, Var::constant);
            let functions: Functions<'_, Var<Int>> = vars.functions();
            let kernels: Vec<_> = case.weights.kernels().map(|kernel| Var::tracked(&kernel.to_owned())).collect();
            let mut numbers = kernels.iter().flatten().cloned();
            let weights = case.weights.map(|_| numbers.next().unwrap());
            let x = Var::tracked(&case.x);
            let recorded = Recorded { forward: reference, backward: reference };
            let whole = form.forward(&weights, x.view(), &functions, &recorded).unwrap();
            let single = form.forward(&weights, x.view(), &functions, &reference).unwrap();
            for y in [whole, single] {
                let by = gradients(&y, &g);
                let mut sum = inner(&by.of(&x), &dx);
                for (kernel, moves) in kernels.iter().zip(moves.kernels()) {
                    sum = sum.add(&inner(&by.of(kernel), &moves.to_owned()));
                }
                prop_assert_eq!(sum, inner(&g, &derivative), "{:?}", form);
            }
        }
    }
}

/// In training mode, the record has one operation per channel. Its gradients agree with those of batch norm itself, run
/// on numbers that record and on dual numbers, within the rounding of f64.
#[test]
fn the_gradient_of_batch_norm_in_training_mode() {
    let shape = Shape::new("3x2x2".parse().unwrap(), (3, 4));
    let mut rng = triform::random::Seed(5).stream(triform::random::Purpose::Norms, &[]);
    let mut number = || f64::from(triform::random::normal(1, &mut rng)[0]);
    let plane = ndarray::Array3::from_shape_simple_fn((2, shape.map.0, shape.map.1), &mut number);
    let g = plane.map(|_| number());
    let channel = [1.3, -0.4, 0.2, 0.7];
    for activation in [Activation::Identity, Activation::Relu] {
        let norm = BatchNorm::of_channels(&[channel], 1e-5).unwrap();
        let training = TrainingNorm::new(norm, 0.1, activation);
        let recorded = RecordedNorm::tracked(&training);
        let z = Var::tracked(&plane);
        let mut y = z.clone();
        recorded.apply(0, y.view_mut());
        let by = gradients(&y, &g);
        let [gamma, beta] = recorded.parameters().map(|parameter| by.of(parameter)[0]);
        let by_z = by.of(&z);

        let numbers = Var::tracked(&ndarray::arr1(&channel));
        let own = [[0, 1, 2, 3].map(|at| numbers[at].clone())];
        let norm = BatchNorm::of_channels(&own, Var::constant(1e-5)).unwrap();
        let plain = TrainingNorm::new(norm, Var::constant(0.1), activation);
        let mut same = z.clone();
        plain.apply(0, same.view_mut());
        assert_eq!(same, y);
        let by = gradients(&same, &g);
        let close = |l: f64, r: f64| assert!((l - r).abs() < 1e-12, "{l} {r}");
        close(by.of(&numbers)[0], gamma);
        close(by.of(&numbers)[1], beta);
        assert_eq!(
            by.of(&numbers).to_vec()[2..],
            [0.0, 0.0],
            "the running statistics are not used"
        );
        by.of(&z).iter().zip(&by_z).for_each(|(l, r)| close(*l, *r));

        // Forward, in the direction of each value.
        let constants = channel.map(Dual::constant);
        let norm = BatchNorm::of_channels(&[constants], Dual::constant(1e-5)).unwrap();
        let plain = TrainingNorm::new(norm, Dual::constant(0.1), activation);
        for at in 0..plane.len() {
            let mut dual = plane.map(|value| Dual::constant(*value));
            dual.as_slice_mut().unwrap()[at].derivative = 1.0;
            plain.apply(0, dual.view_mut());
            close(inner(&dual.map(|y| y.derivative), &g), by_z.as_slice().unwrap()[at]);
        }
    }
}
