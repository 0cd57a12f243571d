//! The gallery of mistakes, and one of them worked out in numbers; and both as JSON, each mistake with its
//! witness: everything it takes to repeat it.

use serde::Serialize;

use super::json::{object, pretty, tensor};
use super::matrix::{kernel, labelled, number, planes};
use super::page::Page;
use super::words::several;
use triform::block::{BatchNorm, BlockForm as _, BlockSpec, BlockWeights, Layer, Shortcut};
use triform::conv::Affine;
use triform::error::Result;
use triform::evidence::any_form::place;
use triform::evidence::generator::Layout;
use triform::evidence::rungs::Rung;
use triform::gallery::Kind;
use triform::gallery::matrix::{CASES, Cell, Row};
use triform::gallery::witness::{Mode, Smallest};
use triform::gallery::witness::{first_apart, trace};
use triform::scalar::Expression;

/// The matrix rung x mistake.
pub fn gallery(rows: &[Row], seed: u64, markdown: bool) -> String {
    let mut page = Page::new(markdown);
    page.heading(1, "Wrong blocks, and the rungs that refute them");
    page.paragraph(&format!(
        "Each block has one mistake, and each rung of the ladder was run on each: x refuted; - missed, \
         that is, the rung ran to its end ({CASES} random blocks, all small shapes, or everything \
         there is) and saw nothing; blank: it does not apply, the mistake had nothing to get \
         wrong there.",
    ));
    let head = ["mistake".to_owned()].into_iter().chain(Rung::ALL.map(|rung| rung.to_string()));
    let mut table: Vec<Vec<String>> = vec![head.collect()];
    for row in rows {
        let name = [row.mistake.name.to_owned()];
        table.push(name.into_iter().chain(row.cells.map(|cell| mark(cell).to_owned())).collect());
    }
    page.table(&table);
    page.next_paragraph(&conclusion(rows));
    page.paragraph("One of them, worked out: triform refute NAME");
    page.paragraph(&format!("Repeat: triform refute --seed {seed}"));
    page.into_text()
}

fn mark(cell: Cell) -> &'static str {
    match cell {
        Cell::Refuted => "x",
        Cell::Missed => "-",
        Cell::NotApplicable => "",
    }
}

/// How many there are, and what became of them.
fn conclusion(rows: &[Row]) -> String {
    let unrefuted: Vec<&str> = rows
        .iter()
        .filter(|row| row.rungs(Cell::Refuted).is_empty())
        .map(|row| row.mistake.name)
        .collect();
    let all = match unrefuted[..] {
        [] => format!("{} mistakes, each refuted by one rung at least.", rows.len()),
        _ => format!("{} mistakes; NOT REFUTED: {}.", rows.len(), unrefuted.join(", ")),
    };
    let of_each = Rung::ALL.map(|rung| {
        let count = |cell| rows.iter().filter(|row| row.cells[rung as usize] == cell).count();
        let refuted = count(Cell::Refuted);
        format!("{rung} {refuted} of {}", refuted + count(Cell::Missed))
    });
    format!("{all} Of those that concern it, {}.", of_each.join(", "))
}

/// One mistake, its smallest block, and where right and wrong part.
pub fn one(row: &Row, smallest: Option<&Smallest>, seed: u64, markdown: bool) -> Result<String> {
    let mistake = &row.mistake;
    let mut page = Page::new(markdown);
    page.heading(1, mistake.name);
    page.item("What", &format!("in form ({}), {}.", mistake.form.letter(), mistake.changed));
    page.item("Why", &format!("{}.", mistake.why));
    page.item("Seen in", &format!("{}.", mistake.seen_in.unwrap_or("no public code known to us")));
    let rungs = |cell| {
        let rungs: Vec<String> = row.rungs(cell).iter().map(Rung::to_string).collect();
        if rungs.is_empty() { "none".to_owned() } else { rungs.join(" ") }
    };
    page.item("Refuted by", &format!("{}.", rungs(Cell::Refuted)));
    for (label, cell) in [("Missed by", Cell::Missed), ("Not applicable", Cell::NotApplicable)] {
        if !row.rungs(cell).is_empty() {
            page.item(label, &format!("{}.", rungs(cell)));
        }
    }
    match smallest {
        None => page.next_paragraph("No small block was found on which it shows."),
        Some(smallest) => worked_out(&mut page, row, smallest)?,
    }
    page.next_paragraph(&format!("Repeat: triform refute {} --seed {seed}", mistake.name));
    Ok(page.into_text())
}

fn worked_out(page: &mut Page, row: &Row, smallest: &Smallest) -> Result<()> {
    let example = &smallest.example;
    let spec = example.weights.spec();
    page.heading(2, "The smallest block on which it shows");
    page.paragraph(&about(spec, smallest, row));
    page.block(&numbers(smallest));

    page.heading(2, "Right and wrong");
    let mistake = &row.mistake;
    // The trace is one of inference mode; what shows elsewhere it cannot tell.
    let plain = matches!(example.mode, Mode::Evaluation)
        && !example.second_call
        && matches!(mistake.shows_in, Kind::Numbers | Kind::NotANumber);
    if plain {
        let (right, wrong) = (trace(&mistake.form, example)?, trace(&mistake.wrong(), example)?);
        if let Some(apart) = first_apart(&right, &wrong) {
            let place = match apart.tensor {
                Layer::Output => "in the output",
                layer => place(layer),
            };
            page.paragraph(&format!("They part {}:", at(place, apart.index)));
            let (right, wrong) = (&apart.expected, &apart.found);
            page.block(&format!("right  {}\nwrong  {}", sum(right), sum(wrong)));
            page.gap();
        }
    }
    let parting = &smallest.parting;
    let (found, expected) = (number(parting.found), number(parting.expected));
    let entry = parting.index[3];
    let place = match parting.tensor {
        "output" => at("in the output", parting.index),
        "derivative of the output" => at("in the derivative of the output", parting.index),
        // One row, the channels of all the layers one after the other.
        tensor => format!("in the {tensor}, entry {entry} counted through all the layers"),
    };
    page.paragraph(&format!("It shows {place}: {found}, where {expected} is right."));
    let mut lines = String::new();
    for ((name, right), (_, wrong)) in smallest.right.tensors.iter().zip(&smallest.wrong.tensors) {
        lines += &labelled(&format!("{name}, right"), &planes(right.view()));
        lines += &labelled(&format!("{name}, wrong"), &planes(wrong.view()));
    }
    page.block(&lines);
    Ok(())
}

/// "1·2 + 2·3 = 8"; a number that is no sum stays as it is.
fn sum(spelled: &Expression) -> String {
    let (sum, value) = (spelled.to_string(), number(spelled.value() as f32));
    if sum == value { sum } else { format!("{sum} = {value}") }
}

/// A place and an index in words.
fn at(place: &str, [n, c, h, w]: [usize; 4]) -> String {
    format!("{place}, image {n}, channel {c}, row {h}, column {w}")
}

/// A small block in words.
fn about(spec: &BlockSpec, smallest: &Smallest, row: &Row) -> String {
    let example = &smallest.example;
    let (n, _, h, w) = example.x.dim();
    let kernel = if spec.kernel() == 1 { "a 1x1 in place of the 3x3" } else { "a 3x3" };
    let stride = match (spec.stride(), spec.reduce().stride()) {
        (1, _) => "stride 1",
        (_, 1) => "stride 2 on the 3x3",
        _ => "stride 2 on the first 1x1",
    };
    let shortcut = match spec.shortcut() {
        Shortcut::None => "no shortcut",
        Shortcut::Identity => "the identity as shortcut",
        Shortcut::Projection => "a projection as shortcut",
    };
    let mut words = format!(
        "Found by drawing blocks at random and making sizes and numbers smaller as long as it shows: \
         {} of width {}, {} in and {} out, {kernel}, {stride}, {shortcut}; {} of {h} x {w}.",
        several(spec.cardinality(), "path"),
        spec.width(),
        several(spec.c_in(), "channel"),
        spec.c_out(),
        several(n, "image"),
    );
    if example.layout == Layout::Transposed {
        words += " The input lies in memory column by column.";
    }
    if example.second_call {
        words += " The block ran once before, on a map that is one row and one column larger and \
                  filled with its first weight that is not 0. What that left in the buffer, where \
                  this map has its padding, is read again.";
    }
    match example.mode {
        Mode::Evaluation => {}
        Mode::Training => words += " Batch norm is in training mode, momentum 0.1.",
        Mode::Derivative(..) => {
            words += " The numbers with a ' say how kernels and input move; what is compared is how the \
                      output moves.";
        }
    }
    words += match row.mistake.shows_in {
        Kind::NotANumber => " One input is NaN.",
        Kind::Epsilon => " A batch norm scales by gamma / sqrt(variance + epsilon).",
        _ if spec.kernel() > 1 => " Products with the padding are not written down.",
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
        lines += &labelled("input x'", &planes(x.view()));
        lines += &labelled("first 1x1'", &kernel(moves.reduce()));
        lines += &labelled("3x3'", &kernel(moves.transform()));
        lines += &labelled("last 1x1'", &kernel(moves.expand()));
    }
    if matches!(example.mode, Mode::Training) {
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

/// A batch norm as scale and shift of the channels for which it is not the identity; `None` where it
/// is for all.
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

/// All mistakes as JSON, with what each rung made of them and the smallest block on which they show.
pub fn json(rows: &[(Row, Option<Smallest>)]) -> String {
    let entry = |(row, smallest): &(Row, Option<Smallest>)| {
        object! {
            name: row.mistake.name,
            form: row.mistake.form.letter(),
            changed: row.mistake.changed,
            refuted_by: row.rungs(Cell::Refuted),
            missed_by: row.rungs(Cell::Missed),
            not_applicable: row.rungs(Cell::NotApplicable),
            seen_in: row.mistake.seen_in,
            witness: smallest.as_ref().map(witness),
        }
    };
    pretty(&rows.iter().map(entry).collect::<Vec<_>>())
}

fn witness(smallest: &Smallest) -> impl Serialize + use<> {
    let example = &smallest.example;
    let (spec, norms) = (example.weights.spec(), &example.norms);
    // How kernels and input move, where the derivative is compared.
    let (mode, moves) = match &example.mode {
        Mode::Evaluation => ("evaluation", None),
        Mode::Training => ("training", None),
        Mode::Derivative(moving) => {
            let (weights, x) = &**moving;
            let moves = object! { kernels: kernels(weights), x: tensor(x.view()) };
            ("derivative", Some(object! { moves: moves }))
        }
    };
    let projection = norms.shortcut.as_ref().map(|shortcut| object! { projection: norm(shortcut) });
    let parting = &smallest.parting;
    object! {
        c_in: spec.c_in(),
        cardinality: spec.cardinality(),
        width: spec.width(),
        c_out: spec.c_out(),
        kernel: spec.kernel(),
        stride: spec.stride(),
        stride_on: if spec.reduce().stride() == 1 { "3x3" } else { "1x1" },
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
            #[serde(flatten)] projection: projection,
        },
        x: tensor(example.x.view()),
        layout: if example.layout == Layout::Transposed { "transposed" } else { "standard" },
        second_call: example.second_call,
        mode: mode,
        #[serde(flatten)] moves: moves,
        // Null for NaN.
        parts: object! {
            tensor: parting.tensor,
            index: parting.index,
            found: parting.found,
            expected: parting.expected,
        },
    }
}

fn kernels(weights: &BlockWeights<f32>) -> impl Serialize + use<> {
    let projection = weights.shortcut().map(|kernel| object! { projection: tensor(kernel) });
    object! {
        reduce: tensor(weights.reduce()),
        transform: tensor(weights.transform()),
        expand: tensor(weights.expand()),
        #[serde(flatten)] projection: projection,
    }
}

fn norm(norm: &BatchNorm<f32>) -> impl Serialize + use<> {
    let all = |which: usize| -> Vec<f32> {
        (0..norm.channels()).map(|channel| *norm.channel(channel)[which]).collect()
    };
    let epsilon = *norm.epsilon();
    object! { gamma: all(0), beta: all(1), mean: all(2), variance: all(3), epsilon: epsilon }
}
