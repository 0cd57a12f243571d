//! The list of the mistakes in blocks.

use super::MadeIn::{Around, Convolution, Function, Kernels, Wiring};
use super::branches::{Around::*, Fault::*, Wiring::*};
use super::functions::Change::*;
use super::kernels::Kernels::*;
use super::{Kind, Mistake, mistake};
use crate::block::{Form::*, Layer::*};

/// All mistakes in blocks.
pub const ALL: [Mistake; 42] = [
    mistake("last-path-dropped", Aggregated, Kernels(LastPathDropped))
        .changed("the last path is not summed")
        .why("A loop ends one path early. With 32 paths, the other 31 still give outputs of about the right size"),
    mistake("last-channel-dropped", Grouped, Kernels(LastChannelDropped))
        .changed("the last 1x1 leaves out the last channel")
        .why("A sum ends one term early"),
    mistake("next-path-3x3", EarlyConcat, Kernels(NextPath))
        .changed("path i uses the 3x3 of path i + 1")
        .why("The kernels are the same, but in another order. Shapes, parameter counts and statistics all agree"),
    mistake("groups-interleaved", Grouped, Wiring(Interleaved))
        .changed("group i reads every C-th channel, from i on")
        .why("A reshape to (d, C) is used instead of (C, d). Group i should read channels `i*d` to `(i + 1)*d - 1`. With d = 1, both reshapes give the same channels"),
    mistake("groups-halved", Grouped, Wiring(HalvedGroups))
        .changed("neighbouring groups read the same channels")
        .why("A channel's group is computed by dividing by 2d, as if there were half as many groups")
        .seen_in("the textbook d2l, in all its frameworks, as a related mistake: `groups` is set to the width of a group. Pull request 2730 proposes the fix"),
    mistake("taps-transposed", Grouped, Kernels(Transposed))
        .changed("rows and columns of the 3x3 are exchanged")
        .why("The kernel layout is read as (kw, kh). Symmetric kernels hide the mistake"),
    mistake("taps-flipped", Grouped, Kernels(Flipped))
        .changed("the 3x3 kernel is rotated by 180 degrees")
        .why("This is convolution in the mathematical sense. Networks use cross-correlation"),
    mistake("padding-shifted", Grouped, Wiring(PaddingShifted))
        .changed("padding moves a row up and a column left")
        .why("The output has the right size, but every window is one row and one column off"),
    mistake("padded-before-norm", Grouped, Wiring(PaddedBefore))
        .changed("padding comes before batch norm and ReLU")
        .why("The border then holds relu(shift) instead of 0. A shift of 0 or below hides the mistake"),
    mistake("dilated", Grouped, Wiring(Dilated))
        .changed("the 3x3 has dilation 2 and more padding")
        .why("Parameters and shapes are the same. Only the taps are further apart"),
    mistake("norm-by-own-channel", Aggregated, Function(OwnChannel, Reduce))
        .changed("every path uses path 0's first batch norm")
        .why("Channel j of path i is channel `i*d + j` of the layer and needs the batch norm of that channel. Freshly initialised batch norms are all alike and hide the mistake"),
    mistake("shift-dropped", Grouped, Function(NoShift, Transform))
        .changed("the second batch norm does not shift")
        .why("Folding a batch norm into a convolution without bias loses the shift"),
    mistake("norm-in-each-path", Aggregated, Convolution(NormInEachPath))
        .changed("the last batch norm is inside each path")
        .why("A scale may move inside the sum. A shift may not move inside, because it is then added C times")
        .seen_in("Keras-ResNeXt, issue 14"),
    mistake("shift-c-times", Aggregated, Function(ShiftCTimes, Expand))
        .changed("the last shift is added once in each path")
        .why("If each path has a convolution with a bias, C biases are added. Folding the shift into each path does the same")
        .seen_in("a TensorFlow port whose form (a) has a bias in every path"),
    mistake("relu-before-sum", Aggregated, Convolution(ReluBeforeSum))
        .changed("each path ends in a ReLU, before the sum")
        .why("If a and b have different signs, relu(a) + relu(b) differs from relu(a + b)"),
    mistake("no-first-relu", Grouped, Function(NoActivation, Reduce))
        .changed("the ReLU after the first 1x1 is missing")
        .why("The mistake shows only if some value before the ReLU is negative"),
    mistake("no-second-relu", Grouped, Function(NoActivation, Transform))
        .changed("the ReLU after the 3x3 is missing")
        .why("The mistake shows only if some value before the ReLU is negative"),
    mistake("no-last-relu", Grouped, Function(NoActivation, Output))
        .changed("the ReLU after the shortcut is missing")
        .why("The next block then reads negative values"),
    mistake("shortcut-after-relu", Grouped, Around(AfterRelu))
        .changed("the shortcut is added after the last ReLU")
        .why("The ReLU then clips only the branch, not the sum"),
    mistake("no-shortcut", Grouped, Around(NoShortcut))
        .changed("the shortcut is left out")
        .why("The block is no longer residual. In the paper, leaving the shortcuts out raises the error from 22.2% to 26.1%"),
    mistake("stride-on-1x1", Grouped, Wiring(StrideMoved))
        .changed("the stride is on the first 1x1, not the 3x3")
        .why("The shapes agree, but three quarters of the map are never read")
        .seen_in("detectron2 (issue 909) and in chainer (pull request 4479)"),
    mistake("channels-shuffled", Grouped, Kernels(Shuffled))
        .changed("channels are shuffled before the last 1x1")
        .why("This is right in ShuffleNet, where the next layer is grouped too"),
    mistake("concatenated-in-reverse", EarlyConcat, Kernels(Reversed))
        .changed("the paths are concatenated in reverse order")
        .why("Paths that are popped off a stack come out in reverse order. Equal kernels hide the mistake"),
    mistake("last-column-missing", Grouped, Convolution(LastColumn))
        .changed("the last column of each map is not computed")
        .why("A vectorised loop leaves out the remainder. Even widths hide the mistake"),
    mistake("first-image-for-all", Grouped, Convolution(FirstImage))
        .changed("every image gets the result of image 0")
        .why("The code forgets the batch index. A batch with one image hides the mistake"),
    mistake("epsilon-left-out", Grouped, Function(NoEpsilon, Reduce))
        .changed("the first batch norm leaves epsilon out")
        .why("Without epsilon, the variance changes by about one part in 10^5. Most tolerances are larger")
        .shows_in(Kind::Epsilon),
    mistake("biased-variance", Grouped, Function(BiasedVariance, Reduce))
        .changed("the running variance is a biased estimate")
        .why("The sum of squared deviations is divided by n instead of n - 1. The outputs are right, and only the running variance is wrong")
        .shows_in(Kind::Training),
    mistake("weights-in-f16", Grouped, Kernels(Half))
        .changed("the weights are rounded to f16")
        .why("f16 keeps 11 of the 24 significant bits of f32. Integers up to 2048 stay exact")
        .shows_in(Kind::ManyBits),
    mistake("relu-derivative-at-0", Grouped, Function(DerivativeAtZero, Reduce))
        .changed("the derivative of the first ReLU at 0 is 1")
        .why("The derivative at 0 is a convention, and in PyTorch it is 0. Tests with random floats do not see the mistake, because such floats are almost never exactly 0")
        .shows_in(Kind::Derivatives),
    mistake("nan-to-0", Grouped, Function(NanToZero, Output))
        .changed("the last ReLU turns NaN into 0")
        .why("In Rust and in C, max(NaN, 0) is 0, so a network that has broken down looks healthy")
        .seen_in("Rust's `f32::max`, which returns the other number if one of its two arguments is NaN")
        .shows_in(Kind::NotANumber),
    mistake("strides-ignored", Grouped, Convolution(MemoryOrder))
        .changed("the input is read in memory order")
        .why("The output is right unless the input is a view with exchanged axes, such as channels-last"),
    mistake("dirty-scratch", Grouped, Convolution(DirtyScratch))
        .changed("a padding buffer is cleared only once")
        .why("The output is right as long as the input's shape stays the same. If the map becomes smaller, its padding holds old values"),
    mistake("axes-swapped", Grouped, Wiring(AxesSwapped))
        .changed("height and width of the map are exchanged")
        .why("A square map hides the mistake, and networks usually get square maps"),
    mistake("gradient-to-next-path", Aggregated, Kernels(GradientOfNextPath))
        .changed("a path's gradient goes to another path")
        .why("The outputs are right, but the block learns a different function")
        .shows_in(Kind::Derivatives),
    mistake("input-split", Grouped, Kernels(InputSplit))
        .changed("the first 1x1 is grouped too")
        .why("The \"split\" in split-transform-merge does not split the input. Every path reads all input channels")
        .seen_in("a TensorFlow port whose form (c) splits 256 channels into 32 times 8"),
    mistake("3x3-shared", Grouped, Kernels(Shared))
        .changed("all groups use the 3x3 of the first group")
        .why("Only 1/C of the 3x3's parameters are used. Groups that are initialised alike hide the mistake")
        .seen_in("a thread on TensorFlow's pull request 25818"),
    mistake("depthwise", Grouped, Kernels(Depthwise))
        .changed("each channel of the 3x3 reads only itself")
        .why("A depthwise convolution has groups of width 1, not of width d")
        .seen_in("wenxinxu/ResNeXt-in-tensorflow, issue 2"),
    mistake("relu-on-projection", Grouped, Around(ReluOnProjection))
        .changed("a ReLU follows the shortcut's projection")
        .why("The shortcut should carry a linear map of the input, negative values included")
        .seen_in("the example networks of TASO and tensat"),
    mistake("gradient-c-times", Grouped, Convolution(GradientTimesGroups))
        .changed("the 3x3 passes its gradient back C times")
        .why("The sum over the paths is repeated in each path, so the layers before the 3x3 learn C times as fast")
        .shows_in(Kind::Gradients),
    mistake("stride-lost-backwards", Grouped, Convolution(StrideIgnoredBackwards))
        .changed("the backward pass takes the stride to be 1")
        .why("The backward pass of a strided convolution spreads the output's gradient over the map, with gaps. Without the gaps, the result has the right shape but wrong values")
        .seen_in("several frameworks' grouped and depthwise convolutions with stride 2")
        .shows_in(Kind::Gradients),
    mistake("statistics-constant", Grouped, Function(ConstantStatistics, Transform))
        .changed("gradients treat batch statistics as fixed")
        .why("In training mode, the mean and the variance depend on the values, so the gradient must flow through them. A `detach` stops it")
        .shows_in(Kind::TrainingGradients),
    mistake("statistics-twice", Grouped, Function(MovedTwice, Reduce))
        .changed("running statistics change twice per batch")
        .why("Activation checkpointing runs the forward pass again during the backward pass. The outputs are right")
        .shows_in(Kind::Training),
];
