//! Trains the three forms side by side, from the same weights and on the same batches.
//!
//! The paper says that the three forms were trained and gave the same results (section 4). Here every step is compared.
//!
//! - In one order of sums ([`Order::Fixed`]), weights, running statistics and losses are equal to the bit, step after
//!   step. The forward pass is that of [R2](crate::evidence::rungs::r2_bitwise). In the backward pass, the gradient
//!   with respect to a block's input is also summed d channels at a time. Every other gradient has the same terms in
//!   the same order in all forms.
//! - In each form's own order ([`Order::Own`]), rounding differs. Training amplifies the differences, and the weights
//!   drift apart. Loss and accuracy do not show this.

use rayon::iter::{
    IntoParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _,
};
use serde::{Deserialize, Serialize};

use super::digits::{Batches, Digits};
use super::{Model, Sgd, Training};
use crate::block::{BlockSpec, Form};
use crate::conv::{Fast, Recorded, Reference};
use crate::error::Result;
use crate::evidence::{AnyForm, Progress, Runs};
use crate::gallery::{self, Mistake};
use crate::random::Seed;

/// The blocks of the network, each with 4 paths of width 4. The first takes 8 x 8 pixels to 4 x 4.
pub const BLOCKS: [&str; 3] = ["16-4x4-32/2", "32x4x4", "32x4x4"];

/// One class for each digit.
const CLASSES: usize = 10;

/// The order of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The same for all forms: d channels at a time, then over the paths.
    Fixed,
    /// Each form's own order, with the fast convolution.
    Own,
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Steps.
    pub steps: usize,
    /// Images in each step.
    pub batch: usize,
    /// The settings of the first step. Later steps have a lower learning rate.
    pub sgd: Sgd,
    /// The seed of weights and batches.
    pub seed: Seed,
}

impl Default for Plan {
    /// Nearly seven epochs.
    fn default() -> Self {
        let sgd = Sgd { rate: 0.1, momentum: 0.9, decay: 1e-4 };
        Self { steps: 300, batch: 32, sgd, seed: Seed(0) }
    }
}

impl Plan {
    /// The settings of step `step`, counted from 1: the learning rate falls linearly, to 0 after the last step.
    fn at(&self, step: usize) -> Sgd {
        let left = (self.steps + 1 - step) as f64 / self.steps as f64;
        Sgd { rate: self.sgd.rate * left, ..self.sgd }
    }
}

/// A form in training.
struct Run<'a> {
    form: &'a dyn AnyForm,
    order: Order,
    training: Training<f32>,
    losses: Vec<f64>,
}

impl<'a> Run<'a> {
    fn new(form: &'a dyn AnyForm, order: Order, model: Model<f32>) -> Self {
        Self { form, order, training: Training::new(model), losses: Vec::new() }
    }

    fn step(&mut self, digits: &Digits, batch: &[usize], sgd: &Sgd) -> Result<()> {
        let Digits { images, labels } = digits.chosen(batch);
        let batch = (images.view(), &labels[..]);
        let loss = match self.order {
            Order::Fixed => {
                let form = Recorded::<Reference>::of_form(self.form);
                self.training.step(form, batch, sgd, &|d| {
                    let runs = Reference::in_runs_of(d);
                    Recorded { forward: runs, backward: runs }
                })?
            }
            Order::Own => {
                let form = Recorded::<Fast>::of_form(self.form);
                let own = Recorded { forward: Fast::new(), backward: Reference::default() };
                self.training.step(form, batch, sgd, &|_| own)?
            }
        };
        self.losses.push(loss);
        Ok(())
    }

    /// The share of the images that the model recognises: the largest logit is the logit of the image's digit.
    fn accuracy(&self, digits: &Digits) -> Result<f64> {
        let form = <Fast as Runs<f32>>::of_form(self.form);
        let logits = self.training.model().logits(form, digits.images.view(), &Fast::new())?;
        let right = logits.outer_iter().zip(&digits.labels).filter(|(logits, label)| {
            let best = logits.iter().enumerate().max_by(|(_, l), (_, r)| l.total_cmp(r));
            best.is_some_and(|(digit, _)| digit == **label)
        });
        Ok(right.count() as f64 / digits.labels.len() as f64)
    }

    fn result(&self, tested: &Digits) -> Result<Trained> {
        let accuracy = self.accuracy(tested)?;
        Ok(Trained {
            form: self.form.letter(),
            order: self.order,
            losses: self.losses.clone(),
            accuracy,
        })
    }
}

/// The result of training a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Its letter.
    pub form: char,
    /// The order of its sums.
    pub order: Order,
    /// The loss of each step's batch, before the step.
    pub losses: Vec<f64>,
    /// The share of the test images that the model recognises, between 0 and 1.
    pub accuracy: f64,
}

/// The first step after which two forms differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Apart {
    /// The step after which they differ, counted from 1.
    pub step: usize,
    /// The form that differs from the first.
    pub form: char,
    /// How many of the numbers differ.
    pub differing: usize,
}

/// The result of training forms in lockstep.
#[derive(Clone, Debug)]
pub struct Report {
    /// Steps that every form took.
    pub steps: usize,
    /// How many weights and running statistics of the network are compared after each step.
    pub numbers: usize,
    /// The number of training images and the number of test images.
    pub images: [usize; 2],
    /// The first difference in the fixed order, if there is one.
    pub apart: Option<Apart>,
    /// In each form's own order, after each step: the largest difference between two forms' numbers, divided by
    /// the largest number.
    pub drift: Vec<f64>,
    /// The result of each form in the fixed order, then of each form in its own order.
    pub trained: Vec<Trained>,
    /// The result of form (c) in the fixed order, from weights that are drawn path by path.
    pub by_path: Trained,
    /// Whether training was stopped before the last step.
    pub partial: bool,
}

impl Report {
    /// Whether the forms stayed equal to the bit in the fixed order.
    pub fn holds(&self) -> bool {
        self.apart.is_none() && self.steps > 0
    }
}

/// The network's blocks.
fn blocks() -> Result<Vec<BlockSpec>> {
    BLOCKS.iter().map(|block| block.parse()).collect()
}

/// Trains these forms side by side, and after each step compares the first with each of the others.
///
/// Errors: those of [`Training::step`].
pub fn lockstep(forms: &[&dyn AnyForm], plan: &Plan, progress: &dyn Progress) -> Result<Report> {
    let [train, test] = Digits::parted(plan.seed);
    let blocks = blocks()?;
    let model = |by_path| Model::drawn(&blocks, CLASSES, by_path, plan.seed);
    let (same, by_path) = (model(false)?, model(true)?);
    let numbers = same.tensors().iter().map(Vec::len).sum();
    let mut runs: Vec<Run<'_>> = Vec::new();
    for order in [Order::Fixed, Order::Own] {
        runs.extend(forms.iter().map(|form| Run::new(*form, order, same.clone())));
    }
    runs.push(Run::new(&Form::Grouped, Order::Fixed, by_path));
    let (mut apart, mut drift): (Option<Apart>, _) = (None, Vec::new());
    let mut partial = false;
    for (step, batch) in
        (1..=plan.steps).zip(Batches::new(train.labels.len(), plan.batch, plan.seed))
    {
        if progress.stopped() {
            partial = true;
            break;
        }
        progress.step(step - 1, plan.steps, "training the three forms");
        let sgd = plan.at(step);
        runs.par_iter_mut().try_for_each(|run| run.step(&train, &batch, &sgd))?;
        let (fixed, own) = runs.split_at(forms.len());
        apart = first_apart(fixed, step);
        drift.push(largest_difference(&own[..forms.len()]));
        if apart.is_some() {
            break; // The forms are not one function; further steps cannot change that.
        }
    }
    let mut trained = runs.iter().map(|run| run.result(&test)).collect::<Result<Vec<_>>>()?;
    let Some(by_path) = trained.pop() else { unreachable!("it was put there last") };
    let images = [train.labels.len(), test.labels.len()];
    Ok(Report { steps: drift.len(), numbers, images, apart, drift, trained, by_path, partial })
}

/// All numbers of a run's model.
fn numbers(run: &Run<'_>) -> impl Iterator<Item = f32> + use<> {
    run.training.model().tensors().into_iter().flatten()
}

fn first_apart(runs: &[Run<'_>], step: usize) -> Option<Apart> {
    let (first, others) = runs.split_first()?;
    others.iter().find_map(|other| {
        let pairs = numbers(first).zip(numbers(other));
        let differing = pairs.filter(|(l, r)| l.to_bits() != r.to_bits()).count();
        let same_loss =
            first.losses.last().map(|l| l.to_bits()) == other.losses.last().map(|l| l.to_bits());
        let form = other.form.letter();
        (differing > 0 || !same_loss).then_some(Apart { step, form, differing })
    })
}

fn largest_difference(runs: &[Run<'_>]) -> f64 {
    let all: Vec<Vec<f32>> = runs.iter().map(|run| numbers(run).collect()).collect();
    let largest = all.iter().flatten().fold(0.0f32, |largest, w| largest.max(w.abs()));
    let mut difference = 0.0f32;
    for (number, left) in all.iter().enumerate() {
        for right in &all[number + 1..] {
            let pairs = left.iter().zip(right);
            difference = pairs.fold(difference, |most, (l, r)| most.max((l - r).abs()));
        }
    }
    f64::from(difference / largest)
}

/// The mistakes of the wrong blocks that are trained for comparison with the right block.
pub const WRONG: [&str; 12] = [
    "last-path-dropped",
    "last-channel-dropped",
    "next-path-3x3",
    "groups-interleaved",
    "groups-halved",
    "taps-flipped",
    "padding-shifted",
    "norm-by-own-channel",
    "norm-in-each-path",
    "no-second-relu",
    "no-shortcut",
    "channels-shuffled",
];

/// A wrong block, trained.
#[derive(Clone, Debug)]
pub struct WrongTrained {
    /// Its mistake.
    pub mistake: &'static Mistake,
    /// Its result; `None` if its weights did not stay finite.
    pub trained: Option<Trained>,
}

/// Trains blocks with these mistakes in the same way as the right block. If training is stopped, unfinished blocks are
/// left out.
///
/// Errors: those of [`Training::step`], and a mistake that is not in the gallery.
pub fn wrong(names: &[&str], plan: &Plan, progress: &dyn Progress) -> Result<Vec<WrongTrained>> {
    let [train, test] = Digits::parted(plan.seed);
    let model = Model::drawn(&blocks()?, CLASSES, false, plan.seed)?;
    let mistakes = names.iter().map(|name| gallery::named(name)).collect::<Result<Vec<_>>>()?;
    let done = std::sync::atomic::AtomicUsize::new(0);
    let all = names.len() * plan.steps;
    let one = |mistake: &'static Mistake| -> Result<Option<WrongTrained>> {
        let wrong = mistake.wrong();
        let mut run = Run::new(&wrong, Order::Fixed, model.clone());
        for (step, batch) in
            (1..=plan.steps).zip(Batches::new(train.labels.len(), plan.batch, plan.seed))
        {
            if progress.stopped() {
                return Ok(None);
            }
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            progress.step(done, all, mistake.name);
            match run.step(&train, &batch, &plan.at(step)) {
                Err(crate::Error::NotFinite { .. }) => {
                    return Ok(Some(WrongTrained { mistake, trained: None }));
                }
                other => other?,
            }
        }
        match run.result(&test) {
            Err(crate::Error::NotFinite { .. }) => {
                Ok(Some(WrongTrained { mistake, trained: None }))
            }
            result => Ok(Some(WrongTrained { mistake, trained: Some(result?) })),
        }
    };
    let trained = mistakes.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(trained.into_iter().flatten().collect())
}
