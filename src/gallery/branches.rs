//! Mistakes in how a branch computes. They are in the convolution itself, in the sum of the paths in form (a), in the
//! connections between the layers of form (c), or around a form.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array3, Array4, ArrayView4, ArrayViewMut3, Axis, Zip, s};

use super::{Met, as_a};
use crate::block::aggregated::Aggregated;
use crate::block::grouped::Grouped;
use crate::block::{BlockSpec, BlockWeights, Branch, Functions, Shortcut, With};
use crate::conv::{Along, ChannelWise, ConvSpec, Convolver, Epilogue, Identity, apply_from};
use crate::error::{Error, Result};
use crate::scalar::{Additive, Dual, M61, Scalar, Var};

/// What is wrong with the convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The last column of the output is not computed.
    LastColumn,
    /// Every image gets the result of the first image.
    FirstImage,
    /// The input is read in memory order, regardless of its strides.
    MemoryOrder,
    /// The padded input is kept in a buffer whose border is cleared only the first time.
    DirtyScratch,
    /// The last batch norm is applied in each path of form (a), before the sum.
    NormInEachPath,
    /// The last ReLU is also applied in each path, before the sum.
    ReluBeforeSum,
    /// In the backward pass, a grouped convolution passes its gradient back as many times as there are groups.
    GradientTimesGroups,
    /// In the backward pass, the stride is taken to be 1.
    StrideIgnoredBackwards,
}

/// A convolver with a fault.
pub(super) struct Faulty<'a, V> {
    convolver: &'a V,
    fault: Fault,
    met: &'a Met,
}

/// A kernel, the same kernel without padding, and the same kernel with stride 1. There is also the buffer that
/// [`Fault::DirtyScratch`] keeps from one call to the next.
pub(super) struct FaultyKernel<S, K> {
    kernel: K,
    unpadded: K,
    /// The kernel with stride 1.
    unstrided: K,
    spec: ConvSpec,
    padding: usize,
    scratch: Mutex<Vec<S>>,
}

impl<S: Additive, V: Convolver<S>> Convolver<S> for Faulty<'_, V> {
    type Kernel = FaultyKernel<S, V::Kernel>;

    fn prepare(&self, weights: ArrayView4<'_, S>, spec: ConvSpec) -> Result<Self::Kernel> {
        let bare = |along: Along| Along { padding: [0, 0], ..along };
        let unpadded = ConvSpec::by_axis(bare(spec.height()), bare(spec.width()), spec.groups())?;
        let slow = |along: Along| Along { stride: 1, ..along };
        let unstrided = ConvSpec::by_axis(slow(spec.height()), slow(spec.width()), spec.groups())?;
        Ok(FaultyKernel {
            kernel: self.convolver.prepare(weights, spec)?,
            unstrided: self.convolver.prepare(weights, unstrided)?,
            spec,
            unpadded: self.convolver.prepare(weights, unpadded)?,
            padding: spec.height().padding[0],
            scratch: Mutex::default(),
        })
    }

    fn sums(&self, x: ArrayView4<'_, S>, kernel: &Self::Kernel) -> Result<Array4<S>> {
        if self.fault == Fault::MemoryOrder
            && !x.is_standard_layout()
            && let Some(memory) = x.as_slice_memory_order()
        {
            self.met.meet(true);
            let read = Array4::from_shape_vec(x.dim(), memory.to_vec());
            let read = read.unwrap_or_else(|error| unreachable!("as many: {error}"));
            return self.convolver.sums(read.view(), &kernel.kernel);
        }
        // If the border is clean, the right convolution runs. (It does not multiply weights by the
        // padding's zeros, which would turn infinite weights into NaN.)
        if self.fault == Fault::DirtyScratch
            && let Some(padded) = kernel.in_scratch(x)
        {
            self.met.meet(true);
            return self.convolver.sums(padded.view(), &kernel.unpadded);
        }
        let groups = kernel.spec.groups();
        if self.fault == Fault::GradientTimesGroups && groups > 1 {
            let x = x.to_owned();
            let (altered, is_recorded) = altered(&x, &x, Back::Times(groups));
            self.met.meet(is_recorded);
            return self.convolver.sums(altered.view(), &kernel.kernel);
        }
        let mut z = self.convolver.sums(x, &kernel.kernel)?;
        if self.fault == Fault::StrideIgnoredBackwards && kernel.unit_stride_differs() {
            let (_, _, h, w) = z.dim();
            let every = self.convolver.sums(x, &kernel.unstrided)?;
            let corner = every.slice(s![.., .., ..h, ..w]).to_owned();
            let (altered, is_recorded) = altered(&z, &corner, Back::Times(1));
            self.met.meet(is_recorded);
            return Ok(altered);
        }
        match self.fault {
            Fault::LastColumn => {
                z.slice_mut(s![.., .., .., -1]).fill(S::zero());
                self.met.meet(!z.is_empty());
            }
            Fault::FirstImage => {
                self.met.meet(z.len_of(Axis(0)) > 1);
                let mut images = z.outer_iter_mut();
                if let Some(first) = images.next() {
                    images.for_each(|mut image| image.assign(&first));
                }
            }
            _ => {}
        }
        Ok(z)
    }

    fn merge(
        &self,
        xs: &[Array4<S>],
        kernels: &[Self::Kernel],
        epilogue: &Epilogue<'_, S>,
    ) -> Result<Array4<S>> {
        let (in_each_path, after): (&dyn ChannelWise<S>, &dyn ChannelWise<S>) = match self.fault {
            Fault::NormInEachPath => (epilogue.function, &Identity),
            Fault::ReluBeforeSum => (epilogue.output, epilogue.function),
            _ => (&Identity, epilogue.function),
        };
        let in_each_path = Epilogue::only(in_each_path);
        let mut paths =
            xs.iter().zip(kernels).map(|(x, kernel)| self.conv(x.view(), kernel, &in_each_path));
        let mut total = paths.next().ok_or(Error::Zero { what: "number of paths" })??;
        for path in paths {
            total.zip_mut_with(&path?, |sum, z| *sum = sum.add(z));
        }
        let Epilogue { shortcut, output, .. } = *epilogue;
        Epilogue { function: after, shortcut, output }.apply(total.view_mut())?;
        Ok(total)
    }
}

/// How a gradient is changed in the backward pass.
#[derive(Clone, Copy)]
pub(super) enum Back {
    /// The channels form this many groups, and each group gets the gradient of the next group.
    OfNextGroup(usize),
    /// The gradient is multiplied by this number, by repeated addition.
    Times(usize),
}

impl Back {
    /// The gradient with respect to inputs N x C x H x W, from the gradient with respect to outputs of the same shape.
    fn of<T: Additive>(self, [n, c, h, w]: [usize; 4], g: &[T]) -> Vec<T> {
        let plane = h * w;
        match self {
            Self::OfNextGroup(groups) => {
                let from = |at: usize| {
                    let (image, channel, pixel) = (at / (c * plane), at / plane % c, at % plane);
                    (image * c + (channel + c / groups) % c) * plane + pixel
                };
                (0..n * c * plane).map(|at| g[from(at)].clone()).collect()
            }
            Self::Times(times) => {
                let added = |g: &T| (1..times).fold(g.clone(), |sum, _| sum.add(g));
                g.iter().map(added).collect()
            }
        }
    }
}

/// Gives `z` a new backward pass, which sends its gradient to `inputs` as `back` says. Returns the new `z` and true. If
/// the numbers do not remember how they were computed, returns `z` unchanged and false.
pub(super) fn altered<S: Additive>(
    z: &Array4<S>,
    inputs: &Array4<S>,
    back: Back,
) -> (Array4<S>, bool) {
    fn over<T: Scalar>(z: &mut Array4<Var<T>>, mut inputs: Array4<impl Additive>, back: Back) {
        let Some(inputs) = as_a::<Array4<Var<T>>>(&mut inputs) else { return };
        let shape = inputs.dim().into();
        let values = z.iter().map(|z| z.value().clone()).collect();
        let inputs = inputs.iter().cloned().collect();
        let results = Var::computed(values, inputs, move |_, g| back.of(shape, g));
        z.iter_mut().zip(results).for_each(|(z, result)| *z = result);
    }
    let mut z = z.clone();
    let is_field = as_a::<Array4<Var<M61>>>(&mut z).map(|z| over(z, inputs.clone(), back));
    let is_float = as_a::<Array4<Var<f32>>>(&mut z).map(|z| over(z, inputs.clone(), back));
    (z, is_field.or(is_float).is_some())
}

impl<S, K> FaultyKernel<S, K> {
    fn unit_stride_differs(&self) -> bool {
        (self.spec.height().stride, self.spec.width().stride) != (1, 1)
    }
}

impl<S: Additive, K> FaultyKernel<S, K> {
    /// The padded input in the buffer. `None` if its padding holds only zeros.
    fn in_scratch(&self, x: ArrayView4<'_, S>) -> Option<Array4<S>> {
        let p = self.padding;
        let (n, c, h, w) = x.dim();
        let shape = (n, c, h + 2 * p, w + 2 * p);
        let length = n * c * (h + 2 * p) * (w + 2 * p);
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if scratch.len() < length {
            scratch.resize(length, S::zero());
        }
        let padded = Array4::from_shape_vec(shape, scratch[..length].to_vec());
        let mut padded = padded.unwrap_or_else(|error| unreachable!("as long as it is: {error}"));
        padded.slice_mut(s![.., .., p..h + p, p..w + p]).fill(S::zero());
        let is_dirty = padded.iter().any(|around| *around != S::zero());
        padded.slice_mut(s![.., .., p..h + p, p..w + p]).assign(&x);
        scratch[..length].clone_from_slice(padded.as_slice().unwrap_or_default());
        is_dirty.then_some(padded)
    }
}

/// Form (c) over a convolver with a fault. If the fault is in the sum of the paths, it is form (a) instead.
pub(super) struct OnFaulty<S, K> {
    aggregated: Option<Aggregated<FaultyKernel<S, K>>>,
    grouped: Grouped<FaultyKernel<S, K>>,
    fault: Fault,
    met: Met,
}

impl<S: Additive, K> OnFaulty<S, K> {
    pub(super) fn prepare<V: Convolver<S, Kernel = K>>(
        fault: Fault,
        weights: &BlockWeights<S>,
        convolver: &V,
        met: Met,
    ) -> Result<Self> {
        let faulty = Faulty { convolver, fault, met: &met };
        let aggregated = match fault {
            Fault::NormInEachPath | Fault::ReluBeforeSum => {
                let many = weights.spec().cardinality() > 1;
                met.meet(many || fault == Fault::ReluBeforeSum);
                Some(Aggregated::prepare(weights, &faulty)?)
            }
            _ => None,
        };
        Ok(Self { aggregated, grouped: Grouped::prepare(weights, &faulty)?, fault, met })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for OnFaulty<S, V::Kernel> {
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        let faulty = Faulty { convolver, fault: self.fault, met: &self.met };
        let with = With { functions, shortcut, convolver: &faulty };
        match &self.aggregated {
            Some(form) => form.forward(x, &with),
            None => self.grouped.forward(x, &with),
        }
    }
}

/// What is wrong between the layers of form (c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Group `i` of the 3x3 reads every C-th channel, from channel `i` on.
    Interleaved,
    /// Two neighbouring groups of the 3x3 both read the channels of the first group.
    HalvedGroups,
    /// One row of the 3x3's padding moves from bottom to top, and one column moves from right to left.
    PaddingShifted,
    /// The map is padded before batch norm and ReLU.
    PaddedBefore,
    /// The 3x3 has dilation 2.
    Dilated,
    /// The 3x3 exchanges height and width.
    AxesSwapped,
    /// The first 1x1 has the stride of the 3x3.
    StrideMoved,
}

/// Form (c) with its layers connected in a wrong way.
pub(super) struct Rewired<K> {
    reduce: K,
    transform: K,
    expand: K,
    wiring: Wiring,
    spec: BlockSpec,
    met: Met,
}

impl<K> Rewired<K> {
    pub(super) fn prepare<S: Additive, V: Convolver<S, Kernel = K>>(
        wiring: Wiring,
        weights: &BlockWeights<S>,
        convolver: &V,
        met: Met,
    ) -> Result<Self> {
        let spec = *weights.spec();
        let groups = spec.cardinality();
        let (mut reduce, mut transform) = (spec.reduce(), spec.transform(groups));
        let stride = transform.height().stride;
        match wiring {
            Wiring::PaddingShifted => {
                let [p, _] = transform.height().padding;
                let further = p.min(1);
                let along = Along { padding: [p + further, p - further], ..transform.height() };
                transform = ConvSpec::by_axis(along, along, groups)?;
            }
            Wiring::PaddedBefore => transform = ConvSpec::new(stride, 0, 1, groups)?,
            Wiring::Dilated => {
                // With padding that keeps the map size.
                let padding = spec.padding() + spec.kernel() / 2;
                transform = ConvSpec::new(stride, padding, 2, groups)?;
            }
            Wiring::StrideMoved if stride > 1 => {
                transform = ConvSpec::new(1, spec.padding(), 1, groups)?;
                reduce = ConvSpec::new(stride, 0, 1, 1)?;
            }
            Wiring::StrideMoved
            | Wiring::Interleaved
            | Wiring::HalvedGroups
            | Wiring::AxesSwapped => {}
        }
        let (paths, d) = (spec.cardinality(), spec.width());
        met.meet(match wiring {
            Wiring::Interleaved => paths > 1 && d > 1,
            Wiring::HalvedGroups => paths > 1,
            Wiring::PaddingShifted | Wiring::PaddedBefore => spec.padding() > 0,
            Wiring::Dilated => spec.kernel() > 1,
            Wiring::StrideMoved => stride > 1,
            Wiring::AxesSwapped => false, // that depends on the map
        });
        Ok(Self {
            reduce: convolver.prepare(weights.reduce(), reduce)?,
            transform: convolver.prepare(weights.transform(), transform)?,
            expand: convolver.prepare(weights.expand(), spec.expand())?,
            wiring,
            spec,
            met,
        })
    }

    /// The channel that the 3x3 reads instead of `channel`.
    fn source(&self, channel: usize) -> usize {
        let (paths, d) = (self.spec.cardinality(), self.spec.width());
        let (path, j) = (channel / d, channel % d);
        match self.wiring {
            Wiring::Interleaved => j * paths + path,
            Wiring::HalvedGroups => (path - path % 2) * d + j,
            _ => channel,
        }
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Rewired<V::Kernel> {
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        let p = self.spec.padding();
        let reduced = if self.wiring == Wiring::PaddedBefore {
            let mut padded = pad(&convolver.sums(x, &self.reduce)?, p);
            apply_from(functions.reduce, 0, padded.view_mut());
            padded
        } else {
            convolver.conv(x, &self.reduce, &functions.after_reduce())?
        };
        let read = Array4::from_shape_fn(reduced.raw_dim(), |(n, c, i, j)| {
            reduced[[n, self.source(c), i, j]].clone()
        });
        let (_, _, h, w) = read.dim();
        let transformed = match self.wiring {
            Wiring::AxesSwapped => {
                let stride = self.spec.transform(1).height().stride;
                self.met.meet(h != w && (self.spec.kernel() > 1 || stride > 1));
                let z = convolver.sums(relabelled(read)?.view(), &self.transform)?;
                let mut z = relabelled(z)?;
                apply_from(functions.transform, 0, z.view_mut());
                z
            }
            _ => convolver.conv(read.view(), &self.transform, &functions.after_transform())?,
        };
        convolver.conv(transformed.view(), &self.expand, &functions.after_sum(shortcut))
    }
}

/// Adds zeros around each plane, `p` on each side.
fn pad<S: Additive>(x: &Array4<S>, p: usize) -> Array4<S> {
    let (n, c, h, w) = x.dim();
    let mut padded = Array4::from_elem((n, c, h + 2 * p, w + 2 * p), S::zero());
    padded.slice_mut(s![.., .., p..p + h, p..p + w]).assign(x);
    padded
}

/// Reads the same memory with height and width exchanged.
fn relabelled<S: Additive>(x: Array4<S>) -> Result<Array4<S>> {
    let (n, c, h, w) = x.dim();
    let found = x.shape().to_vec();
    let x = x.as_standard_layout().into_owned();
    let expected = format!("{:?}", [n, c, w, h]);
    x.into_shape_with_order((n, c, w, h)).map_err(|_| Error::Shape { what: "map", expected, found })
}

/// What is wrong around a form. Only the first three mistakes, which are about the shortcut, are in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// The shortcut is left out.
    NoShortcut,
    /// The shortcut is added after the last ReLU.
    AfterRelu,
    /// A ReLU follows the projection.
    ReluOnProjection,
    /// The functions after the first 1x1 and after the 3x3 are exchanged.
    FunctionsExchanged,
    /// The function after the first 1x1 is also applied to a copy, so the running statistics move twice.
    StatisticsTwice,
    /// As `StatisticsTwice`, but with doubled deviations from the mean in the copy, so that only the variance is off.
    VarianceTwice,
    /// In `f32`, outputs above 1 are set to 1.
    Clamped,
    /// In `f32`, every zero in the output is -0.
    NegativeZero,
    /// Over dual numbers of `f32`, a derivative is off by 1.
    FloatDerivative,
    /// Over dual numbers of the field `M61`, a derivative is off by 1.
    FieldDerivative,
    /// The first two output channels are exchanged, after all other steps.
    OutputsExchanged,
    /// Not a form at all: it returns its input without the first two channels.
    NoForm,
}

/// The branch of any form, with a mistake around it.
pub(super) struct Beside<S: Additive, V: Convolver<S>> {
    pub(super) branch: Box<dyn Branch<S, V>>,
    pub(super) around: Around,
    pub(super) shortcut: Shortcut,
    pub(super) met: Met,
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Beside<S, V> {
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        let around = self.around;
        let twice = Twice { function: functions.reduce, spread: around == Around::VarianceTwice };
        let functions = &match around {
            Around::NoForm => return Ok(x.slice(s![.., 2.., .., ..]).to_owned()),
            Around::FunctionsExchanged => {
                Functions { reduce: functions.transform, transform: functions.reduce, ..*functions }
            }
            Around::StatisticsTwice | Around::VarianceTwice => {
                Functions { reduce: &twice, ..*functions }
            }
            _ => Functions { ..*functions },
        };
        let is_projection = self.shortcut == Shortcut::Projection;
        self.met.meet(match around {
            Around::NoShortcut | Around::AfterRelu => shortcut.is_some(),
            Around::ReluOnProjection => is_projection,
            _ => true,
        });
        let mut projected = None;
        if around == Around::ReluOnProjection && is_projection {
            projected = shortcut.map(|shortcut| shortcut.to_owned());
            projected.iter_mut().for_each(|r| apply_from(functions.output, 0, r.view_mut()));
        }
        let given = match around {
            Around::NoShortcut | Around::AfterRelu => None,
            _ => projected.as_ref().map(|projected| projected.view()).or(shortcut),
        };
        let mut y = self.branch.forward(x, &With { functions, shortcut: given, convolver })?;
        match around {
            Around::AfterRelu => {
                if let Some(shortcut) = shortcut {
                    y.zip_mut_with(&shortcut, |y, r| *y = y.add(r));
                }
            }
            Around::OutputsExchanged if y.len_of(Axis(1)) > 1 => {
                let (mut left, mut right) =
                    y.multi_slice_mut((s![.., 0, .., ..], s![.., 1, .., ..]));
                Zip::from(&mut left).and(&mut right).for_each(std::mem::swap);
            }
            Around::Clamped => in_f32(&mut y, |y| if y > 1.0 { 1.0 } else { y }),
            Around::NegativeZero => in_f32(&mut y, |y| if y == 0.0 { -0.0 } else { y }),
            Around::FloatDerivative => last_derivative_off::<f32>(&mut y),
            Around::FieldDerivative => last_derivative_off::<M61>(&mut y),
            _ => {}
        }
        Ok(y)
    }
}

fn in_f32<S: Additive>(y: &mut Array4<S>, change: fn(f32) -> f32) {
    if let Some(y) = as_a::<Array4<f32>>(y) {
        y.mapv_inplace(change);
    }
}

fn last_derivative_off<T: Scalar>(y: &mut Array4<impl Additive>) {
    if let Some(last) = y.last_mut().and_then(as_a::<Dual<T>>) {
        last.derivative = last.derivative.add(&T::one());
    }
}

/// A function that is first applied to a copy, then to the plane itself. If `spread` is set, deviations from the mean
/// are doubled in the copy. That is done only in `f32`.
struct Twice<'a, S> {
    function: &'a dyn ChannelWise<S>,
    spread: bool,
}

impl<S: Additive> ChannelWise<S> for Twice<'_, S> {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>) {
        let mut copy = plane.to_owned();
        let floats = as_a::<Array3<f32>>(&mut copy);
        if let (true, Some(floats)) = (self.spread, floats) {
            // A running mean that starts at the batch's mean stays there, so that only the
            // running variance differs afterwards.
            let mean = floats.mean().unwrap_or_default();
            floats.mapv_inplace(|z| 2.0 * z - mean);
        }
        self.function.apply(channel, copy.view_mut());
        self.function.apply(channel, plane);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ndarray::Array4;

    use super::{FaultyKernel, Met, Rewired, Wiring};
    use crate::block::BlockSpec;
    use crate::conv::ConvSpec;
    use crate::scalar::Int;

    /// Without padding or in a fresh buffer, there are no old values. After a larger input, a smaller input has old
    /// values around it.
    #[test]
    fn a_buffer_keeps_what_was_around() {
        let ones = |side| Array4::from_elem((1, 1, side, side), Int::from(1));
        for padding in 0..=2 {
            let scratch = Mutex::default();
            let kernel = FaultyKernel {
                kernel: (),
                unpadded: (),
                unstrided: (),
                spec: ConvSpec::UNIT,
                padding,
                scratch,
            };
            assert_eq!(kernel.in_scratch(ones(5).view()), None);
            let (left, side) = (kernel.in_scratch(ones(3).view()), 3 + 2 * padding);
            assert_eq!(left.map(|x| x.dim()), (padding > 0).then_some((1, 1, side, side)));
        }
    }

    #[test]
    fn the_3x3_reads_the_channels_it_is_said_to() {
        let spec = BlockSpec::new(2, 3, 2, 2).unwrap();
        let sources = |wiring| {
            let (reduce, transform, expand) = ((), (), ());
            let rewired = Rewired { reduce, transform, expand, wiring, spec, met: Met::default() };
            [0, 1, 2, 3, 4, 5].map(|channel| rewired.source(channel))
        };
        assert_eq!(sources(Wiring::Interleaved), [0, 3, 1, 4, 2, 5]);
        assert_eq!(sources(Wiring::HalvedGroups), [0, 1, 0, 1, 4, 5]);
    }
}
