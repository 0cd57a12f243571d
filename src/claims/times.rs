//! The check of what is said about speed, on a committed record of times and on the paper's.

use super::{Given, refuted};
use crate::count;
use crate::error::Result;
use crate::evidence::Verdict;
use crate::evidence::speed::{PAPER_RESNET101, PAPER_RESNEXT101, Record, committed, name, stages};
use crate::network::zoo;

/// The time of a form over that of form (c), summed over the four stages of ResNeXt-50, on one thread.
fn over_grouped(record: &Record, form: char) -> Result<f64> {
    let total = |form| {
        let times = stages()?.into_iter().map(|(spec, _)| record.one_thread(&name(&spec), form));
        times.sum::<Result<f64>>()
    };
    Ok(total(form)? / total('c')?)
}

/// Multiply-adds of ResNeXt-50 over those of ResNet-50.
fn macs() -> Result<f64> {
    let of = |network: &str| -> Result<u64> {
        let network = zoo::named(network)?;
        count::network(&network, network.usual_input())?.total.operations.macs()
    };
    Ok(of("resnext50_32x4d")? as f64 / of("resnet50")? as f64)
}

/// That the grouped form is the fastest of the three here, and what that says of ResNeXt against
/// ResNet.
pub(super) fn grouped_is_faster(given: Given) -> Result<Verdict> {
    let mut record = committed()?;
    if given == Given::Wrong {
        for row in &mut record.rows {
            row.form = match row.form {
                'a' => 'c',
                'c' => 'a',
                form => form,
            };
        }
    }
    let (split, early) = (over_grouped(&record, 'a')?, over_grouped(&record, 'b')?);
    if split <= 1.0 {
        let found = format!("{split:.2} times as long as form (c)");
        return Ok(refuted("the time of form (a), as recorded", &found, "longer than form (c)'s"));
    }
    // Of the networks as they stand in the record, whatever the forms were called.
    let here = committed()?.networks()?;
    let paper = PAPER_RESNEXT101 / PAPER_RESNET101;
    // Two networks timed in turn differ by a few percent from one run to the next.
    let which = match here {
        ..0.97 => "the faster here",
        0.97..1.03 => "neither the faster nor the slower here",
        _ => "the slower here too",
    };
    Ok(Verdict::Qualified {
        holds: format!(
            "of one block's forms: on 1 thread of {}, {}, form (a) takes {split:.2} and form (b) \
             {early:.2} times as long as (c), in total over the four stages of ResNeXt-50",
            record.machine.cpu, record.date
        ),
        but: format!(
            "ResNeXt is {which}: ResNeXt-50 takes {here:.2} times as long as ResNet-50, at {:.2} times \
             the multiply-adds, and in the paper ResNeXt-101 32x4d {paper:.2} times as long as \
             ResNet-101, {PAPER_RESNEXT101:.2} s against {PAPER_RESNET101:.2} s a mini-batch on 8 M40 GPUs, \
             where it expects less of that on CPUs; times are a machine's and its kernels'",
            macs()?
        ),
    })
}
