//! The line charts. They show errors by cardinality, by order of summation and by cost, and also widths and
//! parameters.

use plotters::coord::combinators::IntoLogRange;
use plotters::style::RGBColor;
use triform_canvas::palette::{BLUE, GREEN, MUTED, ORANGE, VERMILION};
use triform_canvas::{FigureError, Picture};

use super::chart::{Axis, Lines, Point, Series, power_of_two};
use super::measurements;
use crate::block::BlockSpec;
use crate::count::{self, convolution, exact_width, published_error, thousands};
use crate::error::Result;
use crate::random::Seed;

type Drawn = Result<Picture, FigureError>;

fn whole(y: &f64) -> String {
    format!("{y:.0}")
}

/// Draws the error of each form against the cardinality, with D = C d fixed.
pub(super) fn error_by_cardinality() -> Drawn {
    const INNER: usize = 128;
    let data = measurements::error_by_cardinality(INNER, 4)?;
    let largest = data.iter().flatten().fold(0f64, |max, at| max.max(*at));
    let line = |named, form: usize| {
        let points = data.iter().enumerate().map(|(power, at)| (power as f64, at[form]));
        Series::new(named, (3, 4), points.collect())
    };
    Lines {
        title: "The error of form (a) and of forms (b) and (c) in f32 against the cardinality C, at \
                D = C d = 128.",
        height: 460,
        heading: "Rounding against cardinality, at D = C d = 128",
        below: "Blocks of 256 channels in f32, summed one term after the other. Form (a) sums path by path.",
        x: Axis {
            range: 0.0..(data.len() - 1) as f64,
            of: "cardinality C × width d",
            labels: data.len(),
            write: &|power| format!("{}×{}", 1u64 << *power as u32, INNER >> *power as u32),
        },
        y: Axis {
            range: 0.0..(largest * 1.15).ceil(),
            of: "typical error / typical output, in 2⁻²⁴",
            labels: 6,
            write: &whole,
        },
        series: vec![
            line(("forms (b) and (c)", ORANGE), 1),
            line(("form (a)", BLUE), 0),
        ],
    }
    .draw()
}

/// Draws the error of a long sum against the order of summation.
pub(super) fn error_by_order() -> Drawn {
    let series = [
        (128, "D = 128", BLUE),
        (256, "D = 256", GREEN),
        (512, "D = 512", ORANGE),
        (1024, "D = 1024", VERMILION),
    ];
    let line = |(terms, name, color): (usize, &'static str, RGBColor)| {
        let data = measurements::error_by_order(terms, Seed(0))?;
        let points = (0..).zip(data).map(|(power, typical)| (f64::from(power), typical));
        Ok(Series::new((name, color), (3, 4), points.collect()))
    };
    Lines {
        title: "The error of sums over 128, 256, 512 and 1024 channels in f32 against the length of \
                the runs in which they are taken: least where the runs are as long as they are many.",
        height: 460,
        heading: "Rounding against the order of summation",
        below: "The last 1×1 over D channels, in runs: each run from zero, then the runs. Form (a) takes \
                runs of d.",
        x: Axis {
            range: 0.0..10.0,
            of: "length of a run, in terms (1 and D: one after the other)",
            labels: 11,
            write: &power_of_two,
        },
        y: Axis {
            range: 0.0..8.0,
            of: "typical error / typical sum, in 2⁻²⁴",
            labels: 5,
            write: &whole,
        },
        series: series.into_iter().map(line).collect::<Result<_, FigureError>>()?,
    }
    .draw()
}

/// Draws the width that preserves the block's complexity against the cardinality.
pub(super) fn width_by_cardinality() -> Drawn {
    // Points of the curve per doubling of C. The curve is nearly straight, and Plotters puts points
    // on whole pixels, so more points would make it jagged.
    const PER_OCTAVE: u32 = 2;
    let template = BlockSpec::new(256, 1, 64, 256)?;
    let on_curve = |step: u32| {
        let power = f64::from(step) / f64::from(PER_OCTAVE);
        Ok((power, exact_width(&template, power.exp2())?))
    };
    let curve = (0..=6 * PER_OCTAVE).map(on_curve).collect::<Result<Vec<Point>>>();
    let settings = |named, disc, settings: &[(usize, usize, (f64, f64))]| {
        let words = settings.iter().map(|&(c, d, shift)| {
            let parameters = count::block(&BlockSpec::new(256, c, d, 256)?)?.convolutions;
            let words = format!("{c}×{d}d: {}", thousands(parameters));
            Ok(((f64::from(c.ilog2()), d as f64), shift, words))
        });
        Ok::<_, FigureError>(Series::with_words(named, (0, disc), words.collect::<Result<_>>()?))
    };
    let beside = (12.0, -12.0);
    let table_2 = [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)].map(|(c, d)| (c, d, beside));
    // The integers on either side of the curve at 16 paths.
    let between = [(16, 8, beside), (16, 7, (-118.0, 14.0))];
    Lines {
        title: "The width d of a path that preserves the number of parameters of ResNet's block, \
                against the cardinality C, with the five settings of the paper's Table 2 on the curve.",
        height: 480,
        heading: "Cardinality against width, at preserved complexity",
        below: "256 channels in and out. With 16 paths, which the paper's Table 2 lacks, no whole width \
                comes near.",
        x: Axis { range: 0.0..6.0, of: "cardinality C", labels: 7, write: &power_of_two },
        y: Axis {
            range: (1.0..128.0).log_scale().base(2.0),
            of: "width d of a path",
            labels: 8,
            write: &whole,
        },
        series: vec![
            Series::new(("exact width", BLUE), (3, 0), curve?),
            settings(("C = 16", VERMILION), 5, &between)?,
            settings(("Table 2", ORANGE), 7, &table_2)?,
        ],
    }
    .draw()
}

/// Draws the parameters of a convolution against its number of groups, from dense to depthwise.
pub(super) fn parameters_by_groups() -> Drawn {
    let counted =
        |power: u32| Ok((f64::from(power), convolution(3, 3, 128, 128, 1 << power)? as f64));
    let points = (0..=7).map(counted).collect::<Result<Vec<Point>>>()?;
    let named = [
        (0, "dense", (12.0, -12.0)),
        (5, "ResNeXt-50, conv2", (12.0, -12.0)),
        // At the chart's right edge.
        (7, "depthwise", (-122.0, 20.0)),
    ];
    let words = named.map(|(power, name, shift): (usize, _, _)| {
        (points[power], shift, format!("{name}: {}", thousands(points[power].1 as u64)))
    });
    let line = [0.0, 7.0].map(|power: f64| (power, points[0].1 / power.exp2()));
    let counted = Series::new(("counted", BLUE), (0, 6), points);
    Lines {
        title: "Parameters of a 3x3 convolution from 128 to 128 channels against its number of \
                groups, from dense to depthwise: all are on the line 1/g.",
        height: 460,
        heading: "A convolution in g groups has 1/g of the parameters",
        below: "3×3 from 128 to 128 channels: k·k·C_in·C_out / g. With as many groups as channels: \
                depthwise.",
        x: Axis { range: 0.0..7.0, of: "groups g", labels: 8, write: &power_of_two },
        y: Axis {
            range: (500.0..500_000.0).log_scale(),
            of: "parameters",
            labels: 4,
            write: &|y| thousands(*y as u64),
        },
        series: vec![
            Series::new(("dense / g", ORANGE), (3, 0), line.to_vec()),
            counted.beside(words.to_vec()),
        ],
    }
    .draw()
}

/// A network in the chart of errors against MACs: its name, its text, and where the text begins relative to its point.
type Network = (&'static str, &'static str, (f64, f64));

/// In order of cost.
const RESNET: [Network; 3] = [
    ("resnet50", "ResNet-50", (12.0, 0.0)),
    ("resnet101", "ResNet-101", (6.0, -16.0)),
    ("resnet200", "ResNet-200", (-92.0, -14.0)),
];
const RESNEXT: [Network; 3] = [
    ("resnext50_32x4d", "ResNeXt-50, 32×4d", (-98.0, 24.0)),
    ("resnext101_32x4d", "ResNeXt-101, 32×4d", (-118.0, 20.0)),
    ("resnext101_64x4d", "ResNeXt-101, 64×4d", (-148.0, 14.0)),
];
/// The other settings of the paper's Tables 3 and 4. No line connects them.
const OTHERS: [Network; 8] = [
    ("resnext50_2x40d", "2×40d", (12.0, 0.0)),
    ("resnext50_4x24d", "4×24d", (12.0, 0.0)),
    ("resnext50_8x14d", "8×14d", (12.0, -4.0)),
    ("resnext101_2x40d", "2×40d", (12.0, 0.0)),
    ("resnext101_4x24d", "4×24d", (12.0, -5.0)),
    ("resnext101_8x14d", "8×14d", (12.0, 3.0)),
    ("resnext101_1x100d", "ResNet-101, 1×100d", (-156.0, 0.0)),
    ("resnext101_2x64d", "ResNeXt-101, 2×64d", (-150.0, -16.0)),
];

/// Draws published top-1 errors against multiply-adds.
pub(super) fn error_by_macs() -> Drawn {
    const CROP: usize = 224;
    let one = |(network, words, shift): &Network| {
        let missing = || FigureError::Data(format!("no error is published for {network}"));
        let error = published_error(network, CROP).ok_or_else(missing)?;
        let macs = error.macs(CROP)?;
        Ok(((macs as f64 / 1e9, error.top1), *shift, (*words).to_owned()))
    };
    let series = |named, look, networks: &[Network]| {
        let words = networks.iter().map(one).collect::<Result<_, FigureError>>()?;
        Ok::<_, FigureError>(Series::with_words(named, look, words))
    };
    Lines {
        title: "Top-1 error on ImageNet as published in the ResNeXt paper, single crop of 224, \
                against multiply-adds as counted here: at each cost ResNeXt has the lower error.",
        height: 500,
        heading: "Published error against cost",
        below: "Errors: Tables 3 and 4 of the paper, quoted, not measured here. MACs: counted here.",
        x: Axis {
            range: 2.0..17.0,
            of: "MACs at 224 × 224, in billions",
            labels: 8,
            write: &whole,
        },
        y: Axis { range: 20.0..24.5, of: "top-1 error, in percent", labels: 5, write: &whole },
        series: vec![
            series(("ResNet", BLUE), (2, 6), &RESNET)?,
            series(("ResNeXt", ORANGE), (2, 6), &RESNEXT)?,
            series(("other settings", MUTED), (0, 4), &OTHERS)?,
        ],
    }
    .draw()
}
