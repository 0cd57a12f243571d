//! Mistakes that people make in kernels and ports of a grouped convolution and its gradients.
//!
//! Each mistake is a function that takes a convolution with its data and returns the outputs of the wrong code. They
//! are computed in `f64`, which is exact on integers. The function returns `None` if the mistake does not apply, for
//! example because there is only one group or no padding. The outputs may have a wrong shape.
//!
//! Some mistakes have no such function, because their result depends on the order of sums or on old values in memory.
//! [`crate::check`] recognises them as a class.

use ndarray::{Array4, Axis, Slice, s};

use crate::conv::{Along, Arrays, ConvSpec, Convolution, KernelShape, Reference, kernel_gradient};
use crate::error::Result;

/// Computes the outputs of wrong code. `None` where the mistake does not apply.
type Wrong = fn(&Convolution) -> Result<Option<Arrays>>;

/// A mistake in a grouped convolution.
#[derive(Clone, Copy, Debug)]
pub struct ConvMistake {
    /// The name of the mistake.
    pub name: &'static str,
    /// What is wrong.
    pub changed: &'static str,
    /// Where it was reported, if that is known.
    pub seen_in: Option<&'static str>,
    wrong: Wrong,
}

impl ConvMistake {
    /// The outputs of the wrong code for this convolution. There are no arrays if the code fails because its geometry
    /// has no output. `None` if the mistake does not apply.
    pub fn outputs(&self, conv: &Convolution) -> Option<Arrays> {
        (self.wrong)(conv).unwrap_or_else(|_| Some(Arrays::new()))
    }
}

const fn mistake(name: &'static str, changed: &'static str, wrong: Wrong) -> ConvMistake {
    ConvMistake { name, changed, seen_in: None, wrong }
}

const fn seen(
    name: &'static str,
    changed: &'static str,
    seen_in: &'static str,
    wrong: Wrong,
) -> ConvMistake {
    ConvMistake { name, changed, seen_in: Some(seen_in), wrong }
}

/// The mistake with this name.
pub fn named(name: &str) -> Option<&'static ConvMistake> {
    ALL.iter().find(|mistake| mistake.name == name)
}

/// All mistakes: first those in the output, then those in gradients.
pub const ALL: [ConvMistake; 60] = [
    seen(
        "groups-ignored",
        "every group reads the channels of the first group",
        "onnx 1.23, reference evaluator of ConvTranspose",
        |conv| in_groups(conv, |_, _, c| c),
    ),
    mistake("groups-interleaved", "group i reads channels i, i + g, i + 2g and so on", |conv| {
        in_groups(conv, |shape, group, c| c * shape.spec.groups() + group)
    }),
    mistake("groups-in-reverse", "group i reads the channels of group g - 1 - i", |conv| {
        in_groups(conv, |shape, group, c| (shape.spec.groups() - 1 - group) * shape.c_in_group + c)
    }),
    seen(
        "width-for-number",
        "each group begins at a multiple of g, not of the group's width",
        "the textbook d2l, which sets `groups` to the width of a group",
        |conv| in_groups(conv, |shape, group, c| (group * shape.spec.groups() + c) % shape.c_in()),
    ),
    mistake("outputs-interleaved", "the outputs of the groups are interleaved", |conv| {
        forward(conv, conv.spec.groups() > 1, |y| interleaved(&y, conv.spec.groups()))
    }),
    mistake("group-by-remainder", "output channel o is treated as part of group o % g", |conv| {
        let (groups, each) = (conv.spec.groups(), conv.shape()?.c_out_group());
        // Kernels and biases sorted by the group that they are taken for, and the outputs put back.
        let of = |o| o % each * groups + o / each;
        let bias = (0..conv.bias.len()).map(|o| conv.bias[of(o)]).collect();
        let weights = conv.with_weight(|[o, c, u, v]| Some([of(o), c, u, v]));
        let sorted = Convolution { bias, ..weights };
        forward(&sorted, groups > 1, |y| interleaved(&y, groups))
    }),
    seen(
        "one-filter-for-all",
        "all groups use the kernels of the first group",
        "a thread on grouped convolution in TensorFlow (pull request 25818)",
        |conv| {
            let each = conv.shape()?.c_out_group();
            reads(conv, |[o, c, u, v]| Some([o % each, c, u, v]))
        },
    ),
    seen(
        "depthwise",
        "each output channel reads one channel of its group",
        "ncnn 1581; openvino2tensorflow 111",
        |conv| {
            let width = conv.shape()?.c_in_group;
            reads(conv, |at| (at[1] == at[0] % width).then_some(at))
        },
    ),
    mistake("kernel-flipped", "the kernel is rotated by 180 degrees", |conv| {
        let KernelShape { k_h, k_w, .. } = conv.shape()?;
        reads(conv, |[o, c, u, v]| Some([o, c, k_h - 1 - u, k_w - 1 - v]))
    }),
    mistake("kernel-mirrored", "the kernel's columns are in reverse order", |conv| {
        let k_w = conv.shape()?.k_w;
        reads(conv, |[o, c, u, v]| Some([o, c, u, k_w - 1 - v]))
    }),
    mistake("kernel-transposed", "the kernel's rows are read as its columns", |conv| {
        let KernelShape { k_h, k_w, .. } = conv.shape()?;
        // Reads the kernel's memory as k_w x k_h.
        reads(conv, |[o, c, u, v]| {
            let at = v * k_h + u;
            Some([o, c, at / k_w, at % k_w])
        })
    }),
    mistake(
        "channels-transposed",
        "the kernel's input and output channels are exchanged",
        |conv| {
            let shape = conv.shape()?;
            let each = shape.c_out_group();
            if each != shape.c_in_group {
                return Ok(None);
            }
            reads(conv, |[o, c, u, v]| Some([o / each * each + c, o % each, u, v]))
        },
    ),
    mistake("last-term-missing", "the last input channel of each group is left out", |conv| {
        let width = conv.shape()?.c_in_group;
        reads(conv, |at| (at[1] + 1 < width).then_some(at))
    }),
    mistake("last-tap-missing", "the last tap of the kernel is left out", |conv| {
        let KernelShape { k_h, k_w, .. } = conv.shape()?;
        reads(conv, |at| ((at[2] + 1, at[3] + 1) != (k_h, k_w)).then_some(at))
    }),
    mistake(
        "sum-tail-4",
        "input channels after the last full set of 4 in a group are left out",
        |conv| sum_tail(conv, 4),
    ),
    mistake(
        "sum-tail-8",
        "input channels after the last full set of 8 in a group are left out",
        |conv| sum_tail(conv, 8),
    ),
    mistake(
        "sum-tail-16",
        "input channels after the last full set of 16 in a group are left out",
        |conv| sum_tail(conv, 16),
    ),
    mistake("output-tail-4", "a group's outputs after its last full set of 4 are 0", |conv| {
        output_tail(conv, 4)
    }),
    mistake("output-tail-8", "a group's outputs after its last full set of 8 are 0", |conv| {
        output_tail(conv, 8)
    }),
    mistake("output-tail-16", "a group's outputs after its last full set of 16 are 0", |conv| {
        output_tail(conv, 16)
    }),
    mistake("row-tail-4", "output columns after the last full set of 4 are 0", |conv| {
        row_tail(conv, 4)
    }),
    mistake("row-tail-8", "output columns after the last full set of 8 are 0", |conv| {
        row_tail(conv, 8)
    }),
    mistake("row-tail-16", "output columns after the last full set of 16 are 0", |conv| {
        row_tail(conv, 16)
    }),
    mistake("stride-axes-swapped", "the strides of the two axes are exchanged", |conv| {
        let stride = |along: Along, other: Along| Along { stride: other.stride, ..along };
        exchanged(conv, stride)
    }),
    mistake("padding-axes-swapped", "the paddings of the two axes are exchanged", |conv| {
        let padding = |along: Along, other: Along| Along { padding: other.padding, ..along };
        exchanged(conv, padding)
    }),
    mistake("dilation-axes-swapped", "the dilations of the two axes are exchanged", |conv| {
        let dilation = |along: Along, other: Along| Along { dilation: other.dilation, ..along };
        exchanged(conv, dilation)
    }),
    seen(
        "padding-wrong-side",
        "opposite sides exchange their padding",
        "MNN 3.6.1 and OpenCV, auto_pad SAME_LOWER",
        |conv| {
            geometry(conv, |along| Along { padding: [along.padding[1], along.padding[0]], ..along })
        },
    ),
    mistake("padding-all-before", "all padding is above and to the left", |conv| {
        geometry(conv, |along| Along { padding: [along.padding.iter().sum(), 0], ..along })
    }),
    mistake("padding-ignored", "the map is not padded", |conv| {
        geometry(conv, |along| Along { padding: [0, 0], ..along })
    }),
    mistake("padding-replicated", "the padding repeats the map's edge instead of 0", |conv| {
        padded(conv, |at, size| at.clamp(0, size - 1))
    }),
    mistake("padding-reflected", "the padding mirrors the map instead of being 0", |conv| {
        padded(conv, |at, size| {
            let period = (2 * size - 2).max(1);
            let at = at.rem_euclid(period);
            at.min(period - at).min(size - 1)
        })
    }),
    mistake("stride-ignored", "the stride is taken to be 1", |conv| {
        cropped(conv, |along| Along { stride: 1, ..along })
    }),
    mistake("stride-from-one", "strided positions begin at 1, not at 0", |conv| {
        let strided = |along: Along| along.stride > 1 && along.padding[0] > 0;
        if ![conv.spec.height(), conv.spec.width()].into_iter().any(strided) {
            return Ok(None);
        }
        geometry(conv, |along| match strided(along) {
            true => {
                let [before, after] = along.padding;
                Along { padding: [before - 1, after + 1], ..along }
            }
            false => along,
        })
    }),
    mistake("dilation-ignored", "the dilation is taken to be 1", |conv| {
        cropped(conv, |along| Along { dilation: 1, ..along })
    }),
    mistake("bias-missing", "the bias is not added", |conv| with_bias(conv, |_, _| 0.0)),
    mistake("bias-of-group", "output channels in group i get bias i", |conv| {
        let of = group_of(conv)?;
        with_bias(conv, move |bias, o| bias[of(o)])
    }),
    mistake("bias-of-first-group", "every group gets the biases of the first group", |conv| {
        let each = conv.shape()?.c_out_group();
        with_bias(conv, move |bias, o| bias[o % each])
    }),
    mistake("bias-once-a-group", "the bias is added once for each group", |conv| {
        let groups = conv.spec.groups();
        with_bias(conv, move |bias, o| groups as f64 * bias[o])
    }),
    mistake("last-column-missing", "the last column of the output is 0", |conv| {
        forward(conv, true, |y| without(y, Axis(3)))
    }),
    mistake("last-row-missing", "the last row of the output is 0", |conv| {
        forward(conv, true, |y| without(y, Axis(2)))
    }),
    mistake("last-output-missing", "the last output channel is 0", |conv| {
        forward(conv, true, |y| without(y, Axis(1)))
    }),
    mistake("last-group-missing", "the outputs of the last group are 0", |conv| {
        let each = conv.shape()?.c_out_group();
        forward(conv, conv.spec.groups() > 1, |mut y| {
            let last = Slice::new(-(each as isize), None, 1);
            y.slice_axis_mut(Axis(1), last).fill(0.0);
            y
        })
    }),
    seen(
        "first-image-for-all",
        "every image gets the result of the first",
        "pytorch 188335, a related mistake (MPS, N > 1)",
        |conv| forward(conv, conv.x.len_of(Axis(0)) > 1, |y| of_first(&y)),
    ),
    seen(
        "zeros-at-16",
        "all outputs are 0 if C_out is a multiple of 16 and a group has fewer than 16 inputs",
        "pytorch 19912",
        |conv| {
            let shape = conv.shape()?;
            let meets =
                shape.spec.groups() > 1 && shape.c_out.is_multiple_of(16) && shape.c_in_group < 16;
            forward(conv, meets, |y| Array4::zeros(y.raw_dim()))
        },
    ),
    mistake("relu-applied", "negative outputs are 0", |conv| {
        forward(conv, true, |y| y.mapv(|y| if y < 0.0 { 0.0 } else { y }))
    }),
    mistake("nan-lost", "NaN in the input counts as 0", |conv| {
        let x = conv.x.mapv(|x| if x.is_nan() { 0.0 } else { x });
        output_of(conv, || Ok(Convolution { x, ..conv.clone() }))
    }),
    // Mistakes in gradients.
    seen(
        "weight-gradient-unstrided",
        "the gradient of the kernel takes the stride to be 1",
        "pytorch 50042; burn, pull request 1891",
        |conv| weight_gradient_of(conv, |along| Along { stride: 1, ..along }),
    ),
    mistake(
        "weight-gradient-undilated",
        "the gradient of the kernel takes the dilation to be 1",
        |conv| weight_gradient_of(conv, |along| Along { dilation: 1, ..along }),
    ),
    mistake(
        "weight-gradient-unpadded",
        "the gradient of the kernel takes the padding to be 0",
        |conv| weight_gradient_of(conv, |along| Along { padding: [0, 0], ..along }),
    ),
    seen(
        "weight-gradient-next-group",
        "each group's kernels get the gradient of the next group's",
        "pytorch 51430, a related mistake",
        |conv| {
            let KernelShape { c_out, .. } = conv.shape()?;
            let each = conv.shape()?.c_out_group();
            backward(conv, "grad_weight", |w| {
                Array4::from_shape_fn(w.raw_dim(), |(o, c, u, v)| w[[(o + each) % c_out, c, u, v]])
            })
        },
    ),
    mistake(
        "weight-gradient-flipped",
        "the gradient of the kernel is rotated by 180 degrees",
        |conv| backward(conv, "grad_weight", |w| w.slice(s![.., .., ..;-1, ..;-1]).to_owned()),
    ),
    mistake(
        "weight-gradient-averaged",
        "the gradient of the kernel is divided by the batch size",
        |conv| backward(conv, "grad_weight", |w| w / conv.x.len_of(Axis(0)) as f64),
    ),
    mistake(
        "weight-gradient-first-image",
        "only the first image contributes to the gradient of the kernel",
        |conv| {
            let Some(g) = &conv.grad_output else { return Ok(None) };
            let (x, g) = (conv.x.slice(s![..1, .., .., ..]), g.slice(s![..1, .., .., ..]));
            let (_, _, k_h, k_w) = conv.weight.dim();
            let first = kernel_gradient(g, x, conv.spec, (k_h, k_w))?;
            backward(conv, "grad_weight", |_| first)
        },
    ),
    seen(
        "input-gradient-g-times",
        "the gradient of the input is g times too large",
        "mlx, pull request 3800, a related mistake",
        |conv| backward(conv, "grad_x", |x| x * conv.spec.groups() as f64),
    ),
    seen(
        "input-gradient-unstrided",
        "the gradient of the input takes the stride to be 1",
        "mlx, pull request 3800, a related mistake",
        |conv| input_gradient_of(conv, |along| Along { stride: 1, ..along }),
    ),
    mistake(
        "input-gradient-undilated",
        "the gradient of the input takes the dilation to be 1",
        |conv| input_gradient_of(conv, |along| Along { dilation: 1, ..along }),
    ),
    mistake(
        "input-gradient-not-flipped",
        "the gradient of the input uses the kernel rotated by 180 degrees",
        |conv| {
            let KernelShape { k_h, k_w, .. } = conv.shape()?;
            let turned = conv.with_weight(|[o, c, u, v]| Some([o, c, k_h - 1 - u, k_w - 1 - v]));
            input_gradient_of(&turned, |along| along)
        },
    ),
    mistake(
        "input-gradient-one-filter",
        "the gradient of the input uses the kernels of the first group for all groups",
        |conv| {
            let each = conv.shape()?.c_out_group();
            let shared = conv.with_weight(|[o, c, u, v]| Some([o % each, c, u, v]));
            input_gradient_of(&shared, |along| along)
        },
    ),
    mistake(
        "bias-gradient-averaged",
        "the gradient of the bias is divided by the batch size",
        |conv| gradient(conv, "grad_bias", |bias| bias / conv.x.len_of(Axis(0)) as f64),
    ),
    mistake(
        "bias-gradient-first-image",
        "only the first image contributes to the gradient of the bias",
        |conv| {
            let Some(g) = &conv.grad_output else { return Ok(None) };
            let first = g.index_axis(Axis(0), 0).sum_axis(Axis(2)).sum_axis(Axis(1));
            gradient(conv, "grad_bias", |_| first.into_dyn())
        },
    ),
];

/// Returns a function that gives the group of an output channel.
fn group_of(conv: &Convolution) -> Result<impl Fn(usize) -> usize + use<>> {
    let each = conv.shape()?.c_out_group();
    Ok(move |o| o / each)
}

/// The outputs of the convolution `wrong`, if the output is asked for.
fn output_of(
    conv: &Convolution,
    wrong: impl FnOnce() -> Result<Convolution>,
) -> Result<Option<Arrays>> {
    match conv.grad_output {
        Some(_) => Ok(None),
        None => Ok(Some(wrong()?.outputs()?)),
    }
}

/// Changes the right output. `None` if gradients are asked for, or if the mistake does not apply.
fn forward(
    conv: &Convolution,
    applies: bool,
    change: impl FnOnce(Array4<f64>) -> Array4<f64>,
) -> Result<Option<Arrays>> {
    if conv.grad_output.is_some() || !applies {
        return Ok(None);
    }
    Ok(Some(vec![("y".to_owned(), change(conv.y()?).into_dyn())]))
}

/// The outputs if channel `c` of a group reads the input channel that `source` returns. With one group, the mistake
/// does not apply.
fn in_groups(
    conv: &Convolution,
    source: impl Fn(&KernelShape, usize, usize) -> usize,
) -> Result<Option<Arrays>> {
    let shape = conv.shape()?;
    if conv.spec.groups() == 1 {
        return Ok(None);
    }
    output_of(conv, || Ok(conv.rewired(|group, c| source(&shape, group, c))))
}

/// The outputs if each weight is read from the index that `read` returns.
fn reads(
    conv: &Convolution,
    read: impl Fn([usize; 4]) -> Option<[usize; 4]>,
) -> Result<Option<Arrays>> {
    output_of(conv, || Ok(conv.with_weight(read)))
}

fn sum_tail(conv: &Convolution, lanes: usize) -> Result<Option<Arrays>> {
    let whole = conv.shape()?.c_in_group / lanes * lanes;
    // A kernel with no full vector would give nothing but the bias, and somebody would notice.
    if whole == 0 { Ok(None) } else { reads(conv, |at| (at[1] < whole).then_some(at)) }
}

fn output_tail(conv: &Convolution, lanes: usize) -> Result<Option<Arrays>> {
    let each = conv.shape()?.c_out_group();
    let whole = each / lanes * lanes;
    forward(conv, whole > 0 && whole < each, |mut y| {
        for (o, mut plane) in y.axis_iter_mut(Axis(1)).enumerate() {
            if o % each >= whole {
                plane.fill(0.0);
            }
        }
        y
    })
}

fn row_tail(conv: &Convolution, lanes: usize) -> Result<Option<Arrays>> {
    let [.., columns] = conv.shape()?.output(conv.x.dim().into())?;
    let whole = columns / lanes * lanes;
    forward(conv, whole > 0 && whole < columns, |mut y| {
        y.slice_mut(s![.., .., .., whole..]).fill(0.0);
        y
    })
}

/// The outputs with another geometry along each axis.
fn geometry(conv: &Convolution, change: impl Fn(Along) -> Along) -> Result<Option<Arrays>> {
    output_of(conv, || Ok(Convolution { spec: changed(conv.spec, change)?, ..conv.clone() }))
}

fn changed(spec: ConvSpec, change: impl Fn(Along) -> Along) -> Result<ConvSpec> {
    ConvSpec::by_axis(change(spec.height()), change(spec.width()), spec.groups())
}

/// The outputs if each axis takes a part of its geometry from the other axis.
fn exchanged(conv: &Convolution, of: impl Fn(Along, Along) -> Along) -> Result<Option<Arrays>> {
    let (height, width) = (conv.spec.height(), conv.spec.width());
    output_of(conv, || {
        let spec = ConvSpec::by_axis(of(height, width), of(width, height), conv.spec.groups())?;
        Ok(Convolution { spec, ..conv.clone() })
    })
}

/// The output with another geometry, cropped to the right shape.
fn cropped(conv: &Convolution, change: impl Fn(Along) -> Along) -> Result<Option<Arrays>> {
    let wrong = Convolution { spec: changed(conv.spec, change)?, ..conv.clone() };
    let shape = conv.shape()?.output(conv.x.dim().into())?;
    let larger = if conv.grad_output.is_none() { Some(wrong.y()?) } else { None };
    Ok(larger.map(|y| vec![("y".to_owned(), fitted(&y, shape).into_dyn())]))
}

/// Cuts an array to this shape. If the array is too short along an axis, zeros are added at its end.
fn fitted(x: &Array4<f64>, shape: [usize; 4]) -> Array4<f64> {
    Array4::from_shape_fn(shape, |(n, c, i, j)| x.get([n, c, i, j]).copied().unwrap_or(0.0))
}

/// The outputs if the border is filled with values of the map. `at` turns a position that may lie outside the map into
/// a position inside.
fn padded(conv: &Convolution, at: impl Fn(isize, isize) -> isize) -> Result<Option<Arrays>> {
    let (n, c, h, w) = conv.x.dim();
    let [[up, down], [left, right]] =
        [conv.spec.height(), conv.spec.width()].map(|along| along.padding);
    let from = |i: usize, before: usize, size: usize| {
        at(i as isize - before as isize, size as isize) as usize
    };
    let x = Array4::from_shape_fn((n, c, h + up + down, w + left + right), |(n, c, i, j)| {
        conv.x[[n, c, from(i, up, h), from(j, left, w)]]
    });
    let spec = changed(conv.spec, |along| Along { padding: [0, 0], ..along })?;
    output_of(conv, || Ok(Convolution { x, spec, ..conv.clone() }))
}

/// The outputs with another bias for each output channel.
fn with_bias(
    conv: &Convolution,
    of: impl Fn(&ndarray::Array1<f64>, usize) -> f64,
) -> Result<Option<Arrays>> {
    let bias = (0..conv.bias.len()).map(|o| of(&conv.bias, o)).collect();
    output_of(conv, || Ok(Convolution { bias, ..conv.clone() }))
}

/// Sets the last position along an axis to zero.
fn without(mut y: Array4<f64>, axis: Axis) -> Array4<f64> {
    y.slice_axis_mut(axis, Slice::new(-1, None, 1)).fill(0.0);
    y
}

/// Takes output channel `o` from group `o % g`, where `g` is the number of groups.
fn interleaved(y: &Array4<f64>, groups: usize) -> Array4<f64> {
    let each = y.len_of(Axis(1)) / groups;
    Array4::from_shape_fn(y.raw_dim(), |(n, o, i, j)| y[[n, o % groups * each + o / groups, i, j]])
}

fn of_first(y: &Array4<f64>) -> Array4<f64> {
    Array4::from_shape_fn(y.raw_dim(), |(_, o, i, j)| y[[0, o, i, j]])
}

/// Changes one of the right gradients. `None` if no gradients are asked for.
fn gradient(
    conv: &Convolution,
    name: &str,
    change: impl FnOnce(ndarray::ArrayD<f64>) -> ndarray::ArrayD<f64>,
) -> Result<Option<Arrays>> {
    if conv.grad_output.is_none() {
        return Ok(None);
    }
    let mut outputs = conv.outputs()?;
    if let Some((_, array)) = outputs.iter_mut().find(|(known, _)| known == name) {
        *array = change(std::mem::take(array));
    }
    Ok(Some(outputs))
}

/// Like `gradient`, but for a gradient with four axes.
fn backward(
    conv: &Convolution,
    name: &str,
    change: impl FnOnce(Array4<f64>) -> Array4<f64>,
) -> Result<Option<Arrays>> {
    gradient(conv, name, |array| match array.into_dimensionality() {
        Ok(array) => change(array).into_dyn(),
        Err(error) => unreachable!("{name} has four axes: {error}"),
    })
}

/// The outputs if the gradient of the input is computed with another geometry.
fn input_gradient_of(
    conv: &Convolution,
    change: impl Fn(Along) -> Along,
) -> Result<Option<Arrays>> {
    let Some(g) = &conv.grad_output else { return Ok(None) };
    let (_, _, h, w) = conv.x.dim();
    let spec = changed(conv.spec, change)?;
    let shape = KernelShape::new(conv.weight.dim().into(), spec)?;
    let g = fitted(g, shape.output(conv.x.dim().into())?);
    let wrong = Reference::default().input_gradient(g.view(), conv.weight.view(), spec, (h, w))?;
    backward(conv, "grad_x", |_| wrong)
}

/// The outputs if the gradient of the kernel is computed with another geometry.
fn weight_gradient_of(
    conv: &Convolution,
    change: impl Fn(Along) -> Along,
) -> Result<Option<Arrays>> {
    let Some(g) = &conv.grad_output else { return Ok(None) };
    let (_, _, k_h, k_w) = conv.weight.dim();
    let spec = changed(conv.spec, change)?;
    let shape = KernelShape::new(conv.weight.dim().into(), spec)?;
    let g = fitted(g, shape.output(conv.x.dim().into())?);
    let wrong = kernel_gradient(g.view(), conv.x.view(), spec, (k_h, k_w))?;
    backward(conv, "grad_weight", |_| wrong)
}
