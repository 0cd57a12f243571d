//! The list of claims.

use super::{Claim, claim, convolutions, counts, embedding, forms, networks, training};
use crate::evidence::rungs::Rung;

/// All claims: first those of the argument, then those of its context, then the numbers.
pub const ALL: &[Claim] = &[
    claim("equivalent", |given| {
        let scope = "five small shapes: for all weights, inputs and channel-wise functions";
        forms::climb(given, "next-path-3x3", Rung::R5, scope)
    })
    .says("the three forms are one function")
    .said_in("paper, section 3 and Figure 3; the blog post, section 3")
    .checked_by("run on polynomials, functions unknown, at small shapes (R5)")
    .refutes("form (b) with each path's 3x3 from the next path"),
    claim("real-size", forms::at_the_real_size)
        .says("the three forms are one function at the real size, 256-32x4-256 on a 56 x 56 map")
        .said_in("paper, Figure 3")
        .checked_by("run modulo 2^61 - 1 with random functions (R4)")
        .refutes("form (a) without its last path"),
    claim("all-sizes", forms::at_all_sizes)
        .says("the three forms are one function at every size: any C, d, channels, kernel, stride, padding, dilation, \
               batch and map")
        .said_in("paper, Figure 3, \"strictly equivalent\"; this project, proofs/")
        .checked_by("a theorem about index formulas, which Coq checks from no axiom (R10, make -C proofs); this \
              check only tests that forms and formulas give the same on blocks of integers")
        .refutes("form (a) without its last path"),
    claim("c-to-b", forms::c_to_b)
        .says("(c) to (b) re-indexes the sums and uses no law of arithmetic")
        .said_in("the blog post, section 3")
        .checked_by("sums that record their terms: those of (b) and (c) are the same, product for product")
        .refutes("form (a) in the place of (b)"),
    claim("b-to-a", forms::b_to_a)
        .says("(b) to (a) uses only that addition is associative and that adding zero changes nothing")
        .said_in("paper, footnote on A1 B1 + A2 B2 = [A1 A2][B1; B2]; the blog post, section 3")
        .checked_by("sums that record their terms: those of (a) and (b) differ only in their brackets")
        .refutes("form (b) with its paths concatenated in reverse"),
    claim("any-function", |given| {
        forms::climb(given, "norm-by-own-channel", Rung::R4, "random blocks, random functions")
    })
    .says("any channel-wise function may take the place of batch norm and ReLU")
    .said_in("this project")
    .checked_by("random functions over a prime field (R4)")
    .refutes("functions counted from 0 in each path"),
    claim("last-norm", |given| {
        forms::climb(given, "norm-in-each-path", Rung::R3, "random blocks of integers")
    })
    .says("in form (a) the last batch norm comes after the sum and before the shortcut")
    .said_in("paper, section 4, footnote on form (a)")
    .checked_by("integers, to the bit (R3)")
    .refutes("the last batch norm in each path"),
    claim("paths-read-all", |given| {
        forms::climb(given, "input-split", Rung::R3, "random blocks of integers")
    })
    .says("every path reads all the input channels; \"split\" splits the layer, not the input")
    .said_in("paper, section 3.3, equation 2, and Figure 3(a)")
    .checked_by("integers, to the bit (R3)")
    .refutes("a first 1x1 that is grouped too"),
    claim("rounding", |given| {
        forms::climb(given, "weights-in-f16", Rung::R1, "random blocks in f32")
    })
    .says("in f32 the forms differ by rounding alone")
    .said_in("this project")
    .checked_by("a bound on rounding, derived layer by layer (R1)")
    .refutes("weights rounded to f16"),
    claim("training", |given| {
        forms::climb(given, "biased-variance", Rung::R8, "random blocks and batches")
    })
    .says("in training mode the forms agree too, running statistics included")
    .said_in("paper, section 4: all three were trained")
    .checked_by("batch norm by the batch's statistics, to the bit and within a bound (R8)")
    .refutes("a running variance that takes the biased one"),
    claim("derivatives", |given| {
        forms::climb(given, "gradient-to-next-path", Rung::R7, "random blocks and directions")
    })
    .says("the forms have the same gradients")
    .said_in("paper, section 4: all three were trained")
    .checked_by("dual numbers forwards, and numbers that remember how they were computed backwards (R7)")
    .refutes("the gradient of a 3x3 given to the next path"),
    claim("trained-alike", training::in_lockstep)
        .says("trained from the same weights on the same batches, the three forms stay one function")
        .said_in("paper, section 4: all three were trained, with the same results")
        .checked_by("three steps on handwritten digits in one order of sums, every weight compared to the bit; \
              triform train takes 300")
        .refutes("form (b) with each path's 3x3 from the next path"),
    claim("accuracy-is-no-test", training::accuracy_is_no_test)
        .says("a wrong block may learn as well as the right one")
        .said_in("this project")
        .checked_by("a committed run of triform train --wrong: wrong blocks at least as accurate as a right one")
        .refutes("the same run with the wrong blocks at 10%, the accuracy of a guess"),
    claim("same-count", |given| {
        let scope = "random blocks, with the same kernels in another order";
        forms::another_function(given, "next-path-3x3", scope)
    })
    .says("the same number of parameters does not make the same function")
    .said_in("against Keras-ResNeXt, issue 3")
    .checked_by("a block in which each path uses the next path's 3x3, told apart on integers (R3)")
    .refutes("the kernels in their own order"),
    claim("stride", |given| {
        forms::another_function(given, "stride-on-1x1", "random blocks of stride 2")
    })
    .says("stride 2 on the 3x3 and stride 2 on the first 1x1 give different functions")
    .said_in("the blog post, comment in its Bottleneck")
    .checked_by("told apart on integers (R3)")
    .refutes("the stride left where it was"),
    claim("resnet", forms::resnet_is_one_path)
        .says("with C = 1 the block is ResNet's bottleneck")
        .said_in("paper, Figure 1; the blog post, groups = 1 and width_per_group = 64")
        .checked_by("one group, and the parameters of the three ordinary convolutions")
        .refutes("C = 2 of the same width"),
    claim("block-diagonal", convolutions::block_diagonal_twin)
        .says("a grouped convolution is the dense one with a block-diagonal kernel")
        .said_in("the blog post, section 2")
        .checked_by("both convolved on integers")
        .refutes("a dense kernel with one weight beside the blocks"),
    claim("depthwise", convolutions::depthwise)
        .says("a grouped convolution with as many groups as channels is a depthwise convolution")
        .said_in("the blog post, section 2")
        .checked_by("each channel convolved by itself, on integers")
        .refutes("one kernel for all channels"),
    claim("depth-2", convolutions::depth_two_is_dense)
        .says("a block of depth 2, as in ResNet-18 and 34, has no grouped form: it is a wide dense one")
        .said_in("paper, section 3.3 and Figure 4; the blog post, end of section 3")
        .checked_by("C paths of two layers against one dense pair C times as wide, on integers")
        .refutes("the second layer grouped"),
    claim("fewer-paths", embedding::fewer_paths)
        .says("a block of C paths is also a block of C' wider paths with zeros in their kernels, if C' divides C")
        .said_in("this project")
        .checked_by("256-32x4-256 as 16x8, 8x16, 4x32, 2x64 and 1x128, over a prime field (R4)")
        .refutes("one weight beside the narrow paths' kernels"),
    claim("in-wide-resnet", embedding::in_wide_resnet)
        .says("Wide ResNet-50-2 can compute ResNeXt-50 32x4d, with zeros for most of its weights")
        .said_in("this project; both networks are torchvision's")
        .checked_by("stages, pooling and classifier over a prime field with random functions (R4)")
        .refutes("one weight beside the narrow paths' kernels"),
    claim("initialisation", networks::of_the_released_forms)
        .says("forms (b) and (c), initialised as released, start with weights that differ by a factor sqrt(C)")
        .said_in("the authors' released models; torchvision")
        .checked_by("both drawn, 256-32x4-256, and their spread measured")
        .refutes("both drawn with the fan_out of the whole layer"),
    claim("about-70k", counts::about_70k)
        .says("256-32x4-256 has 70,144 parameters and ResNet's block 69,632; the paper calls both \"about 70k\"")
        .said_in("paper, section 3.4, equation 4; the blog post, section 3")
        .checked_by("C (256 d + 9 d d + d 256), from the shape alone")
        .refutes("the count of a counter that ignores groups"),
    claim("macs", counts::macs)
        .says("on 56 x 56, 256-32x4-256 takes 219,971,584 multiply-adds, about 0.22 billion")
        .said_in("paper, Table 2")
        .checked_by("from the shapes alone")
        .refutes("a count of two FLOPs per multiply-add"),
    claim("grouped-count", counts::grouped)
        .says("a grouped convolution has k k C_in n / g parameters, 1/g of the dense one's")
        .said_in("the blog post, section 2")
        .checked_by("from the shapes alone")
        .refutes("groups divided out twice"),
    claim("c-d-is-128", counts::width_of_32_paths)
        .says("with 32 paths, width 4 (C d = 128) comes nearest to ResNet's complexity")
        .said_in("paper, Table 2")
        .checked_by("all widths from 1 to 64 counted")
        .refutes("32 paths of width 8"),
    claim("preserved", counts::preserved)
        .says("2x40, 4x24, 8x14 and 32x4 preserve the complexity of 1x64")
        .said_in("paper, Table 2")
        .checked_by("all of them counted")
        .refutes("32x8 among them"),
    claim("depth-2-count", counts::depth_two_saves_nothing)
        .says("paths of depth 2 save nothing: they have the parameters of the wide dense block")
        .said_in("paper, Figure 4; the blog post, end of section 3")
        .checked_by("from the shapes alone, beside a block of depth 3")
        .refutes("the second layer counted in groups"),
    claim("published", networks::published_figures)
        .says("the published counts that are listed here result if one counts what their authors count")
        .said_in("paper, ResNet's paper, torchvision, timm, ptflops, Keras; wrong ones by others")
        .checked_by("each computed from the shapes alone, to its last digit; wrong counts are \
                     computed with their mistakes")
        .refutes("the stride of ResNeXt-50 on the 1x1"),
    claim("complexity", networks::equal_complexity)
        .says("ResNeXt-50 has the complexity of ResNet-50")
        .said_in("paper, Table 1; the blog post, sections 1 and 3")
        .checked_by("both networks counted")
        .refutes("ResNeXt-50 32x8d"),
    claim("split", networks::splits_its_input)
        .says("ResNeXt splits its input features")
        .said_in("the blog post, section 1")
        .checked_by("the channels that a path reads, from the shapes alone")
        .refutes("a first 1x1 in 32 groups"),
    claim("papers-stride", networks::papers_stride)
        .says("in the original paper the first 1x1 has stride 2")
        .said_in("the blog post, comment in its Bottleneck")
        .checked_by("ResNeXt-50 counted with the stride in both places, against the paper's 4.2 billion")
        .refutes("the stride of ResNeXt-50 on the 1x1"),
    claim("half-percent", networks::half_a_percent)
        .says("the stride on the 3x3 gains about 0.5 % of top-1 accuracy")
        .said_in("the blog post, comment in its Bottleneck, quoting NVIDIA")
        .checked_by("its cost in multiply-adds is counted")
        .refutes("the stride moved the other way"),
    claim("lower-error", networks::lower_error)
        .says("at the same cost ResNeXt has a lower error than ResNet")
        .said_in("the blog post, section 1; paper, Tables 3 and 4")
        .checked_by("published errors beside counted multiply-adds")
        .refutes("the two networks exchanged"),
    claim("inception", networks::against_inception)
        .says("ResNeXt has a lower error than Inception-ResNet-v2")
        .said_in("the blog post, section 1; paper, Table 5")
        .checked_by("published errors beside crops and counted multiply-adds")
        .refutes("the error at a crop of 224"),
    claim("by-experiment", networks::more_paths)
        .says("C = 32 was chosen because experiments showed it to do well")
        .said_in("the blog post, section 3; paper, Table 3")
        .checked_by("published errors, by cardinality")
        .refutes("the columns of the table in reverse"),
    claim("not-faster", networks::faster)
        .says("with about as many multiply-adds, ResNeXt is slower than ResNet, not faster")
        .said_in("against the blog post, section 1; paper, section 5.1")
        .checked_by("the paper's own seconds per mini-batch, 0.95 and 0.70, beside counted multiply-adds")
        .refutes("the two times exchanged"),
    claim("faster", networks::grouped_is_faster)
        .says("grouped convolution, and so ResNeXt, is faster at equal complexity")
        .said_in("paper, section 4: form (c) is faster than the other two; the blog post, section 1, of ResNeXt")
        .checked_by("a committed run of `triform bench`, with its day and machine, and the paper's own times")
        .refutes("the times of forms (a) and (c) exchanged"),
];
