//! The layers of the code: imports point downward only, unsafe code is only in the kernels' crate,
//! and the forms stay short.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors of the code, from the bottom up. A file may use its own floor and the floors listed before it.
const FLOORS: [&str; 13] = [
    "error", "random", "scalar", "conv", "block", "network", "count", "evidence", "gallery",
    "train", "claims", "check", "figures",
];

/// This crate's files.
fn sources() -> Vec<PathBuf> {
    files_under("src")
}

fn files_under(folder: &str) -> Vec<PathBuf> {
    fn visit(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    files.sort();
    files
}

/// The floor of a file: `conv` for src/conv/spec.rs and for src/conv.rs.
fn floor(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// Code without comments and without its tests, which may import anything.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The floors that a file's code names, as `crate::floor` or inside `crate::{...}`.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            names.push(format!("a group: {}", group.lines().next().unwrap_or_default()));
        }
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // The crate's root exports the error types under shorter paths.
        let is_error = ["Error", "Result"].contains(&name.as_str());
        names.push(if is_error { "error".to_owned() } else { name });
    }
    names
}

fn upward(file_floor: &str, code: &str) -> Vec<String> {
    let height = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    let own = height(file_floor).unwrap_or_else(|| panic!("{file_floor} is no floor"));
    let goes_up = |name: &String| height(name).is_none_or(|other| other > own);
    named(code).into_iter().filter(|name| !name.is_empty()).filter(goes_up).collect()
}

#[test]
fn imports_point_downward_only() {
    let mut checked = 0;
    for file in sources() {
        let Some(floor) = floor(&file) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        let wrong = upward(&floor, &code(&text));
        assert!(wrong.is_empty(), "{} uses {wrong:?}", file.display());
        checked += named(&code(&text)).len();
    }
    assert!(checked > 50, "only {checked} imports seen");
}

#[test]
fn an_import_that_points_upward_is_seen() {
    assert_eq!(upward("conv", "use crate::block::Form;"), ["block"]);
    assert_eq!(upward("block", "use crate::conv::Fast;"), [""; 0]);
    assert_eq!(upward("error", "fn f() { crate::figures::ALL }"), ["figures"]);
    assert_eq!(upward("scalar", "use crate::{conv, error};").len(), 1);
    assert_eq!(code("a\n// crate::figures\n#[cfg(test)]\nmod tests { crate::figures }"), "a");
}

/// Neither the reference nor the forms name the fast convolver.
#[test]
fn the_reference_and_the_forms_do_not_know_the_fast_convolver() {
    let mut seen = 0;
    for file in sources() {
        let path = file.to_str().unwrap();
        let blind = ["reference", "gradients"]
            .iter()
            .any(|file| path.contains(&format!("/conv/{file}.rs")));
        let blind = blind || path.contains("/block/");
        if blind {
            let code = code(&fs::read_to_string(&file).unwrap());
            assert!(!code.to_lowercase().contains("fast"), "{path}");
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
}

/// An unknown floor is reported, and so is a lower floor that names a higher floor.
#[test]
#[should_panic(expected = "attic is no floor")]
fn an_unknown_floor_is_found() {
    assert_eq!(upward("conv", "use crate::gallery::ALL;\nuse crate::scalar::Int;"), ["gallery"]);
    assert_eq!(upward("conv", "use crate::{gallery, scalar};").len(), 1);
    upward("attic", "");
}

#[test]
fn unsafe_code_is_in_the_crate_of_the_kernels_only() {
    let mut blocks = 0;
    for file in [sources(), files_under("crates")].concat() {
        let text = fs::read_to_string(&file).unwrap();
        let lines = code(&text);
        let is_kernel = file.to_str().unwrap().contains("/crates/kernels/src/");
        for line in lines
            .lines()
            .filter(|line| line.contains("unsafe ") || line.contains("allow(unsafe_code)"))
        {
            assert!(is_kernel, "{}: {line}", file.display());
            blocks += 1;
        }
    }
    assert!(blocks > 10, "{blocks}");
}

/// The forms and the evidence use the kernels only through `conv`.
#[test]
fn only_the_convolutions_name_the_kernels() {
    let mut seen = 0;
    for file in sources() {
        let floor = floor(&file);
        if code(&fs::read_to_string(&file).unwrap()).contains("triform_kernels") {
            assert!(["conv", "error"].map(Some).contains(&floor.as_deref()), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen}");
}

/// The code of each form stays short.
#[test]
fn the_forms_are_short() {
    for form in ["aggregated", "early_concat", "grouped"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/block/{form}.rs"));
        let text = fs::read_to_string(path).unwrap();
        assert!(code(&text).lines().count() <= 75, "{form}");
    }
}
