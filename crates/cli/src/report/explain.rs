//! The argument, from form (c) to (b) to (a), worked out on a block that can be followed by hand. Every number in it is
//! computed when it is printed.

use ndarray::{Array1, Array4, s};

use serde::Serialize;

use super::json::object;
use super::matrix::{beside, kernel, labelled, number};
use super::page::Page;
use super::words::{row, thousands};
use triform::block::{BatchNorm, BlockNorms, BlockSpec, BlockWeights, Form, Layer, Shortcut};
use triform::claims;
use triform::conv::block_diagonal;
use triform::count;
use triform::error::Result;
use triform::evidence::generator::Layout;
use triform::gallery;
use triform::gallery::witness::{Example, Mode};
use triform::gallery::witness::{Trace, trace};
use triform::scalar::{Additive, Dot, Expression, Ordered, Scalar};

/// The example block: two paths of width 2, two channels in and out, one pixel.
fn example(last_norm: (f32, f32), shortcut: Shortcut) -> Result<Example> {
    let spec = BlockSpec::new(2, 2, 2, 2)?.with_kernel(1)?.with_shortcut(shortcut)?;
    let tensor = |shape, values: &[f32]| {
        let tensor = Array4::from_shape_vec(shape, values.to_vec());
        tensor.unwrap_or_else(|error| unreachable!("as many values as the shape needs: {error}"))
    };
    let weights = BlockWeights::new(
        spec,
        tensor((4, 2, 1, 1), &[1.0, 2.0, 3.0, -1.0, 2.0, 1.0, 1.0, -1.0]),
        tensor((4, 2, 1, 1), &[1.0, -1.0, 2.0, 1.0, 3.0, 1.0, 1.0, -2.0]),
        tensor((2, 4, 1, 1), &[1.0, 2.0, -1.0, 4.0, 2.0, -2.0, 1.0, -1.0]),
        None,
    )?;
    let norm = |channels: usize, (scale, shift): (f32, f32)| {
        let all = |value: f32| Array1::from_elem(channels, value);
        BatchNorm::new(all(scale), all(shift), all(0.0), all(1.0), 0.0)
    };
    let plain = (1.0, 0.0);
    Ok(Example {
        norms: BlockNorms {
            reduce: norm(4, plain)?,
            transform: norm(4, plain)?,
            expand: norm(2, last_norm)?,
            shortcut: None,
        },
        weights,
        x: tensor((1, 2, 1, 1), &[2.0, 3.0]),
        layout: Layout::Standard,
        second_call: false,
        mode: Mode::Evaluation,
    })
}

/// The argument as JSON: its text, and the names of the claims.
pub fn json() -> Result<impl Serialize> {
    let claims: Vec<&str> = claims::ALL.iter().map(|claim| claim.name).collect();
    Ok(object! { argument: argument(false)?, claims: claims })
}

/// The whole argument, and the claims.
pub fn argument(markdown: bool) -> Result<String> {
    let mut page = Page::new(markdown);
    page.heading(1, "Why the three forms are one");
    page.paragraph(
        "The paper draws one block three times. Form (a): C paths, each of width d, whose results are \
         summed. Form (b): the paths' channels are concatenated before one last 1x1. Form (c): three \
         convolutions, the middle one with C groups. They have one set of weights, and for every \
         input they give the same output. Here is why, in numbers. Each number is computed when this page is \
         printed.",
    );
    let example = example((1.0, 0.0), Shortcut::None)?;
    let [a, b, c] = Form::ALL.map(|form| trace(&form, &example));
    let (a, b, c) = (a?, b?, c?);
    the_block(&mut page, &example);
    form_c(&mut page, &example, &c)?;
    c_to_b(&mut page, &b, &c);
    b_to_a(&mut page, &example, &a, &b);
    last_norm(&mut page)?;
    the_end(&mut page)?;
    why_128(&mut page)?;
    summary(&mut page);
    Ok(page.into_text())
}

fn the_block(page: &mut Page, example: &Example) {
    page.heading(2, "A block to follow by hand");
    page.paragraph(
        "The block has C = 2 paths of width d = 2, 2 input channels and 2 output channels. Its input is one \
         pixel. The 3x3 has one tap here. With nine taps, each of its sums would have nine times as many \
         products, and nothing else would change. For now, batch norm changes nothing and there is no \
         shortcut. A kernel is a matrix with one row for each output channel and one column for each input \
         channel.",
    );
    let weights = &example.weights;
    // The channels of the one pixel, one below the other.
    let x = example.x.iter().map(|value| format!("[{}]", number(*value))).collect();
    let lines = [
        ("input x", x),
        ("first 1x1: C d = 4 rows", kernel(weights.reduce())),
        ("3x3: 4 rows, d = 2 columns", kernel(weights.transform())),
        ("last 1x1: C d = 4 columns", kernel(weights.expand())),
    ];
    page.block(&lines.map(|(name, lines): (_, Vec<String>)| labelled(name, &lines)).join("\n"));
}

/// The sum of a channel after a layer, at the only pixel.
fn at(trace: &Trace, layer: Layer, channel: usize) -> &Expression {
    &trace[&(layer, channel)][[0, 0, 0]]
}

/// "1·2 + 2·3 = 8".
fn with_value(sum: &Expression) -> String {
    format!("{sum} = {}", number(sum.value() as f32))
}

fn form_c(page: &mut Page, example: &Example, c: &Trace) -> Result<()> {
    page.heading(2, "Form (c): the middle convolution has 2 groups");
    page.paragraph("The first 1x1 and its ReLU:");
    page.block(&channels(c, Layer::Reduce, 4));
    page.next_paragraph(
        "The 3x3 reads these 4 channels in groups of d = 2. Its first two rows read the first two channels, \
         and its last two rows read the last two. As a matrix over all 4 channels, it has blocks on its \
         diagonal and zeros elsewhere:",
    );
    let groups = example.weights.spec().cardinality();
    let dense = block_diagonal(example.weights.transform(), groups)?;
    page.block(&(kernel(dense.view()).join("\n") + "\n"));
    let stored = example.weights.transform().len();
    page.next_paragraph(&format!(
        "Only the blocks are stored: {stored} numbers, not {}. The sums of the 3x3:",
        dense.len()
    ));
    page.block(&channels(c, Layer::Transform, 4));
    page.next_paragraph("The last 1x1 sums over all 4 channels:");
    page.block(&channels(c, Layer::Expand, 2));
    Ok(())
}

fn channels(trace: &Trace, layer: Layer, count: usize) -> String {
    (0..count)
        .map(|channel| format!("channel {channel}:  {}\n", with_value(at(trace, layer, channel))))
        .collect()
}

fn c_to_b(page: &mut Page, b: &Trace, c: &Trace) {
    page.heading(2, "(c) to (b): the same sums, numbered differently");
    page.paragraph(
        "Form (b) has two paths. Path i has d rows of each of the first two kernels, from row i d on. So \
         channel j of path i is channel i d + j of form (c). A group reads only channels of its own path. \
         Here are the sums as each form computes them:",
    );
    let mut same = 0;
    let mut lines = String::new();
    for channel in 0..4 {
        let (left, right) = (at(c, Layer::Transform, channel), at(b, Layer::Transform, channel));
        same += usize::from(left.to_string() == right.to_string());
        lines += &format!(
            "(c) channel {channel}:          {left}\n(b) path {}, channel {}:  {right}\n",
            channel / 2,
            channel % 2,
        );
    }
    page.block(&lines);
    page.next_paragraph(&format!(
        "{same} of 4 sums are the same, product for product. Batch norm and ReLU act on one channel at a \
         time, so the numbering does not matter to them. So the step from (c) to (b) needs no law of \
         arithmetic. It only gives channel i d + j another name: channel j of path i.",
    ));
}

fn b_to_a(page: &mut Page, example: &Example, a: &Trace, b: &Trace) {
    let (four, two) = (at(b, Layer::Expand, 0), at(a, Layer::Expand, 0));
    page.heading(2, "(b) to (a): 4 terms, or 2 + 2");
    page.paragraph(
        "Form (b) concatenates the paths and sums over all C d = 4 channels. Form (a) gives each path \
         its own last 1x1, the columns of the kernel that belong to it, and sums the results:",
    );
    let mut lines = String::new();
    for channel in 0..2 {
        lines += &format!(
            "(b) output {channel}:  {}\n(a) output {channel}:  {}\n",
            with_value(at(b, Layer::Expand, channel)),
            with_value(at(a, Layer::Expand, channel)),
        );
    }
    page.block(&lines);
    page.next_paragraph(&format!(
        "Form (b) has {} terms in one sum, and form (a) has {} sums of {} terms. In matrices, this is the \
         paper's A1 B1 + A2 B2 = [A1 A2] [B1; B2]. A1 and A2 are the columns of the last 1x1, and B1 and B2 \
         are the values that the paths pass to it:",
        four.summands(),
        two.summands(),
        four.summands() / two.summands(),
    ));
    page.block(&(in_matrices(example, b).join("\n") + "\n"));
    let big = 16_777_216f32; // 2^24, after which f32 has no odd numbers
    let (left, right) = ((big + 1.0) + 1.0, big + (1.0 + 1.0));
    page.next_paragraph(&format!(
        "This step needs the associativity of addition, and no other law: the terms keep their order, and the \
         products are the same. Addition of floats is not associative. In f32, with 16777216 = 2^24, \
         (16777216 + 1) + 1 = {left} and 16777216 + (1 + 1) = {right}. So the forms are equal on real \
         numbers. In floats they differ by rounding, and only in this step.",
    ));
}

/// The identity in the paper's footnote, with the numbers of the block.
fn in_matrices(example: &Example, b: &Trace) -> Vec<String> {
    let weights = &example.weights;
    let column = |layer, channels: std::ops::Range<usize>, width: usize| -> Vec<String> {
        let value = |channel| number(at(b, layer, channel).value() as f32);
        channels.map(|channel| format!("[{:>width$}]", value(channel))).collect()
    };
    let hidden = |from: usize| column(Layer::Transform, from..from + 2, 2);
    let sums = column(Layer::Expand, 0..2, 3);
    let sign = |sign: &str| vec![sign.to_owned()];
    let of = |i: usize| kernel(weights.path(i).expand);
    let whole = [hidden(0), hidden(2)].concat();
    beside(
        &[
            of(0),
            hidden(0),
            sign("+"),
            of(1),
            hidden(2),
            sign("="),
            kernel(weights.expand()),
            whole,
            sign("="),
            sums,
        ],
        " ",
    )
}

fn last_norm(page: &mut Page) -> Result<()> {
    let (scale, shift) = (2.0, 1.0);
    let example = example((scale as f32, shift as f32), Shortcut::None)?;
    let right = trace(&Form::Aggregated, &example)?;
    let mistake = gallery::named("norm-in-each-path")?;
    let wrong = trace(&mistake.wrong(), &example)?;

    let normed =
        |sum: &Expression| Expression::from(scale).mul(&sum.given()).add(&Expression::from(shift));
    let paths = [0, 1].map(|i| path_sum(&example, &right, i));
    let [first, second] = [&paths[0], &paths[1]].map(normed);
    page.heading(2, "Where the last batch norm goes");
    page.paragraph(&format!(
        "Batch norm in a trained network is y = s z + t for each channel. After the first two convolutions \
         it is part of each path. That changes nothing, because it acts on each channel by itself. The last \
         batch norm must come after the sum over the paths. In this example s = {scale} and t = {shift}, and \
         the two paths contribute {} and {} to output 0:",
        paths[0].value(),
        paths[1].value(),
    ));
    page.block(&format!(
        "after the sum:  {scale}·({} + {}) + {shift} = {}\nin each path:   ({first}) + ({second}) = {}\n",
        paths[0].value(),
        paths[1].value(),
        at(&right, Layer::Expand, 0).value(),
        first.add(&second).value(),
    ));
    page.next_paragraph(&format!(
        "(A block with the batch norm in each path gives {}.) In each path, the shift is added C = 2 times; \
         with 32 paths, it would be added 32 times. By distributivity, the scale may go inside the sum, but \
         the shift may not. So in form (a) the last batch norm comes after the sum and before the shortcut, \
         as the paper's footnote says. (In training mode, its statistics would also be those of a single \
         path.)",
        at(&wrong, Layer::Output, 0).value(),
    ));
    Ok(())
}

/// What path i adds to output 0.
fn path_sum(example: &Example, trace: &Trace, i: usize) -> Expression {
    let expand = example.weights.path(i).expand;
    let mut sum = Expression::empty();
    for (j, weight) in expand.slice(s![0, .., 0, 0]).iter().enumerate() {
        let hidden = at(trace, Layer::Transform, 2 * i + j).given();
        Expression::accumulate(&mut sum, &Expression::from(f64::from(*weight)), &hidden);
    }
    Expression::total(sum)
}

fn the_end(page: &mut Page) -> Result<()> {
    let example = example((1.0, 0.0), Shortcut::Identity)?;
    let right = trace(&Form::Grouped, &example)?;
    let output = at(&right, Layer::Output, 1);
    let (branch, shortcut) = (at(&right, Layer::Expand, 1).value(), example.x[[0, 1, 0, 0]]);
    let before = Expression::from(branch).relu().value() + f64::from(shortcut);
    page.heading(2, "The shortcut, and the last ReLU");
    page.paragraph(&format!(
        "Both come after the sum. There, each form has the same tensor, so these last steps are the same in \
         all three. The shortcut, here x itself, is added before the ReLU. For output 1 that gives {}. With \
         the ReLU first it would be {}.",
        with_value(output),
        number(before as f32),
    ));
    Ok(())
}

fn why_128(page: &mut Page) -> Result<()> {
    page.heading(2, "Why C d is 128");
    page.paragraph(
        "The paper asks how to choose d for a given C so that a block costs as much as ResNet's, 256 \
         channels in and out, 64 inside: 256·64 + 9·64·64 + 64·256 parameters. C paths of width d \
         have C·(256·d + 9·d·d + d·256):",
    );
    let mut rows = vec![row(["C", "d", "C d", "parameters", "over ResNet's"])];
    let resnet = count::block(&BlockSpec::new(256, 1, 64, 256)?)?.convolutions;
    for (paths, width) in [(1, 64), (2, 40), (4, 24), (8, 14), (32, 3), (32, 4), (32, 5)] {
        let parameters = count::block(&BlockSpec::new(256, paths, width, 256)?)?.convolutions;
        rows.push(vec![
            paths.to_string(),
            width.to_string(),
            (paths * width).to_string(),
            thousands(parameters),
            format!("{:.3}", parameters as f64 / resnet as f64),
        ]);
    }
    page.table(&rows);
    page.next_paragraph(
        "With 32 paths, only d = 4 comes near. So the first two layers of form (c) have C d = 32 x 4 = 128 \
         channels, as in the paper's Figure 3(c). That is twice as many as ResNet's 64 for the same cost, \
         because each sum of the 3x3 reads 4 channels and not 64.",
    );
    Ok(())
}

fn summary(page: &mut Page) {
    page.heading(2, "What each step needs");
    page.item("(c) to (b)", "no law: the sums and products are the same, only numbered by path.");
    page.item(
        "(b) to (a)",
        "associativity of addition: a sum of C d terms is taken d terms at a time.",
    );
    page.item(
        "Batch norm",
        "it must act on one channel at a time, and the last one must come after the sum.",
    );
    page.item("ReLU", "nothing: any function of a channel would do.");
    page.item("A product", "nothing at all. It need not even be commutative.");
    page.next_paragraph(
        "All this holds at every size. A proof assistant has checked that theorem: see proofs/README.md, \
         and triform explain all-sizes.",
    );
    page.heading(2, "The claims");
    page.paragraph("To explain and check one of them: triform explain NAME");
    page.gap();
    for claim in claims::ALL {
        page.item(claim.name, claim.statement);
    }
    page.next_paragraph("What goes wrong in blocks that are built differently: triform refute");
}
