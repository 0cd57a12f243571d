//! Turns the bytes of a fuzzing input into a convolution of small integers, and into the call of one of a convolver's
//! verbs (its methods).

use arbitrary::{Arbitrary, Unstructured};
use ndarray::{Array4, s};
use triform::conv::ConvSpec;

/// The largest absolute values: `VALUE` for weights, inputs and shortcuts, `SCALE` for the scales of functions, and
/// `SHIFT` for their shifts and for what [`Step::Ramp`] adds.
const VALUE: i64 = 8;
const SCALE: i64 = 3;
pub const SHIFT: i64 = 9;
const PATHS: usize = 4;
const KERNEL: usize = 7;
/// The most input channels of a group. A 1x1, which is a matrix product, may have `CHANNELS_OF_1X1`.
const CHANNELS: usize = 6;
const CHANNELS_OF_1X1: usize = 20;
/// A case with more multiplications than this gets fewer input channels and images, for speed.
const ENOUGH: usize = 1 << 17;

/// The largest absolute value of a partial sum: `terms * VALUE * VALUE`, passed through both functions and the
/// shortcut. It is at most 2^24. So every partial sum, in any order, is an integer that `f32` holds exactly.
pub const CERTIFIED: i64 = {
    let terms = PATHS * CHANNELS * KERNEL * KERNEL;
    assert!(CHANNELS_OF_1X1 <= CHANNELS * KERNEL * KERNEL);
    let sums = terms as i64 * VALUE * VALUE;
    let largest = (sums * SCALE + SHIFT + VALUE) * SCALE + SHIFT;
    assert!(largest <= 1 << 24);
    largest
};

/// One call of one verb.
#[derive(Debug)]
pub struct Case {
    pub verb: Verb,
    pub paths: Vec<Path>,
    pub xs: Vec<Tensor>,
    pub function: Vec<Step>,
    pub shortcut: Option<Tensor>,
    pub output: Vec<Step>,
    /// For [`Reference::in_runs_of`].
    pub run: usize,
}

/// The operation that a convolver is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Conv,
    Sums,
    Split,
    Each,
    Merge,
}

#[derive(Debug)]
pub struct Path {
    pub weights: Tensor,
    pub spec: ConvSpec,
}

/// Integers, and the number of their memory layout, 0 to 7. `Tensor::lay` lists the layouts.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub values: Array4<i64>,
    pub layout: u8,
}

/// The layout that stores one image and repeats it for the whole batch.
pub const REPEATED: u8 = 7;

/// What a function does to one channel.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Identity,
    Relu,
    Affine(i64, i64, bool),
    /// Adds to each pixel a number that depends on its place in the plane. This step cannot be given as data.
    Ramp,
}

/// The shapes of a path, before its data are drawn.
#[derive(Clone, Copy)]
struct Plan {
    spec: [usize; 4],
    kernel: [usize; 4],
    x: [usize; 4],
}

impl Plan {
    /// Draws any convolution of an input of shape `x`, with this number of groups and a kernel that fits.
    fn draw(u: &mut Unstructured<'_>, x: [usize; 4], groups: usize) -> arbitrary::Result<Self> {
        let (k_h, k_w) = match u.int_in_range(0..=7u8)? {
            0 => (3, 3),
            1..=3 => (1, 1),
            4 => (3, 3),
            _ => (u.int_in_range(1..=KERNEL)?, u.int_in_range(1..=KERNEL)?),
        };
        let stride = u.int_in_range(1..=4)?;
        let padding = if u.ratio(2, 3)? { u.int_in_range(0..=KERNEL)? } else { 0 };
        let padding = if u.ratio(1, 2)? { padding.min(k_h / 2) } else { padding };
        let mut dilation = u.int_in_range(1..=3)?;
        // Fewer taps and less dilation, until the kernel fits.
        let (k_h, k_w) = (k_h.min(x[2] + 2 * padding), k_w.min(x[3] + 2 * padding));
        for (k, size) in [(k_h, x[2]), (k_w, x[3])] {
            if k > 1 {
                dilation = dilation.min((size + 2 * padding - 1) / (k - 1));
            }
        }
        let kernel = [groups * u.int_in_range(1..=CHANNELS)?, x[1] / groups, k_h, k_w];
        Ok(Self { spec: [stride, padding, dilation, groups], kernel, x })
    }

    /// The input size for which the output has `out` positions along an axis. At its end, `slack % stride` positions
    /// are unused.
    fn size_for(&self, out: usize, k: usize, slack: usize) -> Option<usize> {
        let [stride, padding, dilation, _] = self.spec;
        let padded = (out - 1) * stride + dilation * (k - 1) + 1 + slack % stride;
        padded.checked_sub(2 * padding).filter(|&size| size > 0)
    }

    fn output(&self) -> [usize; 4] {
        let ([stride, padding, dilation, _], [c_out, _, k_h, k_w]) = (self.spec, self.kernel);
        let size = |size, k| (size + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
        [self.x[0], c_out, size(self.x[2], k_h), size(self.x[3], k_w)]
    }

    fn multiplications(&self) -> usize {
        self.output().iter().chain(&self.kernel[1..]).product()
    }
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        use Verb::{Conv, Each, Merge, Split, Sums};
        let verb = *u.choose(&[Conv, Conv, Conv, Sums, Split, Each, Merge, Merge])?;
        let mut plans = plan(u, verb)?;
        let work = |plans: &[Plan]| plans.iter().map(Plan::multiplications).sum::<usize>();
        if work(&plans) > ENOUGH {
            for Plan { spec, kernel, x } in &mut plans {
                (kernel[1], x[1]) = (1, spec[3]);
            }
        }
        if work(&plans) > ENOUGH {
            plans.iter_mut().for_each(|plan| plan.x[0] = 1);
        }

        let has_shortcut = matches!(verb, Conv | Merge) && u.ratio(1, 2)?;
        let mut shortcut = has_shortcut.then(|| plans[0].output());
        // One in sixteen is made wrong in one place, but never if the bytes have run out: they are 0.
        if u.int_in_range(0..=15u8)? == 15 {
            spoil(u, &mut plans, &mut shortcut)?;
        }
        let mut inputs = if matches!(verb, Each | Merge) { plans.len() } else { 1 };
        if plans.len() > 1 && u.int_in_range(0..=63u8)? == 63 {
            match u.int_in_range(0..=2)? {
                // A split has one input, however many paths there are.
                _ if verb == Split => plans.clear(),
                0 => inputs -= 1,
                1 => drop(plans.pop()),
                _ => (plans, inputs) = (vec![], 0),
            }
        }

        let channels = plans.iter().map(|plan| plan.kernel[0]);
        let channels: usize = match verb {
            Split | Each => channels.sum(),
            _ => channels.max().unwrap_or(0),
        };
        let function = (0..channels).map(|_| Step::arbitrary(u)).collect::<Result<_, _>>()?;
        let output = (0..channels).map(|_| Step::arbitrary(u)).collect::<Result<_, _>>()?;
        let layouts = (0..inputs + plans.len() + 1).map(|_| u.int_in_range(0..=7));
        let mut layouts = layouts.collect::<Result<Vec<u8>, _>>()?.into_iter();
        let run = u.int_in_range(1..=CHANNELS)?;
        // Small integers: first from the bytes that are left, then from a seeded generator, so that
        // a short input has live data too.
        let (mut state, mut bytes): (u64, _) = (u.arbitrary()?, u.bytes(u.len())?.iter());
        let mut number = || {
            let byte = bytes.next().copied().unwrap_or_else(|| {
                // Knuth's generator, whose high bits are the good ones.
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            });
            i64::from(byte as i8) % (VALUE + 1)
        };
        let mut tensor = |shape: [usize; 4]| {
            let layout = layouts.next().unwrap_or(0);
            let mut values = Array4::from_shape_simple_fn(shape, &mut number);
            if layout == REPEATED && shape[0] > 1 {
                let first = values.slice(s![..1, .., .., ..]).to_owned();
                values.assign(&first.broadcast(shape).expect("the same images"));
            }
            Tensor { values, layout }
        };
        let x = |i: usize| plans.get(i).map_or([1, 1, 1, 1], |plan| plan.x);
        let xs = (0..inputs).map(|i| tensor(x(i))).collect();
        let path = |plan: &Plan| {
            let [stride, padding, dilation, groups] = plan.spec;
            let spec = ConvSpec::new(stride, padding, dilation, groups).expect("none is 0");
            Path { weights: tensor(plan.kernel), spec }
        };
        let paths = plans.iter().map(path).collect();
        Ok(Self { verb, paths, xs, function, shortcut: shortcut.map(tensor), output, run })
    }
}

/// Draws valid shapes for the paths of one verb.
fn plan(u: &mut Unstructured<'_>, verb: Verb) -> arbitrary::Result<Vec<Plan>> {
    let n = *u.choose(&[1, 1, 2, 1, 3, 2, 1, 0])?;
    let map = |u: &mut Unstructured<'_>| {
        Ok(match u.int_in_range(0..=11u8)? {
            // More pixels than a tile is wide, or more than a run of the matrix product has.
            10 => (u.int_in_range(1..=3)?, u.int_in_range(50..=80)?),
            11 => (u.int_in_range(22..=26)?, u.int_in_range(22..=26)?),
            _ => (u.int_in_range(1..=12)?, u.int_in_range(1..=12)?),
        })
    };
    let groups = if u.ratio(1, 2)? { 1 } else { u.int_in_range(1..=3)? };
    let (h, w) = map(u)?;
    let x = [n, groups * u.int_in_range(1..=CHANNELS)?, h, w];
    let mut first = Plan::draw(u, x, groups)?;
    if first.kernel[2..] == [1, 1] && u.ratio(1, 4)? {
        first.kernel[1] = u.int_in_range(1..=CHANNELS_OF_1X1)?;
        first.x[1] = groups * first.kernel[1];
    }
    let paths = match verb {
        Verb::Conv | Verb::Sums => 1,
        _ => u.int_in_range(1..=PATHS)?,
    };
    let alike = u.ratio(2, 3)?;
    let mut plans = vec![first];
    for _ in 1..paths {
        let mut next = first;
        match verb {
            // Paths may be of any width.
            Verb::Split | Verb::Each if alike => {
                next.kernel[0] = groups * u.int_in_range(1..=CHANNELS)?;
            }
            Verb::Split => next = Plan { x: first.x, ..Plan::draw(u, first.x, groups)? },
            Verb::Each => {
                let (h, w) = map(u)?;
                let c_in = groups * u.int_in_range(1..=CHANNELS)?;
                next = Plan::draw(u, [n, c_in, h, w], groups)?;
            }
            Verb::Merge if !alike => {
                let [n, c_out, h_out, w_out] = first.output();
                next = Plan::draw(u, x, groups)?;
                next.kernel[0] = c_out;
                next.kernel[1] = u.int_in_range(1..=CHANNELS)?;
                let h = next.size_for(h_out, next.kernel[2], u.int_in_range(0..=3)?);
                let w = next.size_for(w_out, next.kernel[3], u.int_in_range(0..=3)?);
                match (h, w) {
                    (Some(h), Some(w)) => next.x = [n, groups * next.kernel[1], h, w],
                    _ => next = first,
                }
            }
            _ => {}
        }
        plans.push(next);
    }
    Ok(plans)
}

/// Changes one size. If the case then becomes invalid, a convolver must refuse it.
fn spoil(
    u: &mut Unstructured<'_>,
    plans: &mut [Plan],
    shortcut: &mut Option<[usize; 4]>,
) -> arbitrary::Result<()> {
    let path = u.choose_index(plans.len())?;
    let axis = u.choose_index(4)?;
    let plan = &mut plans[path];
    match u.int_in_range(0..=7u8)? {
        0 => plan.x[1] += 1,
        1 => plan.x[axis] = 0,
        2 => plan.kernel[axis] = 0,
        3 => plan.kernel[0] += 1,
        4 => plan.spec[3] += 1,
        5 => plan.kernel[2 + axis % 2] = plan.x[2 + axis % 2] + 2 * plan.spec[1] + 1,
        6 => plan.x[2 + axis % 2] += 1,
        _ => {
            if let Some(shortcut) = shortcut {
                shortcut[axis] += 1;
            }
        }
    }
    Ok(())
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=7u8)? {
            0 => Self::Identity,
            1 => Self::Relu,
            // Then its layer's other functions cannot be given as data either.
            2 if u.ratio(1, 4)? => Self::Ramp,
            _ => Self::Affine(
                u.int_in_range(-SCALE..=SCALE)?,
                u.int_in_range(-SHIFT..=SHIFT)?,
                u.arbitrary()?,
            ),
        })
    }
}
