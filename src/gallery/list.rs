//! The list of mistakes.

use super::MadeIn::{Around, Convolution, Function, Kernels, Wiring};
use super::branches::{Around::*, Fault::*, Wiring::*};
use super::functions::Change::*;
use super::kernels::Kernels::*;
use super::{Kind, Mistake, mistake};
use crate::block::{Form::*, Layer::*};

/// All of them.
pub const ALL: [Mistake; 42] = [
    mistake("last-path-dropped", Aggregated, Kernels(LastPathDropped))
        .changed("the last path is not summed")
        .why("a loop that ends one path early; with 32 paths, the other 31 still give outputs of about the right size"),
    mistake("last-channel-dropped", Grouped, Kernels(LastChannelDropped))
        .changed("the last 1x1 misses the last channel")
        .why("a sum that ends one term early"),
    mistake("next-path-3x3", EarlyConcat, Kernels(NextPath))
        .changed("path i uses the 3x3 of path i + 1")
        .why("the same kernels in another order: shapes, parameter counts and statistics all agree"),
    mistake("groups-interleaved", Grouped, Wiring(Interleaved))
        .changed("group i reads channels i, i + C, i + 2C ...")
        .why("a reshape to (d, C) instead of (C, d): group i should read channels i d to (i + 1) d - 1; with d = 1 the two agree"),
    mistake("groups-halved", Grouped, Wiring(HalvedGroups))
        .changed("neighbouring groups read the same channels")
        .why("a channel's group is computed by dividing by 2d, as if there were half as many groups")
        .seen_in("a related mistake in the textbook d2l, in all its frameworks: `groups` is set to the width of a group; its pull request 2730 proposes the fix"),
    mistake("taps-transposed", Grouped, Kernels(Transposed))
        .changed("rows and columns of the 3x3 are exchanged")
        .why("a layout read as (kw, kh); symmetric kernels hide it"),
    mistake("taps-flipped", Grouped, Kernels(Flipped))
        .changed("the 3x3 kernel is rotated by 180 degrees")
        .why("convolution in the mathematical sense; networks mean cross-correlation"),
    mistake("padding-shifted", Grouped, Wiring(PaddingShifted))
        .changed("padded by 2 top and left, by 0 elsewhere")
        .why("the output has the right size, but each value belongs to its neighbour"),
    mistake("padded-before-norm", Grouped, Wiring(PaddedBefore))
        .changed("padding comes before batch norm and ReLU")
        .why("the border then holds relu(shift) instead of 0; a shift of 0 or below hides it"),
    mistake("dilated", Grouped, Wiring(Dilated))
        .changed("the 3x3 has dilation 2, padding to match")
        .why("parameters and shapes are the same; only the taps are further apart"),
    mistake("norm-by-own-channel", Aggregated, Function(OwnChannel, Reduce))
        .changed("each path's first norm starts at channel 0")
        .why("channel j of path i is channel i d + j of the layer; freshly initialised batch norms are all alike and hide it"),
    mistake("shift-dropped", Grouped, Function(NoShift, Transform))
        .changed("the second batch norm does not shift")
        .why("folding a batch norm into a convolution without bias loses the shift"),
    mistake("norm-in-each-path", Aggregated, Convolution(NormInEachPath))
        .changed("the last batch norm is inside each path")
        .why("the scale may move inside the sum, but the shift is then added C times")
        .seen_in("Keras-ResNeXt, issue 14"),
    mistake("shift-c-times", Aggregated, Function(ShiftCTimes, Expand))
        .changed("the last shift is added once in each path")
        .why("C convolutions, each with a bias, add C biases; folding the shift into each path does the same")
        .seen_in("a TensorFlow port whose form (a) has a bias in every path"),
    mistake("relu-before-sum", Aggregated, Convolution(ReluBeforeSum))
        .changed("each path ends in a ReLU, before the sum")
        .why("relu(a) + relu(b) differs from relu(a + b) if a and b have different signs"),
    mistake("no-first-relu", Grouped, Function(NoActivation, Reduce))
        .changed("the ReLU after the first 1x1 is missing")
        .why("it shows only if a value is negative before that ReLU"),
    mistake("no-second-relu", Grouped, Function(NoActivation, Transform))
        .changed("the ReLU after the 3x3 is missing")
        .why("it shows only if a value is negative before that ReLU"),
    mistake("no-last-relu", Grouped, Function(NoActivation, Output))
        .changed("the ReLU after the shortcut is missing")
        .why("the next block then reads negative values"),
    mistake("shortcut-after-relu", Grouped, Around(AfterRelu))
        .changed("the shortcut is added after the last ReLU")
        .why("the ReLU then clips only the branch, not the sum"),
    mistake("no-shortcut", Grouped, Around(NoShortcut))
        .changed("the shortcut is left out")
        .why("the block is no longer residual; in the paper, leaving the shortcuts out raises the error from 22.2% to 26.1%"),
    mistake("stride-on-1x1", Grouped, Wiring(StrideMoved))
        .changed("the stride is on the first 1x1, not the 3x3")
        .why("the shapes agree, but three quarters of the map are never read")
        .seen_in("detectron2, issue 909; chainer, pull request 4479"),
    mistake("channels-shuffled", Grouped, Kernels(Shuffled))
        .changed("channels are shuffled before the last 1x1")
        .why("right in ShuffleNet, where the next layer is grouped too"),
    mistake("concatenated-in-reverse", EarlyConcat, Kernels(Reversed))
        .changed("the paths are concatenated in reverse")
        .why("paths popped off a stack come out last first; equal kernels hide it"),
    mistake("last-column-missing", Grouped, Convolution(LastColumn))
        .changed("the last column of each map is not computed")
        .why("a vectorised loop that leaves out the remainder; even widths hide it"),
    mistake("first-image-for-all", Grouped, Convolution(FirstImage))
        .changed("every image gets the result of the first")
        .why("a forgotten batch index; a batch of one hides it"),
    mistake("epsilon-left-out", Grouped, Function(NoEpsilon, Reduce))
        .changed("the first batch norm leaves epsilon out")
        .why("it changes the variance by about one part in 10^5, less than most tolerances")
        .shows_in(Kind::Epsilon),
    mistake("biased-variance", Grouped, Function(BiasedVariance, Reduce))
        .changed("the running variance is the biased one")
        .why("1/n instead of 1/(n-1); the outputs are right, and only the running variance is wrong")
        .shows_in(Kind::Training),
    mistake("weights-in-f16", Grouped, Kernels(Half))
        .changed("the weights are rounded to f16")
        .why("f16 keeps 11 of the 24 significant bits; integers up to 2048 stay exact")
        .shows_in(Kind::ManyBits),
    mistake("relu-derivative-at-0", Grouped, Function(DerivativeAtZero, Reduce))
        .changed("the derivative of the first ReLU at 0 is 1")
        .why("the value is a convention, and PyTorch's is 0; random floats never test it")
        .shows_in(Kind::Derivatives),
    mistake("nan-to-0", Grouped, Function(NanToZero, Output))
        .changed("the last ReLU turns NaN into 0")
        .why("max(NaN, 0) is 0 in Rust and in C, so a network that has broken down looks healthy")
        .seen_in("`f32::max`, which Rust documents as ignoring a NaN")
        .shows_in(Kind::NotANumber),
    mistake("strides-ignored", Grouped, Convolution(MemoryOrder))
        .changed("the input is read in memory order")
        .why("right for every input except a view with exchanged axes, such as channels-last"),
    mistake("dirty-scratch", Grouped, Convolution(DirtyScratch))
        .changed("a padding buffer is cleared only once")
        .why("right on the first call and as long as the shape stays the same; a smaller map then has old values around it"),
    mistake("axes-swapped", Grouped, Wiring(AxesSwapped))
        .changed("height and width of the map are exchanged")
        .why("a square map hides it, and networks are fed square maps"),
    mistake("gradient-to-next-path", Aggregated, Kernels(GradientOfNextPath))
        .changed("a path's gradient goes to another path")
        .why("the outputs are right, but the block learns a different function")
        .shows_in(Kind::Derivatives),
    mistake("input-split", Grouped, Kernels(InputSplit))
        .changed("the first 1x1 is grouped too")
        .why("\"split\" in split-transform-merge does not split the input: every path reads all of it")
        .seen_in("a TensorFlow port whose form (c) splits 256 channels into 32 times 8"),
    mistake("3x3-shared", Grouped, Kernels(Shared))
        .changed("all groups use the 3x3 of the first")
        .why("only 1/C of the 3x3's parameters are used; groups that are initialised alike hide it")
        .seen_in("tensorflow, thread of pull request 25818"),
    mistake("depthwise", Grouped, Kernels(Depthwise))
        .changed("each channel of the 3x3 reads only itself")
        .why("a depthwise convolution is a grouped one of width 1, not of width d")
        .seen_in("wenxinxu/ResNeXt-in-tensorflow, issue 2"),
    mistake("relu-on-projection", Grouped, Around(ReluOnProjection))
        .changed("a ReLU follows the shortcut's projection")
        .why("the shortcut carries a linear map of the input, negative values included")
        .seen_in("the example networks of TASO and tensat"),
    mistake("gradient-c-times", Grouped, Convolution(GradientTimesGroups))
        .changed("the 3x3 passes its gradient back C times")
        .why("the sum over the paths is repeated in each path, so the layers before the 3x3 learn C times as fast")
        .shows_in(Kind::Gradients),
    mistake("stride-lost-backwards", Grouped, Convolution(StrideIgnoredBackwards))
        .changed("the backward pass takes the stride to be 1")
        .why("the gradient of a strided convolution has gaps; without them its shape is right and its values are wrong")
        .seen_in("several frameworks' grouped and depthwise convolutions with stride 2")
        .shows_in(Kind::Gradients),
    mistake("statistics-constant", Grouped, Function(ConstantStatistics, Transform))
        .changed("gradients treat batch statistics as fixed")
        .why("in training mode the mean and variance depend on the values, so the gradient must flow through them; a detach cuts it off")
        .shows_in(Kind::TrainingGradients),
    mistake("statistics-twice", Grouped, Function(MovedTwice, Reduce))
        .changed("running statistics move twice per batch")
        .why("checkpointing runs the forward pass again during the backward pass; the outputs are right")
        .shows_in(Kind::Training),
];
