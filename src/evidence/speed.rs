//! Times: those measured in a committed run of `triform bench`, and those given in the paper.
//!
//! A time holds for one machine on one day. So every statement about times is a ratio. Both times were measured
//! together on one machine, round by round, and the statement names that machine.

use serde::{Deserialize, Serialize};

use crate::block::{BlockSpec, Shortcut};
use crate::error::{Error, Result};
use crate::network::layers::{Layer, Operation, Role};
use crate::network::zoo;

/// The committed run. `benches/record.sh` makes a new one, and writes the new file's name here.
const COMMITTED: &str = include_str!("../../benches/records/2026-11-28-amd-epyc.json");

/// Seconds per mini-batch when training ResNeXt-101 32x4d on 8 M40 GPUs (paper, section 5.1).
pub const PAPER_RESNEXT101: f64 = 0.95;
/// The same for ResNet-101.
pub const PAPER_RESNET101: f64 = 0.70;

/// A measured time of a block in one form, or of a whole network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The block, such as `256x32x4`, or the network's name.
    pub block: String,
    /// The block's map size, or the size of the network's input, such as `56x56`.
    pub map: String,
    /// The form's letter.
    pub form: char,
    /// The number of threads.
    pub threads: usize,
    /// The shortest time, in milliseconds.
    pub min_ms: f64,
    /// The median time, in milliseconds.
    pub median_ms: f64,
    /// 10^9 FLOPs per second at the shortest time; a multiply-add is 2 FLOPs.
    pub gflops: f64,
    /// `gflops` as a share of the peak: the measured peak of one thread times the number of threads.
    pub share_of_peak: f64,
}

/// The time of one layer of form (c) by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    /// The block.
    pub block: String,
    /// Its map size.
    pub map: String,
    /// `1x1 in`, `3x3` or `1x1 out`.
    pub layer: String,
    /// The shortest time, in milliseconds.
    pub min_ms: f64,
    /// 10^9 FLOPs per second.
    pub gflops: f64,
    /// FLOPs per byte.
    pub intensity: f64,
}

/// The measured limits with `threads` threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roof {
    /// The number of threads.
    pub threads: usize,
    /// 10^9 FLOPs per second on operands in registers.
    pub gflops: f64,
    /// 10^9 bytes per second read from memory.
    pub memory_gb_s: f64,
    /// 10^9 bytes per second read from the L2 cache.
    pub cache_gb_s: f64,
}

/// The properties of a machine that affect its times and can be detected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// The number of processors that the program may use.
    pub processors: usize,
    /// The vector instructions with which the peak was measured.
    pub instructions: String,
}

/// A run of `triform bench`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The date, such as 2026-11-24.
    pub date: String,
    /// The machine it ran on.
    pub machine: Machine,
    /// The machine's limits, at the number of threads used for `layers`.
    pub roof: Roof,
    /// The times.
    pub rows: Vec<Row>,
    /// The times of single layers.
    pub layers: Vec<LayerRow>,
}

/// A map size in the notation of `--map`.
pub fn map_name((h, w): (usize, usize)) -> String {
    format!("{h}x{w}")
}

/// For each stage of ResNeXt-50: the block with an identity shortcut, and the block's map size for images of 224 x 224.
pub fn stages() -> Result<Vec<(BlockSpec, (usize, usize))>> {
    let network = zoo::named("resnext50_32x4d")?;
    let layers = network.layers(network.usual_input())?;
    let convolves = |layer: &&Layer| matches!(layer.operation, Operation::Convolution { .. });
    let firsts = layers.iter().filter(|layer| layer.role == Some(Role::Reduce)).filter(convolves);
    let mut stages: Vec<(BlockSpec, (usize, usize))> = Vec::new();
    for (block, first) in network.bottlenecks()?.into_iter().zip(firsts) {
        let is_next = stages.last().is_none_or(|(before, _)| *before != block.spec);
        if block.spec.shortcut() == Shortcut::Identity && is_next {
            stages.push((block.spec, first.input));
        }
    }
    Ok(stages)
}

/// The committed run.
pub fn committed() -> Result<Record> {
    let wrong = |error| Error::Contradiction(format!("the committed record of times: {error}"));
    serde_json::from_str(COMMITTED).map_err(wrong)
}

impl Record {
    /// The shortest time on one thread, in milliseconds.
    pub fn one_thread(&self, block: &str, form: char) -> Result<f64> {
        let sought = |row: &&Row| row.block == block && row.form == form && row.threads == 1;
        let missing = || Error::Contradiction(format!("no time for {block} in form ({form})"));
        self.rows.iter().find(sought).map(|row| row.min_ms).ok_or_else(missing)
    }

    /// ResNeXt-50's time divided by ResNet-50's, on one thread.
    pub fn networks(&self) -> Result<f64> {
        Ok(self.one_thread("resnext50_32x4d", 'c')? / self.one_thread("resnet50", 'c')?)
    }
}

#[cfg(test)]
mod tests {
    use super::{committed, map_name, stages};
    use crate::block::Form;
    use crate::evidence::AnyForm;

    #[test]
    fn the_stages_are_those_of_the_paper() {
        let found = stages().unwrap();
        let found: Vec<_> = found.iter().map(|(s, map)| (s.name(), map_name(*map))).collect();
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|(block, map)| (block.as_str(), map.as_str())).collect();
        let expected = [
            ("256x32x4", "56x56"),
            ("512x32x8", "28x28"),
            ("1024x32x16", "14x14"),
            ("2048x32x32", "7x7"),
        ];
        assert_eq!(pairs, expected);
    }

    /// The record has everything that the claim and the figures read.
    #[test]
    fn the_committed_record_is_whole() {
        let record = committed().unwrap();
        for (spec, _) in stages().unwrap() {
            for form in Form::ALL {
                assert!(record.one_thread(&spec.name(), AnyForm::letter(&form)).unwrap() > 0.0);
            }
            let layers = record.layers.iter().filter(|layer| layer.block == spec.name());
            assert_eq!(layers.count(), 3);
        }
        assert!((0.1..10.0).contains(&record.networks().unwrap()));
        assert!(record.rows.iter().all(|row| row.min_ms <= row.median_ms));
    }
}
