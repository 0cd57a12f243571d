//! Says in words where values are wrong, and what failing cases have in common.

use std::collections::BTreeSet;

use ndarray::{ArrayD, Dimension};

use super::case::{Case, Kind, Operation};
use super::judge::{CaseReport, Verdict};

/// What the positions along an axis stand for.
#[derive(Clone, Copy)]
enum Axis {
    Images,
    /// Channels, and how many of them belong to a group.
    Channels {
        what: &'static str,
        group: usize,
    },
    Rows,
    Columns,
}

fn channels(what: &'static str, group: usize) -> Axis {
    Axis::Channels { what, group }
}

/// What the axes of an output array stand for.
fn axes(case: &Case, array: &str, shape: &[usize]) -> Vec<Axis> {
    let (g, each_in, each_out) = match &case.operation {
        Operation::Conv(conv) => {
            let groups = conv.spec.groups();
            let (c_out, c_in_group, ..) = conv.weight.dim();
            (groups, c_in_group, c_out / groups)
        }
        // A block's own output has no groups, but its 3x3 does.
        Operation::Block(block) => {
            let spec = block.weights.spec();
            (spec.cardinality(), spec.width(), spec.width())
        }
    };
    let grouped = |size: usize, each: usize| if size == g * each { each } else { size };
    let taps = [Axis::Rows, Axis::Columns];
    match (shape.len(), array.ends_with(".weight") || array == "grad_weight") {
        (4, true) => {
            let conv2 = array == "grad_weight" || array.contains("conv2");
            let each = if conv2 { grouped(shape[0], each_out) } else { shape[0] };
            let [o, c] = [channels("output channel", each), channels("input channel", shape[1])];
            [[o, c], taps].concat()
        }
        (4, false) => {
            let each = match (&case.operation, array) {
                (Operation::Conv(_), "y") => grouped(shape[1], each_out),
                (Operation::Conv(_), _) => grouped(shape[1], each_in),
                (Operation::Block(_), _) => shape[1],
            };
            [[Axis::Images, channels("channel", each)], taps].concat()
        }
        (1, _) => {
            let conv = matches!(case.operation, Operation::Conv(_));
            let each = if conv { grouped(shape[0], each_out) } else { shape[0] };
            vec![channels("channel", each)]
        }
        _ => Vec::new(),
    }
}

/// Says where an array is wrong: everywhere, or only at certain positions.
pub(super) fn whereabouts(case: &Case, array: &str, wrong: &ArrayD<bool>) -> String {
    let shape = wrong.shape();
    let count = wrong.iter().filter(|wrong| **wrong).count();
    let head = format!("{array}: {count} of {} values", wrong.len());
    if count == wrong.len() {
        return format!("{head}, everywhere");
    }
    let mut said = Vec::new();
    for (axis, of) in axes(case, array, shape).into_iter().enumerate() {
        let at =
            wrong.indexed_iter().filter(|(_, wrong)| **wrong).map(|(index, _)| index.slice()[axis]);
        let met: BTreeSet<usize> = at.collect();
        said.extend(along(of, &met, shape[axis]));
    }
    if said.is_empty() {
        return match frame(wrong) {
            Some(1) => head + ", only in the outermost rows and columns",
            Some(wide) => format!("{head}, only in the {wide} outermost rows and columns"),
            None => head + ", spread over the whole array",
        };
    }
    format!("{head}, only {}", said.join(", "))
}

/// Says what the wrong positions along an axis have in common. `None` if all positions are wrong, or if nothing can be
/// said.
fn along(axis: Axis, met: &BTreeSet<usize>, size: usize) -> Option<String> {
    if met.len() == size {
        return None;
    }
    let (&first, &last) = (met.first()?, met.last()?);
    let only = |what: &str| match (met.len(), last + 1 == size) {
        (1, true) if size > 1 => Some(format!("in the last {what}")),
        (1, _) => Some(format!("in {what} {first}")),
        _ => None,
    };
    let run = last - first + 1 == met.len();
    let range = |what: &str| match run {
        true if first > 0 && last + 1 == size => Some(format!("in {what} from {first} on")),
        true => Some(format!("in {what} {first} to {last}")),
        false => None,
    };
    let some = |what: &str| Some(format!("in {} of {size} {what}", met.len()));
    let parity = |what: &str| {
        let same = met.iter().all(|at| at % 2 == first % 2) && met.len() > 1;
        let all = (0..size).filter(|at| at % 2 == first % 2).count() == met.len();
        (same && all).then(|| format!("in the {} {what}", if first == 0 { "even" } else { "odd" }))
    };
    let listed = |what: &str| {
        (met.len() <= 4).then(|| {
            let all: Vec<String> = met.iter().map(usize::to_string).collect();
            format!("in {what} {}", all.join(", "))
        })
    };
    match axis {
        Axis::Images if first == 1 && run && last + 1 == size => Some("for n > 0".to_owned()),
        Axis::Images => only("image").or_else(|| range("images")).or_else(|| listed("images")),
        Axis::Rows => only("row")
            .or_else(|| borders(met, size, "top and bottom rows"))
            .or_else(|| range("rows"))
            .or_else(|| parity("rows"))
            .or_else(|| listed("rows"))
            .or_else(|| some("rows")),
        Axis::Columns => only("column")
            .or_else(|| borders(met, size, "first and last columns"))
            .or_else(|| range("columns"))
            .or_else(|| parity("columns"))
            .or_else(|| listed("columns"))
            .or_else(|| some("columns")),
        Axis::Channels { what, group } => {
            let (groups, many) = (size / group, format!("{what}s"));
            let of: BTreeSet<usize> = met.iter().map(|at| at / group).collect();
            let inside: BTreeSet<usize> = met.iter().map(|at| at % group).collect();
            if groups > 1 && of.len() == 1 {
                let which = first / group;
                let of_groups = match which + 1 == groups {
                    true => format!("group {which} (the last) of {groups}"),
                    false => format!("group {which} of {groups}"),
                };
                return Some(match inside.len() {
                    all if all == group => format!("in {of_groups}"),
                    1 => format!("in {what} {first}, in {of_groups}"),
                    some => format!("in {some} {many} of {of_groups}"),
                });
            }
            let full = met.len() == of.len() * inside.len();
            if groups > 1 && full && inside.len() < group && group > 1 {
                let (low, high) = (inside.first()?, inside.last()?);
                let places = match low == high {
                    true => format!("{what} {low}"),
                    false if high - low + 1 == inside.len() => format!("{many} {low} to {high}"),
                    false => format!("{} of the {many}", inside.len()),
                };
                let whose = if of.len() == groups {
                    "each group".to_owned()
                } else {
                    format!("{} groups", of.len())
                };
                return Some(format!("in {places} of {whose} of {group}"));
            }
            if groups > 1 && full && inside.len() == group {
                if let [0] = [*met.first()?]
                    && run
                {
                    return Some(format!("in groups 0 to {}", last / group));
                }
                return match run {
                    true => Some(format!("in groups {} to {}", first / group, last / group)),
                    false => Some(format!("in {} of {groups} groups", of.len())),
                };
            }
            only(what)
                .or_else(|| range(&many))
                .or_else(|| parity(&many))
                .or_else(|| listed(&many))
                .or_else(|| some(&many))
        }
    }
}

/// Says that the positions lie in `what`, if they lie at both ends of the axis and nowhere in between.
fn borders(met: &BTreeSet<usize>, size: usize, what: &str) -> Option<String> {
    let both = met.contains(&0) && met.contains(&(size - 1));
    let inner = (0..size).find(|at| !met.contains(at))?;
    let outer = (0..size).rev().find(|at| !met.contains(at))?;
    let between = (inner..=outer).any(|at| met.contains(&at));
    (both && !between).then(|| format!("in the {what}"))
}

/// If all wrong values lie in a frame along the border of each map, returns the width of this frame. `None` if the
/// frame would fill the map.
fn frame(wrong: &ArrayD<bool>) -> Option<usize> {
    let &[_, _, h, w] = wrong.shape() else { return None };
    let depth = |at: &[usize]| at[2].min(h - 1 - at[2]).min(at[3]).min(w - 1 - at[3]);
    let all = wrong.indexed_iter().filter(|(_, wrong)| **wrong);
    let wide = all.map(|(index, _)| depth(index.slice())).max()? + 1;
    (2 * wide < h.min(w)).then_some(wide)
}

/// A feature that a case may have: its name, and the test for it.
type Feature = (&'static str, fn(&Case) -> bool);

const FEATURES: [Feature; 27] = [
    ("op = conv", |case| case.op() == "conv"),
    ("op = block", |case| case.op() == "block"),
    ("kind = gradients", |case| case.kind == Kind::Gradients),
    ("kind = training", |case| case.kind == Kind::Training),
    ("kind = specials", |case| case.kind == Kind::Specials),
    ("kind = integers", |case| case.kind == Kind::Integers),
    ("kind = layout", |case| case.kind == Kind::Layout),
    ("the output is asked for", |case| case.kind != Kind::Gradients),
    ("groups > 1", |case| of(case).groups > 1),
    ("stride > 1", |case| of(case).stride != (1, 1)),
    ("stride differs by axis", |case| of(case).stride.0 != of(case).stride.1),
    ("dilation > 1", |case| of(case).dilation != (1, 1)),
    ("kernel larger than 1x1", |case| of(case).kernel != (1, 1)),
    ("kernel is 1x1", |case| of(case).kernel == (1, 1)),
    ("kernel is not square", |case| of(case).kernel.0 != of(case).kernel.1),
    ("kernel side of 256 or more", |case| of(case).kernel.0.max(of(case).kernel.1) >= 256),
    ("padding", |case| of(case).padding != [0; 4]),
    ("padding differs by side", |case| {
        let [up, down, left, right] = of(case).padding;
        up != down || left != right
    }),
    ("N > 1", |case| of(case).n > 1),
    ("depthwise", |case| is_conv(case) && of(case).groups > 1 && of(case).each_in == 1),
    ("1 < groups < C_in", |case| is_conv(case) && of(case).groups > 1 && of(case).each_in > 1),
    ("groups = 1", |case| of(case).groups == 1),
    ("C_in/groups not a multiple of 4", |case| {
        is_conv(case) && !of(case).each_in.is_multiple_of(4)
    }),
    ("C_out/groups not a multiple of 4", |case| {
        is_conv(case) && !of(case).each_out.is_multiple_of(4)
    }),
    ("C_out a multiple of 16", |case| {
        is_conv(case) && (of(case).each_out * of(case).groups).is_multiple_of(16)
    }),
    ("fewer than 16 inputs in a group", |case| is_conv(case) && of(case).each_in < 16),
    ("projection", |case| of(case).projection),
];

/// Whether the case is a convolution. Features of the channels in a group do not apply to a block, because only its 3x3
/// has groups.
fn is_conv(case: &Case) -> bool {
    case.op() == "conv"
}

/// The sizes that the features depend on.
struct Sizes {
    n: usize,
    groups: usize,
    each_in: usize,
    each_out: usize,
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
    padding: [usize; 4],
    projection: bool,
}

fn of(case: &Case) -> Sizes {
    match &case.operation {
        Operation::Conv(conv) => {
            let (height, width) = (conv.spec.height(), conv.spec.width());
            let (c_out, each_in, k_h, k_w) = conv.weight.dim();
            let ([up, down], [left, right]) = (height.padding, width.padding);
            Sizes {
                n: conv.x.dim().0,
                groups: conv.spec.groups(),
                each_in,
                each_out: c_out / conv.spec.groups(),
                kernel: (k_h, k_w),
                stride: (height.stride, width.stride),
                dilation: (height.dilation, width.dilation),
                padding: [up, down, left, right],
                projection: false,
            }
        }
        Operation::Block(block) => {
            let spec = block.weights.spec();
            let [k, s, p] = [spec.kernel(), spec.stride(), spec.padding()];
            Sizes {
                n: block.x.dim().0,
                groups: spec.cardinality(),
                each_in: spec.width(),
                each_out: spec.width(),
                kernel: (k, k),
                stride: (s, s),
                dilation: (1, 1),
                padding: [p; 4],
                projection: spec.shortcut() == crate::block::Shortcut::Projection,
            }
        }
    }
}

/// What tells failing cases from passing ones.
#[derive(Default)]
pub(super) struct Pattern {
    /// Up to three features that all failing cases have. No passing case has all of them. Empty if there are no such
    /// features, if fewer than two cases fail, or if no case passes.
    pub(super) features: Vec<&'static str>,
    /// If `features` is one feature, other features that tell the cases apart equally well.
    pub(super) also: Vec<&'static str>,
}

/// Looks for features that tell failing cases from passing ones.
pub(super) fn pattern(cases: &[Case], reports: &[CaseReport]) -> Pattern {
    let both = || cases.iter().zip(reports);
    let fails = |report: &CaseReport| {
        matches!(report.verdict, Verdict::Differ | Verdict::Misshapen | Verdict::Rounds)
    };
    let failing: Vec<&Case> = both().filter(|(_, r)| fails(r)).map(|(case, _)| case).collect();
    let passing: Vec<&Case> =
        both().filter(|(_, r)| r.verdict == Verdict::Agree).map(|(case, _)| case).collect();
    if failing.len() < 2 || passing.is_empty() {
        return Pattern::default();
    }
    let shared: Vec<&Feature> =
        FEATURES.iter().filter(|(_, has)| failing.iter().all(|case| has(case))).collect();
    let tells =
        |some: &[&Feature]| !passing.iter().any(|case| some.iter().all(|(_, has)| has(case)));
    let names = |some: &[&Feature]| some.iter().map(|(name, _)| *name).collect();
    // Fewer features are better.
    let mut single: Vec<&'static str> =
        shared.iter().filter(|one| tells(&[**one])).map(|(name, _)| *name).collect();
    if !single.is_empty() {
        let also = single.split_off(1);
        return Pattern { features: single, also };
    }
    let pairs = || {
        let all = shared.iter().enumerate();
        all.flat_map(|(i, &one)| shared[i + 1..].iter().map(move |&two| (one, two)))
    };
    let several = |some: &[&Feature]| Pattern { features: names(some), also: Vec::new() };
    if let Some((one, two)) = pairs().find(|&(one, two)| tells(&[one, two])) {
        return several(&[one, two]);
    }
    let triples = pairs().flat_map(|(one, two)| shared.iter().map(move |&three| [one, two, three]));
    let found = triples.into_iter().find(|three| tells(three));
    found.map_or(Pattern::default(), |three| several(&three))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, ArrayD};

    use super::frame;

    #[test]
    fn a_frame_is_what_is_near_the_border() {
        let wrong = |inside: usize| -> ArrayD<bool> {
            let map = Array4::from_shape_fn((1, 2, 7, 9), |(_, _, i, j)| {
                i.min(6 - i).min(j).min(8 - j) < inside
            });
            map.into_dyn()
        };
        assert_eq!([1, 2, 3].map(|inside| frame(&wrong(inside))), [Some(1), Some(2), Some(3)]);
        // Nothing wrong, and everything.
        assert_eq!([0, 4].map(|inside| frame(&wrong(inside))), [None, None]);
    }
}
