//! README and docs are true: every link leads somewhere, and the generated tables show what the program knows.
//! `INSTA_UPDATE=always cargo test -p triform-cli` rewrites the tables. (The tests of `extensive` check the commands
//! and reports, and a doc test checks the README's Rust code.)

use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::root;
use triform::claims;
use triform::evidence::rungs::Rung;
use triform::gallery;
use triform_cli::report;

/// All pages, by their paths in the project.
fn pages() -> Vec<PathBuf> {
    let pages_of = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| PathBuf::from(folder).join(entry.unwrap().file_name()));
        names.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect()
    };
    let mut pages = [pages_of(""), pages_of("docs"), pages_of("docs/zh")].concat();
    pages.sort();
    pages
}

fn page(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for path in pages() {
        let text = page(&path);
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap();
            if !link.starts_with("http") {
                let target = root().join(path.parent().unwrap()).join(link);
                assert!(target.exists(), "{}: {link}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Every page of docs/ is in the table of contents.
#[test]
fn the_summary_names_every_page() {
    let summary = page("docs/SUMMARY.md");
    for path in pages().iter().filter_map(|path| path.strip_prefix("docs").ok()) {
        let link = format!("]({})", path.display());
        assert!(path.ends_with("SUMMARY.md") || summary.contains(&link), "{link}");
    }
}

#[test]
fn the_front_door_is_short() {
    for readme in ["README.md", "README.zh.md"] {
        let lines = page(readme).lines().count();
        assert!(lines <= 150, "{lines} lines in {readme}");
    }
}

/// Compares `made` with the text between two marks with this name in a page. With `INSTA_UPDATE=always`, it rewrites
/// the text.
#[track_caller]
fn generated(path: &str, name: &str, made: &str) {
    let text = page(path);
    let start = format!("<!-- {name}: made by INSTA_UPDATE=always cargo test -->\n");
    let (before, rest) = text.split_once(&start).expect("where it starts");
    let (found, after) =
        rest.split_once(&format!("<!-- end of {name} -->")).expect("where it ends");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let text = format!("{before}{start}{made}<!-- end of {name} -->{after}");
        return fs::write(root().join(path), text).unwrap();
    }
    assert!(found == made, "{path} is stale; it should have\n{made}");
}

#[test]
fn the_claims_are_the_list() {
    let made = report::claims::table(claims::ALL).unwrap();
    assert_eq!(made.lines().skip(2).count(), claims::ALL.len());
    generated("docs/claims.md", "claims", &made);
}

/// The source file of a rung's method.
fn file_of(rung: Rung) -> String {
    let start = format!("r{}_", rung as usize);
    let names = fs::read_dir(root().join("src/evidence/rungs")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.find(|name| name.starts_with(&start)).unwrap()
}

#[test]
fn the_ladder_is_the_list() {
    let mut made =
        "| rung | what it asks | method | what it cannot see |\n|---|---|---|---|\n".to_owned();
    for rung in Rung::ALL {
        let (file, name) = (file_of(rung), rung.name);
        let (asks, says, blind_to) = (rung.asks, rung.says, rung.blind_to);
        made += &format!(
            "| [{rung}](../src/evidence/rungs/{file}) {name} | {asks} | {says} | {blind_to} |\n"
        );
    }
    generated("docs/ladder.md", "ladder", &made);
    let chinese = page("docs/zh/ladder.md");
    let rows: Vec<&str> = chinese.lines().filter(|line| line.starts_with("| R")).collect();
    assert_eq!(rows.len(), Rung::ALL.len());
    for (row, rung) in rows.iter().zip(Rung::ALL) {
        assert!(row.starts_with(&format!("| {rung} ")), "{row}");
    }
}

/// The Chinese page lists the gallery's mistakes in order. (The English page is made from runs.)
#[test]
fn the_gallery_is_the_list() {
    let chinese = page("docs/zh/gallery.md");
    let names = chinese.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: Vec<&str> = gallery::ALL.iter().map(|mistake| mistake.name).collect();
    assert_eq!(names.collect::<Vec<_>>(), listed);
    assert!(chinese.contains(&format!("{} 个错误的块", listed.len())));
}

/// What the pages say about published test data agrees with the committed record.
#[test]
fn the_adequacy_of_published_tests_is_the_record() {
    let text = fs::read_to_string(root().join("adequacy/records/2026-12-01.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let missed = |name: &str| -> [u64; 2] {
        let suite = record["suites"].as_array().unwrap().iter().find(|suite| suite["name"] == name);
        ["asked", "missed"].map(|key| suite.unwrap()[key].as_u64().unwrap())
    };
    let [asked, onnx] = missed("onnx-node");
    let [with_gradients, opinfo] = missed("opinfo-allclose");
    let [_, tinygrad] = missed("tinygrad-ones");
    for path in ["adequacy/README.md", "docs/check.md"] {
        let words: Vec<String> = page(path).split_whitespace().map(str::to_owned).collect();
        let text = words.join(" ");
        for said in [
            format!("ONNX's node tests of Conv miss {onnx} of {asked} mistakes in the output"),
            format!("tinygrad's all-ones test misses {tinygrad} of these {asked} mistakes"),
            format!(
                "Counting mistakes in gradients too, PyTorch's sample inputs miss {opinfo} of {with_gradients}."
            ),
        ] {
            assert!(text.contains(&said), "{path}: {said}");
        }
    }
    let [_, burn] = missed("burn");
    let [_, dlsys] = missed("dlsys-sum");
    let text = page("adequacy/README.md");
    assert!(
        text.contains(&format!("burn's tests miss {burn}"))
            && text.contains(&format!("homework 4 miss {dlsys}"))
    );
}
