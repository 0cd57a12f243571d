//! Tests the gallery of wrong blocks. Every block is refuted, and every rung from R1 on refutes some. The witness of
//! each block can be replayed from its JSON alone.

use std::sync::OnceLock;

use crate::kit::{fits_80_columns, of, right, run_with};
use ndarray::{Array1, Array4};
use serde_json::Value;
use triform::block::{
    BatchNorm, BlockForm, BlockNorms, BlockSpec, BlockWeights, Form, Shortcut, StrideOn,
};
use triform::evidence::generator::Layout;
use triform::evidence::progress::Quiet;
use triform::evidence::rungs::Rung;
use triform::gallery::convolutions::{self, ConvMistake};
use triform::gallery::matrix::{self, Cell, Row};
use triform::gallery::witness::{Example, Mode, smallest};
use triform::gallery::{ALL, Kind, MadeIn, Mistake, named};
use triform::random::Seed;
use triform_cli as cli;

/// What the program prints, and its exit status.
fn triform(command: &str) -> (u8, String, String) {
    run_with(&right(), command, false)
}

/// `triform refute --json`, run once for all tests.
fn gallery() -> &'static Vec<Value> {
    static GALLERY: OnceLock<Vec<Value>> = OnceLock::new();
    GALLERY.get_or_init(|| {
        let (status, output, errors) = triform("refute --json");
        assert_eq!((status, errors.as_str()), (cli::HOLDS, ""));
        let report: Value = serde_json::from_str(&output).unwrap();
        report["mistakes"].as_array().unwrap().clone()
    })
}

fn rungs(entry: &Value, key: &str) -> Vec<String> {
    of(&entry[key])
}

/// The faults of a gallery: mistakes that no rung refutes, and rungs that refute too few mistakes.
fn unmet(rows: &[(String, [Cell; 9])]) -> Vec<String> {
    let unrefuted = rows.iter().filter(|(_, cells)| !cells.contains(&Cell::Refuted));
    let mut unmet: Vec<String> =
        unrefuted.map(|(name, _)| format!("no rung refutes {name}")).collect();
    for rung in &Rung::ALL[1..] {
        let count = |cell| rows.iter().filter(|(_, cells)| cells[*rung as usize] == cell).count();
        let (refuted, missed) = (count(Cell::Refuted), count(Cell::Missed));
        if refuted == 0 || (refuted < 10 && missed > 0) {
            unmet.push(format!("{rung} refutes {refuted} and misses {missed}"));
        }
    }
    unmet
}

fn cells_of(entry: &Value) -> [Cell; 9] {
    Rung::ALL.map(|rung| {
        let is_in = |key| rungs(entry, key).contains(&rung.to_string());
        match ["refuted_by", "missed_by", "not_applicable"].map(is_in) {
            [true, false, false] => Cell::Refuted,
            [false, true, false] => Cell::Missed,
            [false, false, true] => Cell::NotApplicable,
            other => panic!("{rung} is in one list alone: {other:?}"),
        }
    })
}

#[test]
fn every_mistake_is_refuted_and_every_rung_refutes() {
    let rows: Vec<(String, [Cell; 9])> = gallery()
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap().to_owned(), cells_of(entry)))
        .collect();
    assert_eq!(rows.len(), ALL.len());
    assert_eq!(unmet(&rows), Vec::<String>::new());
    let cells = rows.iter().flat_map(|(_, cells)| cells);
    println!("{} cells run", cells.count());

    // The test is tested too: an unrefuted mistake and a blind rung are each reported.
    let unrefuted = ("added".to_owned(), [Cell::Missed; 9]);
    let added: Vec<_> = rows.iter().cloned().chain([unrefuted]).collect();
    assert_eq!(unmet(&added), ["no rung refutes added"]);
    let blind = |(name, mut cells): (String, [Cell; 9])| {
        cells[Rung::R4 as usize] = Cell::Missed;
        (name, cells)
    };
    let with_blind_rung: Vec<_> = rows.into_iter().map(blind).collect();
    assert_eq!(unmet(&with_blind_rung), [format!("R4 refutes 0 and misses {}", ALL.len())]);
}

/// A right block is run like the wrong blocks, and no rung refutes it. So the matrix shows the results of runs.
#[test]
fn a_right_block_among_the_gallery_is_not_refuted() {
    let right = Mistake { name: "right", made_in: MadeIn::Nothing, ..ALL[0] };
    let rows = matrix::run(&[right, ALL[0]], &Rung::ALL.into(), Seed(1), &Quiet).unwrap().unwrap();
    let named: Vec<(String, [Cell; 9])> =
        rows.iter().map(|row: &Row| (row.mistake.name.to_owned(), row.cells)).collect();
    assert!(unmet(&named).contains(&"no rung refutes right".to_owned()));
    assert!(named[1].1.iter().all(|cell| *cell == Cell::Refuted), "{named:?}");
    // Each rung ran, on many cases.
    assert!(rows[0].cases.iter().all(|cases| *cases >= 5), "{:?}", rows[0].cases);
}

/// The matrix of mistakes and rungs is a snapshot, so that every change of it is reviewed.
#[test]
fn the_matrix_reads_like_this() {
    let (status, text, errors) = triform("refute");
    assert_eq!((status, errors.as_str()), (cli::HOLDS, ""));
    fits_80_columns(&text);
    insta::assert_snapshot!("gallery", text);
}

/// Other seeds give the same matrix.
#[test]
fn the_matrix_does_not_hang_on_the_seed() {
    for seed in [14, 2026] {
        let rows = matrix::run(&ALL, &Rung::ALL.into(), Seed(seed), &Quiet).unwrap().unwrap();
        for (row, entry) in rows.iter().zip(gallery()) {
            assert_eq!(row.cells, cells_of(entry), "{}, seed {seed}", row.mistake.name);
        }
    }
}

#[test]
fn gallery_are_told_like_this() {
    // All pages, since a mistake's page shows what it computes.
    let mut pages = String::new();
    for mistake in &ALL {
        let (status, text, _) = triform(&format!("refute {}", mistake.name));
        assert_eq!(status, cli::HOLDS);
        fits_80_columns(&text);
        pages += &text;
    }
    insta::assert_snapshot!("pages", pages);
    let (_, markdown, _) = triform("refute dilated --markdown");
    assert!(markdown.starts_with("# dilated\n\n- **Refuted by:** "), "{markdown}");
    let (_, markdown, _) = triform("refute --markdown");
    assert!(
        markdown.contains("\n| last-path-dropped       | the last path is not summed "),
        "{markdown}"
    );
}

#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = ALL.iter().map(|mistake| mistake.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    assert!(names.iter().all(|name| named(name).is_ok()));
}

/// A tensor from JSON; null is NaN.
fn tensor(json: &Value) -> Array4<f32> {
    Array4::from_shape_vec(of::<[usize; 4]>(&json["shape"]), floats(&json["data"])).unwrap()
}

fn floats(json: &Value) -> Vec<f32> {
    json.as_array().unwrap().iter().map(float).collect()
}

fn float(json: &Value) -> f32 {
    of::<Option<f32>>(json).unwrap_or(f32::NAN)
}

/// The example of a witness, from its JSON.
fn example(json: &Value) -> Example {
    let [c_in, cardinality, width, c_out] =
        ["c_in", "cardinality", "width", "c_out"].map(|key| of(&json[key]));
    let stride_on = if json["stride_on"] == "3x3" { StrideOn::Transform } else { StrideOn::Reduce };
    let shortcut = match json["shortcut"].as_str().unwrap() {
        "none" => Shortcut::None,
        "identity" => Shortcut::Identity,
        _ => Shortcut::Projection,
    };
    let spec = BlockSpec::new(c_in, cardinality, width, c_out)
        .and_then(|spec| spec.with_kernel(of(&json["kernel"])))
        .and_then(|spec| spec.with_stride(of(&json["stride"]), stride_on))
        .and_then(|spec| spec.with_shortcut(shortcut))
        .unwrap();
    let weights = |json: &Value| {
        let projection = Some(&json["projection"]).filter(|json| !json.is_null()).map(tensor);
        let [reduce, transform, expand] =
            ["reduce", "transform", "expand"].map(|key| tensor(&json[key]));
        BlockWeights::new(spec, reduce, transform, expand, projection).unwrap()
    };
    let norm = |json: &Value| {
        let [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"]
            .map(|key| floats(&json[key]).into_iter().collect::<Array1<f32>>());
        BatchNorm::new(gamma, beta, mean, variance, float(&json["epsilon"])).unwrap()
    };
    let norms = &json["norms"];
    Example {
        weights: weights(&json["kernels"]),
        norms: BlockNorms {
            reduce: norm(&norms["reduce"]),
            transform: norm(&norms["transform"]),
            expand: norm(&norms["expand"]),
            shortcut: Some(&norms["projection"]).filter(|json| !json.is_null()).map(norm),
        },
        x: tensor(&json["x"]),
        layout: if json["layout"] == "standard" { Layout::Standard } else { Layout::Transposed },
        second_call: of(&json["second_call"]),
        mode: match json["mode"].as_str().unwrap() {
            "evaluation" => Mode::Evaluation,
            "training" => Mode::Training,
            kind @ ("gradient" | "training_gradient") => {
                Mode::Gradient { training: kind != "gradient", v: tensor(&json["v"]) }
            }
            _ => {
                let moves = &json["moves"];
                Mode::Derivative(Box::new((weights(&moves["kernels"]), tensor(&moves["x"]))))
            }
        },
    }
}

/// Each witness is rebuilt from its JSON. The right and the wrong block then differ at the element that the JSON names,
/// with the numbers that it names.
#[test]
fn every_witness_replays() {
    let mut replayed = 0;
    for entry in gallery() {
        let mistake = named(entry["name"].as_str().unwrap()).unwrap();
        let witness = &entry["witness"];
        let wrong = mistake.wrong();
        let found = mistake.pair(&wrong).replay(&example(witness)).unwrap().expect("they part");
        let parts = &witness["parts"];
        assert_eq!(found.parting.tensor, parts["tensor"].as_str().unwrap());
        assert_eq!(found.parting.index.to_vec(), of::<Vec<usize>>(&parts["index"]));
        for (number, key) in [(found.parting.found, "found"), (found.parting.expected, "expected")]
        {
            assert_eq!(number.to_bits(), float(&parts[key]).to_bits(), "{}", mistake.name);
        }
        // The right forms agree on it, so it is the mistake that shows.
        let example = example(witness);
        let outcomes = Form::ALL.map(|form| example.run(&form).unwrap());
        for other in &outcomes[1..] {
            assert_eq!(outcomes[0].parting(other), None, "{}", mistake.name);
        }
        replayed += 1;
    }
    assert_eq!(replayed, ALL.len());
}

/// Each witness is minimal: if any of its numbers is made simpler, the right and the wrong block agree. A number
/// becomes simpler when it moves towards 0, by one step or all the way. The numbers of a batch norm move towards the
/// identity instead.
#[test]
fn witnesses_are_minimal() {
    let mut tried = 0;
    for entry in gallery() {
        let mistake = named(entry["name"].as_str().unwrap()).unwrap();
        let smallest = example(&entry["witness"]);
        let numbers = smallest.numbers();
        for (place, (value, simplest)) in numbers.iter().enumerate() {
            if value == simplest || value.is_nan() {
                continue;
            }
            let step = (simplest - value).signum();
            for near in [*simplest, value + step] {
                let mut values: Vec<f32> = numbers.iter().map(|(value, _)| *value).collect();
                values[place] = near;
                let simpler = smallest.with_numbers(&values).unwrap();
                let wrong = mistake.wrong();
                let found = mistake.pair(&wrong).replay(&simpler).unwrap();
                assert!(found.is_none(), "{}: {value} may be {near}", mistake.name);
                tried += 1;
            }
        }
    }
    println!("{tried} numbers made simpler, and each needed");
    assert!(tried > 100, "{tried}");
}

/// How many mistakes show in each way: NaN, many bits, epsilon, derivatives, statistics, gradients.
#[test]
fn each_kind_of_witness_is_there() {
    for (kind, count) in [
        (Kind::NotANumber, 1),
        (Kind::ManyBits, 1),
        (Kind::Epsilon, 1),
        (Kind::Derivatives, 2),
        (Kind::Training, 2),
        (Kind::Gradients, 2),
        (Kind::TrainingGradients, 1),
        (Kind::Numbers, 32),
    ] {
        assert_eq!(ALL.iter().filter(|mistake| mistake.shows_in == kind).count(), count);
    }
    let letters: String = ALL.iter().map(|mistake| BlockForm::letter(&mistake.form)).collect();
    assert!(['a', 'b', 'c'].iter().all(|letter| letters.contains(*letter)), "{letters}");
}

/// docs/gallery.md has each mistake with the smallest example that is found here.
#[test]
fn the_book_shows_every_mistake() {
    let rows = matrix::run(&ALL, &Rung::ALL.into(), Seed(0), &Quiet).unwrap().unwrap();
    let entry = |row: &Row| {
        let smallest = smallest(&row.mistake, Seed(0)).unwrap().expect("it shows");
        cli::report::refute::entry(row, &smallest).unwrap()
    };
    let of_blocks: String = rows.iter().map(entry).collect();
    assert_eq!(of_blocks.matches("\n```text\n").count(), ALL.len());
    let row = |mistake: &ConvMistake| {
        let seen_in = mistake.seen_in.unwrap_or_default();
        format!("| `{}` | {} | {seen_in} |\n", mistake.name, mistake.changed)
    };
    let of_convolutions: String = convolutions::ALL.iter().map(row).collect();
    let head = "| mistake | what is wrong | seen in |\n|---|---|---|\n";
    is_in_the_book("convolutions", &format!("{head}{of_convolutions}"));
    is_in_the_book("gallery", &of_blocks);
}

/// Asserts that a part of docs/gallery.md equals `made`, or rewrites that part.
fn is_in_the_book(part: &str, made: &str) {
    let first = format!("<!-- {part}: made by INSTA_UPDATE=always cargo test -->\n");
    let last = format!("<!-- end of {part} -->");
    let path = crate::kit::root().join("docs/gallery.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(&first).unwrap();
    let (found, after) = rest.split_once(&last).unwrap();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let page = [before, &first, made, &last, after].concat();
        return std::fs::write(path, page).unwrap();
    }
    assert!(found == made, "docs/gallery.md is stale: {part}");
}
