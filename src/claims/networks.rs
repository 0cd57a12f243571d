//! Checks of the claims about whole networks. Counts and initial weights are computed, and errors are quoted. Times
//! come from a committed record and from the paper.

use super::{Given, refuted};
use crate::block::StrideOn;
use crate::count::published::PUBLISHED;
use crate::count::{self, PublishedError, published_error};
use crate::error::{Error, Result};
use crate::evidence::Verdict;
use crate::evidence::speed::{PAPER_RESNET101, PAPER_RESNEXT101, Record, committed, stages};
use crate::network::architecture::Architecture;
use crate::network::init::{self, Fan};
use crate::network::zoo;
use crate::random::Seed;

/// The parameters and MACs of a network for images of its usual size.
fn counted(name: &str, stride_on: StrideOn) -> Result<(u64, u64)> {
    let network = zoo::named(name)?.with_stride_on(stride_on);
    let total = count::network(&network, network.usual_input())?.total;
    Ok((total.parameters.trained()?, total.operations.macs()?))
}

/// The multiply-adds of `network`, divided by those of `other`.
fn macs_over(network: &str, other: &str) -> Result<f64> {
    let macs = |name| Ok::<_, Error>(counted(name, StrideOn::Transform)?.1 as f64);
    Ok(macs(network)? / macs(other)?)
}

fn published(network: &str, crop: usize) -> Result<&'static PublishedError> {
    let missing = || Error::Contradiction(format!("no error of {network} at {crop} is listed"));
    published_error(network, crop).ok_or_else(missing)
}

/// The change from `before` to `after`, in percent.
fn change(before: u64, after: u64) -> f64 {
    100.0 * (after as f64 / before as f64 - 1.0)
}

pub(super) fn published_figures(given: Given) -> Result<Verdict> {
    let mut met = 0;
    for figure in PUBLISHED.iter() {
        let wrong = (figure.network, figure.source) == ("resnext50_32x4d", "torchvision, _ops");
        let (computed, is_met) = match given {
            Given::Wrong if wrong => {
                let moved = counted(figure.network, StrideOn::Reduce)?.1;
                (moved, figure.text.parse::<count::Digits>()?.holds(moved))
            }
            _ => (figure.computed()?, figure.is_met()?),
        };
        if !is_met {
            return Ok(refuted(figure.source, &computed.to_string(), figure.text));
        }
        met += 1;
    }
    match met {
        0 => Err(Error::Zero { what: "number of published figures" }),
        _ => Ok(Verdict::Proved { scope: format!("{met} figures, from the shapes alone") }),
    }
}

/// Compares the counts of ResNeXt-50 with those of ResNet-50. They may differ by no more than in the settings that the
/// paper's Table 3 lists as having "preserved complexity".
pub(super) fn equal_complexity(given: Given) -> Result<Verdict> {
    let resnet = counted("resnet50", StrideOn::Transform)?;
    let off = |name| -> Result<(f64, f64)> {
        let (parameters, macs) = counted(name, StrideOn::Transform)?;
        Ok((change(resnet.0, parameters), change(resnet.1, macs)))
    };
    let (mut parameters_at_most, mut macs_at_most) = (0f64, 0f64);
    for setting in ["resnext50_2x40d", "resnext50_4x24d", "resnext50_8x14d", "resnext50_32x4d"] {
        let (parameters, macs) = off(setting)?;
        parameters_at_most = parameters_at_most.max(parameters.abs());
        macs_at_most = macs_at_most.max(macs.abs());
    }
    let (parameters, macs) = off(given.pick("resnext50_32x4d", "resnext50_32x8d"))?;
    for (what, found, most) in [
        ("parameters, beside ResNet-50", parameters, parameters_at_most),
        ("multiply-adds, beside ResNet-50", macs, macs_at_most),
    ] {
        if found.abs() > most {
            let at_most = format!("{most:.1} % at most, as in Table 3");
            return Ok(refuted(what, &format!("{found:+.1} %"), &at_most));
        }
    }
    Ok(Verdict::Qualified {
        holds: format!("{parameters:+.1} % parameters and {macs:+.1} % multiply-adds"),
        but: "this is only about equal".to_owned(),
    })
}

pub(super) fn lower_error(given: Given) -> Result<Verdict> {
    let pairs = [
        ("resnet50", "resnext50_32x4d"),
        ("resnet101", "resnext101_32x4d"),
        ("resnet200", "resnext101_64x4d"),
    ];
    let (mut margins, mut dearest) = (Vec::new(), 0f64);
    for (resnet, resnext) in pairs {
        let (resnet, resnext) = given.pick((resnet, resnext), (resnext, resnet));
        let (before, after) = (published(resnet, 224)?, published(resnext, 224)?);
        if after.top1 >= before.top1 {
            let found = format!("{} % against {} %", after.top1, before.top1);
            return Ok(refuted("top-1 error, as published", &found, "a lower one"));
        }
        let margin = before.top1 - after.top1;
        margins.push(format!("{margin:.1} ({} after {})", after.network, before.network));
        dearest = dearest.max(change(before.macs(224)?, after.macs(224)?));
    }
    Ok(Verdict::Qualified {
        holds: format!(
            "top-1 errors are lower by {} points, with up to {dearest:.1} % more multiply-adds",
            margins.join(", ")
        ),
        but: "the errors are the paper's (Tables 3 and 4), and not measured here".to_owned(),
    })
}

pub(super) fn against_inception(given: Given) -> Result<Verdict> {
    let inception = published("Inception-ResNet-v2", 299)?;
    let crop = given.pick(320, 224);
    let (resnext, small) =
        (published("resnext101_64x4d", crop)?, published("resnext101_64x4d", 224)?);
    if resnext.top1 >= inception.top1 {
        let found = format!("{} % at {crop}", resnext.top1);
        return Ok(refuted("top-1 error, as published", &found, "below 19.9 %"));
    }
    let (macs, small_macs) = (resnext.macs(crop)? as f64 / 1e9, small.macs(224)? as f64 / 1e9);
    Ok(Verdict::Qualified {
        holds: format!(
            "ResNeXt-101 64x4d has {} % error at a crop of {crop}, Inception-ResNet-v2 {} % at 299 (paper, Table 5)",
            resnext.top1, inception.top1
        ),
        but: format!(
            "at 224 ResNeXt has {} %, which is higher, and the larger crop costs it {macs:.1} instead of \
             {small_macs:.1} billion multiply-adds; Inception's cost is not counted here, and no error is \
             measured",
            small.top1
        ),
    })
}

/// Checks that the errors in the paper's Table 3 fall as C grows, while the complexity is preserved.
pub(super) fn more_paths(given: Given) -> Result<Verdict> {
    let settings = ["2x40d", "4x24d", "8x14d", "32x4d"];
    let mut last_steps = Vec::new();
    for layers in [50, 101] {
        let mut names = vec![format!("resnet{layers}")];
        names.extend(settings.map(|setting| format!("resnext{layers}_{setting}")));
        if given == Given::Wrong {
            names.reverse();
        }
        let errors = names.iter().map(|name| Ok(published(name, 224)?.top1));
        let errors = errors.collect::<Result<Vec<f64>>>()?;
        if let Some(step) = errors.windows(2).find(|step| step[1] >= step[0]) {
            let found = format!("{} % after {} %", step[1], step[0]);
            return Ok(refuted("top-1 error with more paths", &found, "a lower one"));
        }
        last_steps.extend(errors.windows(2).last().map(|step| format!("{:.1}", step[0] - step[1])));
    }
    Ok(Verdict::Qualified {
        holds: "in the paper's Table 3 the error falls with each larger C, up to 32".to_owned(),
        but: format!(
            "32 is the largest C in that table, and from 8 to 32 paths the error falls by only {} points (50 and \
             101 layers); the errors are quoted, not measured here",
            last_steps.join(" and ")
        ),
    })
}

/// Counts the channels that each path reads. A filter of the first 1x1 has one weight for each of them.
pub(super) fn splits_its_input(given: Given) -> Result<Verdict> {
    let (c_in, inner, paths) = (256, 128, 32);
    let read = count::convolution(1, 1, c_in, inner, given.pick(1, paths))? / inner as u64;
    let grouped = count::convolution(1, 1, inner, inner, paths)? / inner as u64;
    if (read, grouped) != (256, 4) {
        let found = format!("{read} channels");
        return Ok(refuted("channels that a path reads of the block's 256", &found, "256"));
    }
    Ok(Verdict::Qualified {
        holds: format!("the {inner} channels before the 3x3 are split, {grouped} to each path"),
        but: format!("the block's input is not split: every path reads all its {read} channels"),
    })
}

pub(super) fn half_a_percent(given: Given) -> Result<Verdict> {
    let (from, to) = given
        .pick((StrideOn::Reduce, StrideOn::Transform), (StrideOn::Transform, StrideOn::Reduce));
    let (before, after) = (counted("resnet50", from)?, counted("resnet50", to)?);
    if before.0 != after.0 || before.1 >= after.1 {
        let found = format!("{:+.1} %", change(before.1, after.1));
        return Ok(refuted("multiply-adds, as the stride moves to the 3x3", &found, "more"));
    }
    Ok(Verdict::Qualified {
        holds: format!(
            "ResNet-50 with the stride on the 3x3 has the same parameters and {:.1} % more \
             multiply-adds",
            change(before.1, after.1)
        ),
        but: "the 0.5 % are NVIDIA's (ResNet-50 v1.5), and cannot be checked without training"
            .to_owned(),
    })
}

/// Checks that the count matches the 4.2 billion of the paper's Table 1 if the stride is on the 3x3, and only then.
pub(super) fn papers_stride(given: Given) -> Result<Verdict> {
    let macs = |stride_on| Ok::<_, Error>(counted("resnext50_32x4d", stride_on)?.1);
    let found = macs(given.pick(StrideOn::Transform, StrideOn::Reduce))?;
    if !"4.2e9".parse::<count::Digits>()?.holds(found) {
        return Ok(refuted("multiply-adds of ResNeXt-50", &found.to_string(), "4.2e9"));
    }
    Ok(Verdict::Qualified {
        holds: "ResNet's paper puts stride 2 on the first 1x1".to_owned(),
        but: format!(
            "ResNeXt's paper puts it on the 3x3: the count of 4.2 billion multiply-adds is {:.2} with the stride \
             on the 3x3, and {:.2} with the stride on the first 1x1",
            found as f64 / 1e9,
            macs(StrideOn::Reduce)? as f64 / 1e9
        ),
    })
}

/// Compares the times per mini-batch that the paper gives for ResNeXt-101 32x4d and ResNet-101 on 8 M40 GPUs.
pub(super) fn faster(given: Given) -> Result<Verdict> {
    let (resnext, resnet) =
        given.pick((PAPER_RESNEXT101, PAPER_RESNET101), (PAPER_RESNET101, PAPER_RESNEXT101));
    let ratio = resnext / resnet;
    if ratio <= 1.0 {
        let found = format!("{ratio:.2}");
        return Ok(refuted("time over ResNet's, by the paper", &found, "above 1"));
    }
    Ok(Verdict::Qualified {
        holds: format!(
            "ResNeXt-101 32x4d takes {resnext} s per mini-batch, {ratio:.2} times ResNet-101's {resnet:.2} \
             s, with {:.2} times the multiply-adds",
            macs_over("resnext101_32x4d", "resnet101")?
        ),
        but: "they are the paper's times, on 8 GPUs; what was measured here is the claim `faster`"
            .to_owned(),
    })
}

/// The time of a form, divided by the time of form (c). Each time is the sum over the four stages of ResNeXt-50, on one
/// thread.
fn over_grouped(record: &Record, form: char) -> Result<f64> {
    let total = |form| {
        let times = stages()?.into_iter().map(|(spec, _)| record.one_thread(&spec.name(), form));
        times.sum::<Result<f64>>()
    };
    Ok(total(form)? / total('c')?)
}

/// Checks that form (c) is faster than form (a) in the committed record. Also reports form (b)'s time, and the ratio of
/// ResNeXt's time to ResNet's.
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
    // The recorded rows of the networks, which the exchange of forms above does not affect.
    let here = committed()?.networks()?;
    let paper = PAPER_RESNEXT101 / PAPER_RESNET101;
    // Times of two networks, measured round by round, differ by a few percent from run to run.
    let which = match here {
        ..0.97 => "faster here",
        0.97..1.03 => "neither faster nor slower here",
        _ => "slower here too",
    };
    Ok(Verdict::Qualified {
        holds: format!(
            "on 1 thread of {}, {}, form (a) takes {split:.2} times and form (b) {early:.2} times as long as \
             form (c), in total over the four stages of ResNeXt-50",
            record.machine.cpu, record.date
        ),
        but: format!(
            "ResNeXt is {which}: ResNeXt-50 takes {here:.2} times as long as ResNet-50, with {:.2} times \
             the multiply-adds; in the paper, ResNeXt-101 32x4d takes {paper:.2} times as long as \
             ResNet-101 ({PAPER_RESNEXT101:.2} s against {PAPER_RESNET101:.2} s per mini-batch on 8 M40 GPUs), \
             and the paper expects less overhead on CPUs; times depend on the machine and its kernels",
            macs_over("resnext50_32x4d", "resnet50")?
        ),
    })
}

/// He initialisation divides by fan_out. In form (c), fan_out counts the whole layer. The released form (b) initialises
/// 32 separate convolutions, so its fan_out counts one path.
pub(super) fn of_the_released_forms(given: Given) -> Result<Verdict> {
    let block = zoo::named("256x32x4")?;
    let whole = spreads(&block, Fan::Whole)?;
    let path = spreads(&block, given.pick(Fan::Path, Fan::Whole))?;
    let apart = 32f64.sqrt();
    for (kernel, (what, expected)) in [
        ("spread of the first 1x1, (b) over (c)", apart),
        ("spread of the 3x3, (b) over (c)", apart),
        ("spread of the last 1x1, (b) over (c)", 1.0),
    ]
    .into_iter()
    .enumerate()
    {
        let ratio = path[kernel] / whole[kernel];
        // Both have the same draws, scaled differently: the ratio is exact except for one rounding of each weight.
        if (ratio / expected - 1.0).abs() > 1e-6 {
            return Ok(refuted(what, &format!("{ratio:.3}"), &format!("{expected:.3}")));
        }
    }
    Ok(Verdict::Qualified {
        holds: format!(
            "standard deviations of {:.3} and {:.3} in the first 1x1, {:.4} and {:.4} in the 3x3: they differ by \
             a factor sqrt(32) = {apart:.3}",
            path[0], whole[0], path[1], whole[1]
        ),
        but: "this is only where training starts; with the same weights the forms are one function"
            .to_owned(),
    })
}

/// Standard deviations of the three kernels.
fn spreads(block: &Architecture, fan: Fan) -> Result<[f64; 3]> {
    let mut spreads = Vec::new();
    init::network(block, Seed(0), fan)?.visit(&mut |name, _, numbers| {
        if ["conv1.weight", "conv2.weight", "conv3.weight"].contains(&name) {
            let squares: f64 = numbers.iter().map(|weight| f64::from(*weight).powi(2)).sum();
            spreads.push((squares / numbers.len() as f64).sqrt());
        }
        Ok(())
    })?;
    let kernels = spreads.len();
    spreads.try_into().map_err(|_| Error::Contradiction(format!("{kernels} kernels of a block")))
}
