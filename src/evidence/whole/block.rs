//! A block of a network, on what it receives there.

use ndarray::{Array4, ArrayViewMut3};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::BlockReport;
use super::blind::Blind;
use crate::block::{Activation, BlockNorms, BlockWeights, Form, Layer};
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::evidence::any_form::{AnyForm, Problem};
use crate::evidence::between::Between;
use crate::evidence::compare::{compare, pairs};
use crate::evidence::generator::Shape;
use crate::evidence::progress::Progress;
use crate::evidence::rungs::{NetworkBlock, Rung};
use crate::evidence::verdict::Finding;
use crate::evidence::watched::place;
use crate::network::architecture::NamedBlock;
use crate::random::Seed;

/// A block and what it received.
pub(super) struct Received<'a> {
    /// Its number in the network, from 0.
    pub(super) number: usize,
    pub(super) named: NamedBlock,
    pub(super) weights: &'a BlockWeights<f32>,
    pub(super) norms: &'a BlockNorms<f32>,
    /// N x C_in x H x W.
    pub(super) x: Array4<f32>,
}

impl Received<'_> {
    /// The block by each of the rungs.
    pub(super) fn judge(
        &self,
        forms: &[&dyn AnyForm],
        rungs: &[Rung],
        seed: Seed,
        progress: &dyn Progress,
    ) -> Result<BlockReport> {
        let between = Between::norms(self.norms, Activation::Relu);
        let problem = Problem { weights: self.weights, x: self.x.view(), between };
        let dead = self.dead_channels(&problem)?;
        let (_, _, h, w) = self.x.dim();
        let alive = dead.map(|dead| self.named.spec.inner() - dead);
        let blind = Blind::of(self.weights, self.norms, (h, w), alive);
        let outputs = problem.solve_all(forms, &Fast::new())?;
        let (norms, shape) = (self.norms, self.shape());
        let block = NetworkBlock { problem: &problem, norms, outputs: &outputs, shape };
        let mut findings = Vec::new();
        for &rung in rungs {
            let since = progress.now();
            let Some(judge) = rung.on_network() else { continue };
            let evidence = judge.judge(forms, &block, (seed, self.number as u64))?;
            let ms = progress.now() - since;
            let about = (rung, self.named.name.as_str(), judge.scope().to_owned());
            let mut finding = Finding::conclude(about, evidence, seed.0, ms)?;
            Blind::qualify(&blind, &mut finding);
            findings.push(finding);
        }
        Ok(BlockReport {
            name: self.named.name.clone(),
            spec: self.named.spec,
            map: (h, w),
            differences: pairs(forms, |i, j| compare(outputs[i].view(), outputs[j].view()).max_abs),
            dead_channels: dead.iter().sum(),
            blind,
            findings,
        })
    }

    /// What R4 runs on.
    fn shape(&self) -> Shape {
        let (n, _, h, w) = self.x.dim();
        // On a smaller map than the kernel some of its weights would never multiply.
        let k = self.named.spec.kernel();
        Shape { n, ..Shape::new(self.named.spec, (h.max(k), w.max(k))) }
    }

    /// In each of the first two layers, how many channels have nothing above 0. Form (c) itself is run,
    /// whatever the forms are that are judged, and must stay finite: no bound says anything of what
    /// overflows.
    fn dead_channels(&self, problem: &Problem<'_, f32>) -> Result<[usize; 2]> {
        let dead = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let wild = Mutex::new(None);
        let see = |layer: Layer, channel: usize, plane: ArrayViewMut3<'_, f32>| {
            if let Some(((n, h, w), &value)) = plane.indexed_iter().find(|(_, x)| !x.is_finite()) {
                let index = vec![n, channel, h, w];
                let what = format!("{} {}", self.named.name, place(layer));
                let value = f64::from(value);
                let mut wild = wild.lock().unwrap_or_else(PoisonError::into_inner);
                wild.get_or_insert(Error::Overflow { what, index, value });
            }
            let number = match layer {
                Layer::Reduce => 0,
                Layer::Transform => 1,
                _ => return,
            };
            if plane.iter().all(|value| *value <= 0.0) {
                dead[number].fetch_add(1, Ordering::Relaxed);
            }
        };
        problem.solve_seen(&Form::Grouped, &Fast::new(), &see)?;
        match wild.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(overflow) => Err(overflow),
            None => Ok(dead.map(AtomicUsize::into_inner)),
        }
    }
}
