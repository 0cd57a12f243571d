//! Tests the committed notebooks without running them. They contain their outputs, every check in them holds, and both
//! languages have the same code and the same outputs. `notebooks/run` runs the notebooks.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// The number of notebooks in each language.
const NOTEBOOKS: usize = 6;
/// At most this many cells have an output that differs between machines or days. They show times.
const MAY_VARY: usize = 4;

fn folder() -> PathBuf {
    crate::kit::root().join("notebooks")
}

/// Each notebook's name, with its cells in English and in Chinese.
fn pairs() -> Vec<(String, [Vec<Value>; 2])> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix(".ipynb")?.to_owned()))
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    assert_eq!(names.len(), NOTEBOOKS, "{names:?}");
    let pair = |name: String| {
        let cells = [&name, &format!("{name}.zh")].map(|name| cells(name));
        (name, cells)
    };
    names.into_iter().map(pair).collect()
}

fn cells(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(format!("{name}.ipynb"))).unwrap();
    let notebook: Value = serde_json::from_str(&text).unwrap();
    notebook["cells"].as_array().unwrap().clone()
}

fn is_code(cell: &Value) -> bool {
    cell["cell_type"] == "code"
}

fn has_tag(cell: &Value, tag: &str) -> bool {
    cell["metadata"]["tags"].as_array().is_some_and(|tags| tags.iter().any(|own| own == tag))
}

/// Text in a notebook is a string, or a list of its lines.
fn text(value: &Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().map(text).collect(),
        value => value.as_str().unwrap_or_default().to_owned(),
    }
}

/// The output of a cell as plain text.
fn said(cell: &Value) -> String {
    let outputs = cell["outputs"].as_array().unwrap();
    let of = |output: &Value| text(&output["text"]) + &text(&output["data"]["text/plain"]) + "\n";
    outputs.iter().map(of).collect()
}

#[test]
fn every_cell_was_run_and_every_check_holds() {
    let (mut checks, mut pictures, mut tables, mut exercises) = (0, 0, 0, 0);
    for (name, languages) in pairs() {
        for cell in languages.iter().flatten().filter(|cell| is_code(cell)) {
            let place = format!("{name}, {}", cell["id"]);
            assert!(cell["execution_count"].is_u64(), "{place} was not run");
            for output in cell["outputs"].as_array().unwrap() {
                assert_ne!(output["output_type"], "error", "{place}");
                assert_ne!(output["name"], "stderr", "{place}");
                pictures += usize::from(!output["data"]["image/svg+xml"].is_null());
                tables += usize::from(!output["data"]["text/html"].is_null());
            }
            let said = said(cell);
            let fails = ["DOES NOT HOLD", "is not it.", "not answered", "Err("];
            assert!(fails.iter().all(|words| !said.contains(words)), "{place}: {said}");
            if has_tag(cell, "check") {
                let right = said.lines().filter(|line| line.starts_with("Exercise ")).count();
                let holds = said.lines().filter(|line| line.starts_with("Holds: ")).count();
                assert!(right + holds > 0, "{place}: {said}");
                (checks, exercises) = (checks + right + holds, exercises + right);
            }
        }
    }
    assert_eq!(exercises, 2 * NOTEBOOKS * 3, "three exercises a notebook");
    assert!(checks > 80 && pictures > 45 && tables > 20, "{checks}, {pictures}, {tables}");
}

#[test]
fn the_languages_have_the_same_code_and_outputs() {
    let mut compared = 0;
    for (name, [english, chinese]) in pairs() {
        let code = |cells: &[Value]| -> Vec<Value> {
            let code = cells.iter().filter(|cell| is_code(cell));
            let kept = |cell: &Value| {
                let outputs =
                    if has_tag(cell, "varies") { Value::Null } else { cell["outputs"].clone() };
                serde_json::json!([cell["id"], cell["source"], cell["metadata"], outputs])
            };
            code.map(kept).collect()
        };
        let [left, right] = [code(&english), code(&chinese)];
        assert_eq!(left.len(), right.len(), "{name}");
        for (left, right) in left.iter().zip(&right) {
            assert_eq!(left, right, "{name}");
            compared += 1;
        }
        let prose = |cells: &[Value]| -> String {
            cells.iter().filter(|cell| !is_code(cell)).map(|cell| text(&cell["source"])).collect()
        };
        let is_chinese = |text: &str| text.chars().filter(|c| ('一'..='鿿').contains(c)).count();
        // A little Chinese is allowed: the English text names the Chinese lesson by its title.
        assert!(is_chinese(&prose(&chinese)) > 500 && is_chinese(&prose(&english)) < 50, "{name}");
    }
    assert!(compared > 6 * 15, "{compared}");
}

#[test]
fn few_outputs_may_vary() {
    let english = pairs().into_iter().flat_map(|(_, [english, _])| english);
    let varying = english.filter(|cell| has_tag(cell, "varies")).count();
    assert!(varying <= MAY_VARY, "{varying} cells are tagged as varying");
}

/// Pictures need no font on the reader's machine, because their letters are outlines.
#[test]
fn pictures_have_no_text_that_needs_a_font() {
    let mut seen = 0;
    for (name, languages) in pairs() {
        for output in
            languages.iter().flatten().filter_map(|cell| cell["outputs"].as_array()).flatten()
        {
            let svg = text(&output["data"]["image/svg+xml"]);
            if !svg.is_empty() {
                assert!(!svg.contains("<text") && svg.contains("max-width:100%"), "{name}");
                seen += 1;
            }
        }
    }
    assert!(seen > 45, "{seen}");
}

#[test]
fn links_between_notebooks_lead_somewhere() {
    let mut checked = 0;
    for (name, languages) in pairs() {
        for cell in languages.iter().flatten().filter(|cell| !is_code(cell)) {
            let prose = text(&cell["source"]);
            for (at, _) in prose.match_indices("](") {
                let link = prose[at + 2..].split(')').next().unwrap();
                if !link.starts_with("http") {
                    assert!(folder().join(link).exists(), "{name}: {link}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked >= 10, "{checked}");
}
