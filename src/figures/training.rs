//! The charts of training: how the weights drift apart, and how accurate wrong blocks are.

use plotters::coord::combinators::IntoLogRange;
use triform_canvas::palette::{BLUE, GREEN, MUTED, ORANGE, VERMILION};
use triform_canvas::{FigureError, Picture};

use super::chart::{Axis, Lines, Point, Series, power_of_ten};
use crate::train::lockstep::Order;
use crate::train::record::{Record, committed};

/// The curves of the committed run.
pub(super) fn training() -> Result<Picture, FigureError> {
    curves(&committed()?)
}

/// Draws loss and drift against the training steps, on one logarithmic axis.
pub fn curves(record: &Record) -> Result<Picture, FigureError> {
    let steps = record.drift.len();
    let missing = || FigureError::Data("no step was taken".to_owned());
    let fixed = record.runs.first().filter(|_| steps > 0).ok_or_else(missing)?;
    // Each point is the mean over this number of steps.
    let every = steps.div_ceil(60);
    let mean = |values: &[f64]| -> Vec<Point> {
        let parts = values.chunks(every).enumerate();
        parts
            .map(|(part, values)| {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                ((part * every + values.len().div_ceil(2)) as f64, mean.max(LEAST))
            })
            .collect()
    };
    Lines {
        title: "Three forms trained from the same weights on the same batches: in each form's own \
                order of sums the weights drift apart by powers of ten, while the loss falls.",
        height: 480,
        heading: "How far rounding drives the weights apart, and the loss",
        below: "Apart: the largest difference of two forms, each in its own order. Loss: of form (a) in one \
                order. Means of a few steps.",
        x: Axis {
            range: 0.0..steps as f64,
            of: "steps of training",
            labels: 7,
            write: &|step| format!("{step:.0}"),
        },
        y: Axis {
            range: (LEAST..10.0).log_scale(),
            of: "loss; difference / largest number",
            labels: 9,
            write: &|y| power_of_ten(y.log10().round() as i32),
        },
        series: vec![
            Series::new(("weights apart, own orders", VERMILION), (3, 0), mean(&record.drift)),
            Series::new(("loss, drawn by path", GREEN), (2, 0), mean(&record.by_path.losses)),
            Series::new(("loss", BLUE), (3, 0), mean(&fixed.losses)),
        ],
    }
    .draw()
}

/// The lowest value on the axis. It is below the rounding error of one `f32`.
const LEAST: f64 = 1e-8;

/// Draws the accuracy of each wrong block of the committed run, beside the accuracies of the right block.
pub(super) fn accuracy_of_wrong_blocks() -> Result<Picture, FigureError> {
    let record = committed()?;
    let percent = |accuracy: f64| 100.0 * accuracy;
    let wrong: Vec<_> = record.wrong.iter().collect();
    let rows = wrong.len() + 1;
    let level = |row: usize| (rows - row) as f64;
    let all = wrong.iter().filter_map(|wrong| wrong.accuracy).chain([record.least_accurate()]);
    let lowest = (percent(all.fold(1.0, f64::min)) / 10.0).floor() * 10.0;
    const RIGHT: &str = "the right block";
    // The place of a name beside its point, on the side that has room.
    let named = |name: &str, x: f64| match x < (lowest + 100.0) / 2.0 {
        true => (14.0, 0.0),
        false => (-14.0 - 6.7 * name.len() as f64, 0.0),
    };
    let runs = |order: Order| {
        let of = record.runs.iter().filter(move |trained| trained.order == order);
        of.map(|trained| (percent(trained.accuracy), level(0))).collect::<Vec<Point>>()
    };
    let shown = wrong.iter().enumerate().filter_map(|(number, wrong)| {
        let point = (percent(wrong.accuracy?), level(number + 1));
        Some((point, named(&wrong.mistake, point.0), wrong.mistake.clone()))
    });
    let least = percent(record.least_accurate());
    Lines {
        title: "Test accuracy on handwritten digits of the right block in three forms, and of twelve wrong \
                blocks trained the same way: most wrong ones are as accurate as the right one.",
        height: 520,
        heading: "Accuracy does not tell most wrong blocks",
        below: "Handwritten digits, 300 steps from the same weights on the same batches.",
        x: Axis {
            range: lowest..100.0,
            of: "test accuracy, in percent",
            labels: 8,
            write: &|x| format!("{x:.0}"),
        },
        y: Axis { range: 0.5..rows as f64 + 0.5, of: "", labels: 0, write: &|_| String::new() },
        series: vec![
            Series::new(
                ("least accurate right run", MUTED),
                (1, 0),
                vec![(least, 0.5), (least, rows as f64 + 0.5)],
            ),
            Series::with_words(("wrong block", VERMILION), (0, 6), shown.collect()),
            Series::new(("right, own orders", ORANGE), (0, 6), runs(Order::Own)).beside(vec![(
                (least, level(0)),
                named(RIGHT, least),
                RIGHT.to_owned(),
            )]),
            Series::new(("right, one order", BLUE), (0, 6), runs(Order::Fixed)),
        ],
    }
    .draw()
}
