//! `triform verify` without options, at full size, on wrong forms.

use serde_json::Value;
use triform::block::Form;
use triform::evidence::any_form::AnyForm;
use triform_cli as cli;

use crate::common::wrong::{NEXT_PATH, norm_in_each_path, wrong};
use crate::kit::run_with;

/// Each form has its own mistake. On the real shapes and the photograph, R1 and R3 both refute each form in every
/// block.
#[test]
fn wrong_forms_are_refuted_in_every_block_of_the_main_job() {
    let dropped = wrong(Form::EarlyConcat, "last-path-dropped");
    let swapped = wrong(Form::Grouped, NEXT_PATH);
    let forms: [&dyn AnyForm; 3] = [&norm_in_each_path(), &dropped, &swapped];
    let (status, report, _) = run_with(&forms, "--json", false);
    assert_eq!(status, cli::REFUTED);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["ok"], false);
    let blocks = report["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 8);
    for block in blocks {
        assert_eq!(block["exact"], false, "{}", block["name"]);
        let refuted = block["refuted"].as_array().unwrap();
        for rung in ["R1", "R3"] {
            let forms = refuted.iter().filter(|pair| pair[0] == rung);
            let forms: String = forms.map(|pair| pair[1]["form"].as_str().unwrap()).collect();
            assert_eq!(forms, "abc", "{rung} in {}", block["name"]);
        }
    }
}
