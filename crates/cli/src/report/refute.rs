//! The gallery of mistakes, and one mistake worked out in numbers. In JSON, each mistake has a
//! witness with everything needed to reproduce it.

use serde::Serialize;

use super::json::{WhyNull, object, tensor};
use super::matrix::{kernel, labelled, number, planes};
use super::page::Page;
use super::words::{paragraph, row, several};
use triform::block::{BatchNorm, BlockForm as _, BlockWeights, Layer, Shortcut};
use triform::conv::Affine;
use triform::error::Result;
use triform::evidence::any_form::place;
use triform::evidence::generator::Layout;
use triform::evidence::rungs::Rung;
use triform::gallery::matrix::{CASES, Cell, Row};
use triform::gallery::witness::{Mode, Pair, Parting, Smallest};
use triform::gallery::witness::{first_apart, trace};
use triform::gallery::{Kind, Mistake};
use triform::scalar::Expression;

/// The report on all mistakes: the verdict, then the matrix of mistakes and rungs. Mistakes that no rung refuted come
/// first.
pub fn gallery(rows: &[Row], repeat: &str, markdown: bool) -> String {
    let mut page = Page::new(markdown);
    let unrefuted = |row: &&Row| row.rungs(Cell::Refuted).is_empty();
    let missed: Vec<&str> = rows.iter().filter(unrefuted).map(|row| row.mistake.name).collect();
    page.paragraph(&match missed[..] {
        [] => format!("Each of the {} mistakes is refuted by at least one rung.", rows.len()),
        _ => format!("NOT refuted, {} of {}: {}.", missed.len(), rows.len(), missed.join(", ")),
    });
    page.next_paragraph(&format!(
        "x refuted; - missed in {CASES} random blocks or all small shapes; blank: the rung does not apply, or \
         did not run."
    ));
    let digits: String = Rung::ALL.map(|rung| (rung as usize).to_string()).concat();
    let mut table = vec![row(["mistake", "what is wrong", &format!("R{digits}")])];
    let (first, rest): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(unrefuted);
    for each in first.into_iter().chain(rest) {
        let marks: String = each.cells.map(mark).concat();
        table.push(row([each.mistake.name, each.mistake.changed, &format!(" {marks}")]));
    }
    page.table(&table);
    let of_each = Rung::ALL.iter().filter_map(|rung| {
        let count = |cell| rows.iter().filter(|row| row.cells[*rung as usize] == cell).count();
        let (refuted, missed) = (count(Cell::Refuted), count(Cell::Missed));
        (refuted + missed > 0).then(|| format!("{rung} {refuted} of {}", refuted + missed))
    });
    let of_each: Vec<String> = of_each.collect();
    page.next_paragraph(&format!("Refuted, of those that apply: {}.", of_each.join(", ")));
    page.paragraph("One of them, worked out: triform refute NAME");
    page.paragraph(&format!(
        "It also shows each of the {} mistakes of a bare convolution, which docs/gallery.md lists.",
        triform::gallery::convolutions::ALL.len()
    ));
    page.paragraph(&format!("Repeat: {repeat}"));
    page.into_text()
}

fn mark(cell: Cell) -> &'static str {
    match cell {
        Cell::Refuted => "x",
        Cell::Missed => "-",
        Cell::NotApplicable | Cell::NotRun => " ",
    }
}

/// The report on one mistake: its smallest block, and where the right and the wrong block differ.
pub fn one(row: &Row, smallest: Option<&Smallest>, repeat: &str, markdown: bool) -> Result<String> {
    let mistake = &row.mistake;
    let mut page = Page::new(markdown);
    page.heading(1, mistake.name);
    let rungs = |cell| {
        let rungs: Vec<String> = row.rungs(cell).iter().map(Rung::to_string).collect();
        if rungs.is_empty() { "none".to_owned() } else { rungs.join(" ") }
    };
    page.item("Refuted by", &format!("{}.", rungs(Cell::Refuted)));
    page.item("What", &format!("in form ({}), {}.", mistake.form.letter(), mistake.changed));
    page.item("Why", &format!("{}.", mistake.why));
    page.item("Seen in", &format!("{}.", mistake.seen_in.unwrap_or("no public code known to us")));
    for (label, cell) in [("Missed by", Cell::Missed), ("Not applicable", Cell::NotApplicable)] {
        if !row.rungs(cell).is_empty() {
            page.item(label, &format!("{}.", rungs(cell)));
        }
    }
    match smallest {
        None => page.next_paragraph("No small block was found on which the mistake shows."),
        Some(smallest) => worked_out(&mut page, mistake, smallest)?,
    }
    page.next_paragraph(&format!("Repeat: {repeat}"));
    Ok(page.into_text())
}

fn worked_out(page: &mut Page, mistake: &Mistake, smallest: &Smallest) -> Result<()> {
    page.heading(2, "The smallest block on which it shows");
    page.paragraph(&about(smallest, mistake.shows_in));
    page.block(&numbers(smallest));

    page.heading(2, "Right and wrong");
    if let Some((place, sums)) = parted(&mistake.pair(&mistake.wrong()), smallest)? {
        page.paragraph(&format!("Right and wrong first differ {place}:"));
        page.block(&sums);
        page.gap();
    }
    let parting = &smallest.parting;
    let (found, expected) = (number(parting.found), number(parting.expected));
    let entry = parting.index[3];
    let place = match parting.tensor {
        "output" => at("in the output", parting.index),
        "derivative of the output" => at("in the derivative of the output", parting.index),
        tensor if tensor.starts_with("gradient") => {
            format!("in the {tensor}, at {:?}", parting.index)
        }
        // A single row: the channels of all the layers, one after the other.
        tensor => format!("in the {tensor}, entry {entry} counted through all the layers"),
    };
    page.paragraph(&format!("The mistake shows {place}: {found}, where {expected} is right."));
    let mut lines = String::new();
    for ((name, right), (_, wrong)) in smallest.right.tensors.iter().zip(&smallest.wrong.tensors) {
        lines += &labelled(&format!("{name}, right"), &planes(right.view()));
        lines += &labelled(&format!("{name}, wrong"), &planes(wrong.view()));
    }
    page.block(&lines);
    Ok(())
}

/// Where the right and the wrong block first differ, and the two sums there. `None` if the trace cannot tell, since it
/// runs in inference mode.
fn parted(pair: &Pair<'_>, smallest: &Smallest) -> Result<Option<(String, String)>> {
    let example = &smallest.example;
    let plain = matches!(example.mode, Mode::Evaluation)
        && !example.second_call
        && matches!(pair.shows_in, Kind::Numbers | Kind::NotANumber);
    if !plain {
        return Ok(None);
    }
    let (right, wrong) = (trace(pair.right, example)?, trace(pair.wrong, example)?);
    let Some(apart) = first_apart(&right, &wrong) else { return Ok(None) };
    let place = match apart.tensor {
        Layer::Output => "in the output",
        layer => place(layer),
    };
    let (right, wrong) = (sum(&apart.expected), sum(&apart.found));
    Ok(Some((at(place, apart.index), format!("right  {right}\nwrong  {wrong}"))))
}

/// A short description of the smallest block on which a form differs from the right form.
pub fn example(pair: &Pair<'_>, smallest: &Smallest) -> Result<String> {
    let mut page = Page::new(false);
    let about = about(smallest, pair.shows_in);
    page.paragraph(&format!("Here is the smallest example. {about}"));
    page.block(&numbers(smallest));
    if let Some((place, sums)) = parted(pair, smallest)? {
        page.paragraph(&format!("Right and wrong first differ {place}:"));
        page.block(&sums);
    }
    Ok(page.into_text())
}

/// The section about a mistake in docs/gallery.md: what it is, which rungs refute it, and its smallest example.
pub fn entry(row: &Row, smallest: &Smallest) -> Result<String> {
    let Mistake { name, changed, why, seen_in, form, .. } = &row.mistake;
    let rungs = |cell| row.rungs(cell).iter().map(Rung::to_string).collect::<Vec<_>>().join(", ");
    let seen_in = seen_in.map_or(String::new(), |place| format!(" It was seen in {place}."));
    let missed = match rungs(Cell::Missed) {
        missed if missed.is_empty() => String::new(),
        missed => format!(" It is missed by {missed}."),
    };
    let mut text = format!("### `{name}`\n\n");
    paragraph(&mut text, &format!("In form ({}), {changed}. {why}.{seen_in}", form.letter()));
    text += &format!("\nThis mistake is refuted by {}.{missed}\n\n", rungs(Cell::Refuted));
    let wrong = row.mistake.wrong();
    let pair = row.mistake.pair(&wrong);
    let about = about(smallest, pair.shows_in);
    paragraph(&mut text, &format!("The smallest example has {}", about.trim_start_matches(SEARCH)));
    text += "\n```text\n";
    match parted(&pair, smallest)? {
        Some((place, sums)) => text += &format!("{place}:\n{sums}\n"),
        None => {
            let Parting { tensor, found, expected, .. } = &smallest.parting;
            text +=
                &format!("{tensor}:\nright  {}\nwrong  {}\n", number(*expected), number(*found));
        }
    }
    Ok(text + "```\n\n")
}

/// A sum with its value, such as "1·2 + 2·3 = 8". A number that is not a sum is shown alone.
fn sum(spelled: &Expression) -> String {
    let (sum, value) = (spelled.to_string(), number(spelled.value() as f32));
    if sum == value { sum } else { format!("{sum} = {value}") }
}

/// A place and an index in words.
fn at(place: &str, [n, c, h, w]: [usize; 4]) -> String {
    format!("{place}, image {n}, channel {c}, row {h}, column {w}")
}

/// How the smallest block was found.
const SEARCH: &str =
    "The block was drawn at random, then made smaller for as long as the mistake shows. It has ";

/// A small block in words.
fn about(smallest: &Smallest, shows_in: Kind) -> String {
    let example = &smallest.example;
    let spec = example.weights.spec();
    let (n, _, h, w) = example.x.dim();
    let kernel = if spec.kernel() == 1 { "A 1x1 replaces the 3x3" } else { "The 3x3 is kept" };
    let stride = match (spec.stride(), spec.reduce().height().stride) {
        (1, _) => "the stride is 1",
        (_, 1) => "the stride of the middle layer is 2",
        _ => "the stride of the first 1x1 is 2",
    };
    let shortcut = match spec.shortcut() {
        Shortcut::None => "the block has no shortcut",
        Shortcut::Identity => "the shortcut is the identity",
        Shortcut::Projection => "the shortcut is a projection",
    };
    let mut words = format!(
        "{SEARCH}{} of width {}, {} and {}. {kernel}, {stride}, and {shortcut}. The input has {} of \
         size {h}x{w}.",
        several(spec.cardinality(), "path"),
        spec.width(),
        several(spec.c_in(), "input channel"),
        several(spec.c_out(), "output channel"),
        several(n, "image"),
    );
    if example.layout == Layout::Transposed {
        words += " In memory, the input lies column by column.";
    }
    if example.second_call {
        words += " The block ran once before, on a map that was one row and one column larger. Every value \
                  of that map was the first nonzero weight of the first 1x1. The second run reads old \
                  values from the buffer, where the smaller map has its padding.";
    }
    match example.mode {
        Mode::Evaluation => {}
        Mode::Training => words += " Batch norm is in training mode, with momentum 0.1.",
        Mode::Gradient { training, .. } => {
            words += " The loss is the sum of all outputs, each multiplied by a given factor (v). The example \
                      compares the gradients of this loss.";
            if training {
                words += " Batch norm is in training mode.";
            }
        }
        Mode::Derivative(..) => {
            words += " The example compares a directional derivative of the output, with respect to the \
                      kernels and the input.";
        }
    }
    words += match shows_in {
        Kind::NotANumber => " One input value is NaN.",
        Kind::Epsilon => " Its batch norms divide by the square root of variance plus epsilon.",
        _ if spec.kernel() > 1 => " Products in which one factor is a padding zero are left out.",
        _ => "",
    };
    words
}

/// Input, kernels and batch norms of a small block.
fn numbers(smallest: &Smallest) -> String {
    let example = &smallest.example;
    let weights = &example.weights;
    let mut lines = labelled("input x", &planes(example.x.view()));
    lines += &labelled("first 1x1", &kernel(weights.reduce()));
    let (groups, taps) = (weights.spec().cardinality(), weights.spec().kernel());
    let here = if taps == 1 { " (here 1x1)" } else { "" };
    let middle = format!("3x3{here}, {}", several(groups, "group"));
    lines += &labelled(&middle, &kernel(weights.transform()));
    lines += &labelled("last 1x1", &kernel(weights.expand()));
    if let Some(projection) = weights.shortcut() {
        lines += &labelled("projection", &kernel(projection));
    }
    if let Mode::Derivative(moving) = &example.mode {
        let (moves, x) = &**moving;
        lines += &labelled("direction: input x", &planes(x.view()));
        lines += &labelled("direction: first 1x1", &kernel(moves.reduce()));
        lines += &labelled("direction: 3x3", &kernel(moves.transform()));
        lines += &labelled("direction: last 1x1", &kernel(moves.expand()));
    }
    if let Mode::Gradient { v, .. } = &example.mode {
        lines += &labelled("v", &planes(v.view()));
    }
    if matches!(example.mode, Mode::Training | Mode::Gradient { training: true, .. }) {
        let norms = "batch norms: gamma 1, beta 0, epsilon 1; the running variance starts at 1\n";
        return lines + norms;
    }
    let norms = &example.norms;
    let mut all_else = "the batch norms change nothing\n";
    for (name, norm) in [
        ("first batch norm", Some(&norms.reduce)),
        ("second batch norm", Some(&norms.transform)),
        ("last batch norm", Some(&norms.expand)),
        ("batch norm of the projection", norms.shortcut.as_ref()),
    ] {
        if let Some(words) = norm.and_then(in_words) {
            lines += &labelled(name, &words);
            all_else = "all else in the batch norms changes nothing\n";
        }
    }
    lines + all_else
}

/// A batch norm in words: scale and shift of each channel that it changes. `None` if it changes no channel.
fn in_words(norm: &BatchNorm<f32>) -> Option<Vec<String>> {
    let folded = norm.fold().ok()?;
    let epsilon = *norm.epsilon();
    let changes =
        |affine: &&Affine<f32>| epsilon > 0.0 || (affine.scale, affine.shift) != (1.0, 0.0);
    let channels = folded.affine().iter().enumerate().filter(|(_, affine)| changes(affine));
    let lines: Vec<String> = channels
        .map(|(channel, affine)| {
            let [gamma, _, _, variance] = norm.channel(channel).map(|value| number(*value));
            let scale = match affine.scale {
                _ if epsilon > 0.0 => {
                    format!("{gamma} / sqrt({variance} + {}) z", number(epsilon))
                }
                1.0 => "z".to_owned(),
                scale => format!("{} z", number(scale)),
            };
            let shift = match affine.shift {
                0.0 => String::new(),
                shift if shift < 0.0 => format!(" - {}", number(-shift)),
                shift => format!(" + {}", number(shift)),
            };
            format!("channel {channel}: {scale}{shift}")
        })
        .collect();
    (!lines.is_empty()).then_some(lines)
}

/// All mistakes as JSON, each with the result of every rung and the smallest block that shows the mistake.
pub fn json(rows: &[(Row, Option<Smallest>)]) -> impl Serialize {
    let entry = |(row, smallest): &(Row, Option<Smallest>)| {
        object! {
            name: row.mistake.name,
            form: row.mistake.form.letter(),
            changed: row.mistake.changed,
            refuted_by: row.rungs(Cell::Refuted),
            missed_by: row.rungs(Cell::Missed),
            not_applicable: row.rungs(Cell::NotApplicable),
            not_run: row.rungs(Cell::NotRun),
            seen_in: row.mistake.seen_in,
            witness: smallest.as_ref().map(witness),
            why_null: [
                ("seen_in", row.mistake.seen_in.is_none(), "no public code known to us has it"),
                ("witness", smallest.is_none(), "no small block was found on which it shows"),
            ]
            .into_iter()
            .filter(|(_, is_null, _)| *is_null)
            .map(|(key, _, why)| (key, why))
            .collect::<WhyNull>(),
        }
    };
    object! { mistakes: rows.iter().map(entry).collect::<Vec<_>>() }
}

fn witness(smallest: &Smallest) -> impl Serialize + use<> {
    let example = &smallest.example;
    let (spec, norms) = (example.weights.spec(), &example.norms);
    // The direction of the derivative: how kernels and input move.
    let (mode, moves) = match &example.mode {
        Mode::Evaluation => ("evaluation", None),
        Mode::Training => ("training", None),
        Mode::Derivative(moving) => {
            let (weights, x) = &**moving;
            ("derivative", Some(object! { kernels: kernels(weights), x: tensor(x.view()) }))
        }
        Mode::Gradient { training: false, .. } => ("gradient", None),
        Mode::Gradient { training: true, .. } => ("training_gradient", None),
    };
    let v = match &example.mode {
        Mode::Gradient { v, .. } => Some(tensor(v.view())),
        _ => None,
    };
    let mut why_null = WhyNull::new();
    if moves.is_none() {
        why_null.insert("moves", "no derivative is compared");
    }
    if v.is_none() {
        why_null.insert("v", "no gradient is compared");
    }
    let parting = &smallest.parting;
    object! {
        c_in: spec.c_in(),
        cardinality: spec.cardinality(),
        width: spec.width(),
        c_out: spec.c_out(),
        kernel: spec.kernel(),
        stride: spec.stride(),
        stride_on: if spec.reduce().height().stride == 1 { "3x3" } else { "1x1" },
        shortcut: match spec.shortcut() {
            Shortcut::None => "none",
            Shortcut::Identity => "identity",
            Shortcut::Projection => "projection",
        },
        kernels: kernels(&example.weights),
        norms: object! {
            reduce: norm(&norms.reduce),
            transform: norm(&norms.transform),
            expand: norm(&norms.expand),
            projection: norms.shortcut.as_ref().map(norm),
        },
        x: tensor(example.x.view()),
        layout: if example.layout == Layout::Transposed { "transposed" } else { "standard" },
        second_call: example.second_call,
        mode: mode,
        moves: moves,
        v: v,
        // Null for NaN.
        parts: object! {
            tensor: parting.tensor,
            index: parting.index,
            found: parting.found,
            expected: parting.expected,
        },
        why_null: why_null,
    }
}

fn kernels(weights: &BlockWeights<f32>) -> impl Serialize + use<> {
    object! {
        reduce: tensor(weights.reduce()),
        transform: tensor(weights.transform()),
        expand: tensor(weights.expand()),
        projection: weights.shortcut().map(tensor),
    }
}

fn norm(norm: &BatchNorm<f32>) -> impl Serialize + use<> {
    let all = |which: usize| -> Vec<f32> {
        (0..norm.channels()).map(|channel| *norm.channel(channel)[which]).collect()
    };
    let epsilon = *norm.epsilon();
    object! { gamma: all(0), beta: all(1), mean: all(2), variance: all(3), epsilon: epsilon }
}
