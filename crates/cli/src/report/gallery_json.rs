//! The gallery of mistakes as JSON, each with its witness: everything it takes to repeat it.

use ndarray::ArrayView4;
use serde::Serialize;

use triform::block::{BatchNorm, BlockForm as _, BlockWeights, Shortcut};
use triform::evidence::generator::Layout;
use triform::evidence::rungs::Rung;
use triform::gallery::matrix::{Cell, Row};
use triform::gallery::witness::{Mode, Parting, Smallest};

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    form: char,
    changed: &'a str,
    refuted_by: Vec<Rung>,
    missed_by: Vec<Rung>,
    not_applicable: Vec<Rung>,
    seen_in: Option<&'a str>,
    witness: Option<Witness>,
}

#[derive(Serialize)]
struct Witness {
    c_in: usize,
    cardinality: usize,
    width: usize,
    c_out: usize,
    kernel: usize,
    stride: usize,
    stride_on: &'static str,
    shortcut: &'static str,
    kernels: Kernels,
    norms: Norms,
    x: Tensor,
    layout: &'static str,
    second_call: bool,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    moves: Option<Moves>,
    parts: Parts,
}

/// How kernels and input move, where the derivative is compared.
#[derive(Serialize)]
struct Moves {
    kernels: Kernels,
    x: Tensor,
}

#[derive(Serialize)]
struct Kernels {
    reduce: Tensor,
    transform: Tensor,
    expand: Tensor,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection: Option<Tensor>,
}

#[derive(Serialize)]
struct Norms {
    reduce: Norm,
    transform: Norm,
    expand: Norm,
    #[serde(skip_serializing_if = "Option::is_none")]
    projection: Option<Norm>,
}

#[derive(Serialize)]
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    epsilon: f32,
}

/// Elements in the order N, C, H, W (or output, input, row, column); null for NaN.
#[derive(Serialize)]
struct Tensor {
    shape: [usize; 4],
    data: Vec<f32>,
}

/// Where wrong and right part; null for NaN.
#[derive(Serialize)]
struct Parts {
    tensor: &'static str,
    index: [usize; 4],
    found: f32,
    expected: f32,
}

/// All mistakes with what each rung made of them and the smallest block on which they show.
pub fn render(rows: &[(Row, Option<Smallest>)]) -> String {
    let entries: Vec<Entry<'_>> = rows
        .iter()
        .map(|(row, smallest)| Entry {
            name: row.mistake.name,
            form: row.mistake.form.letter(),
            changed: row.mistake.changed,
            refuted_by: row.rungs(Cell::Refuted),
            missed_by: row.rungs(Cell::Missed),
            not_applicable: row.rungs(Cell::NotApplicable),
            seen_in: row.mistake.seen_in,
            witness: smallest.as_ref().map(witness),
        })
        .collect();
    super::json::pretty(&entries)
}

fn witness(smallest: &Smallest) -> Witness {
    let example = &smallest.example;
    let spec = example.weights.spec();
    let on_transform = spec.reduce().stride() == 1;
    let Parting { tensor, index, found, expected } = smallest.parting;
    Witness {
        c_in: spec.c_in(),
        cardinality: spec.cardinality(),
        width: spec.width(),
        c_out: spec.c_out(),
        kernel: spec.kernel(),
        stride: spec.stride(),
        stride_on: if on_transform { "3x3" } else { "1x1" },
        shortcut: match spec.shortcut() {
            Shortcut::None => "none",
            Shortcut::Identity => "identity",
            Shortcut::Projection => "projection",
        },
        kernels: kernels(&example.weights),
        norms: Norms {
            reduce: norm(&example.norms.reduce),
            transform: norm(&example.norms.transform),
            expand: norm(&example.norms.expand),
            projection: example.norms.shortcut.as_ref().map(norm),
        },
        x: tensor_of(example.x.view()),
        layout: if example.layout == Layout::Transposed { "transposed" } else { "standard" },
        second_call: example.second_call,
        mode: match example.mode {
            Mode::Evaluation => "evaluation",
            Mode::Training => "training",
            Mode::Derivative(..) => "derivative",
        },
        moves: match &example.mode {
            Mode::Derivative(moving) => {
                let (weights, x) = &**moving;
                Some(Moves { kernels: kernels(weights), x: tensor_of(x.view()) })
            }
            _ => None,
        },
        parts: Parts { tensor, index, found, expected },
    }
}

fn kernels(weights: &BlockWeights<f32>) -> Kernels {
    Kernels {
        reduce: tensor_of(weights.reduce()),
        transform: tensor_of(weights.transform()),
        expand: tensor_of(weights.expand()),
        projection: weights.shortcut().map(tensor_of),
    }
}

fn norm(norm: &BatchNorm<f32>) -> Norm {
    let all = |which: usize| (0..norm.channels()).map(|c| *norm.channel(c)[which]).collect();
    Norm { gamma: all(0), beta: all(1), mean: all(2), variance: all(3), epsilon: *norm.epsilon() }
}

fn tensor_of(x: ArrayView4<'_, f32>) -> Tensor {
    Tensor { shape: x.dim().into(), data: x.iter().copied().collect() }
}
