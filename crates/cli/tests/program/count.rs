//! Tests counting from outside: the published table, three ways of counting that must agree, and the program's tables,
//! JSON and CSV. Also tests that `diagnose` explains wrong numbers.

use std::fs;

use crate::kit::{fits_80_columns, json, printed, text, triform};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::tempdir;
use triform::block::{Shortcut, StrideOn};
use triform::count::{self, Digits, Quantity, diagnose};
use triform::evidence::generator;
use triform::network::architecture::{Architecture, BlockKind};
use triform::network::layers::{Operation, Role};
use triform::network::{init, stem, zoo};
use triform::random::{Purpose, Seed};

/// The columns: name, parameters, MACs with the stride on the 3x3, and MACs with the stride on the first 1x1. For the
/// first ten networks, the parameters are torchvision's `num_params`, and the MACs agree with its `_ops`. The other
/// numbers were computed independently of this crate.
const TABLE: [(&str, u64, u64, u64); 14] = [
    ("resnet18", 11_689_512, 1_814_073_344, 1_814_073_344),
    ("resnet34", 21_797_672, 3_663_761_408, 3_663_761_408),
    ("resnet50", 25_557_032, 4_089_184_256, 3_857_973_248),
    ("resnet101", 44_549_160, 7_801_405_440, 7_570_194_432),
    ("resnet152", 60_192_808, 11_513_626_624, 11_282_415_616),
    ("resnext50_32x4d", 25_028_904, 4_230_479_872, 3_768_057_856),
    ("resnext101_32x8d", 88_791_336, 16_414_015_488, 15_489_171_456),
    ("resnext101_64x4d", 83_455_272, 15_460_270_080, 14_535_426_048),
    ("wide_resnet50_2", 68_883_240, 11_398_021_120, 10_935_599_104),
    ("wide_resnet101_2", 126_886_696, 22_753_050_624, 22_290_628_608),
    ("resnext101_32x4d", 44_177_704, 7_969_996_800, 7_507_574_784),
    ("resnext152_32x4d", 59_951_400, 11_709_513_728, 11_247_091_712),
    ("resnext101_32x16d", 194_026_792, 36_163_289_088, 34_313_601_024),
    ("resnext101_32x32d", 468_530_472, 87_106_781_184, 83_407_405_056),
];

#[test]
fn the_program_counts_every_network_exactly() {
    let all = json("count --json");
    let on_1x1 = json("count all --stride-on 1x1 --json");
    let entry = |list: &Value, name: &str| {
        let mut found =
            list["networks"].as_array().unwrap().iter().filter(|entry| entry["arch"] == name);
        let entry = found.next().unwrap_or_else(|| panic!("no {name}")).clone();
        assert!(found.next().is_none(), "{name} twice");
        entry
    };
    for (name, parameters, macs, macs_on_1x1) in TABLE {
        let (plain, moved) = (entry(&all, name), entry(&on_1x1, name));
        assert_eq!(plain["params"], parameters, "{name}");
        assert_eq!(plain["macs"], macs, "{name}");
        assert_eq!(plain["macs_by_stride"]["1x1"], macs_on_1x1, "{name}");
        assert_eq!(moved["macs"], macs_on_1x1, "{name}");
        assert_eq!(moved["params"], parameters, "{name}");
        assert_eq!(plain["flops"], 2 * macs, "{name}");
        let kinds = plain["params_by_kind"].as_object().unwrap();
        let sum: u64 = kinds.values().map(|kind| kind.as_u64().unwrap()).sum();
        assert_eq!(sum, parameters, "{name}");
        let stages = plain["by_stage"].as_array().unwrap();
        for key in ["params", "macs"] {
            let sum: u64 = stages.iter().map(|stage| stage[key].as_u64().unwrap()).sum();
            assert_eq!(plain[key], sum, "{name}");
        }
        let figures = plain["published"].as_array().unwrap();
        assert!(figures.iter().all(|figure| figure["met"] == true), "{name}");
    }
    assert_eq!(all["networks"].as_array().unwrap().len(), zoo::names().count() + 5);
}

proptest! {
    /// A block and a network of only that block count the same. The two closed forms were written independently.
    #[test]
    fn a_block_counts_the_same_as_a_network_of_one(
        c_in in 1usize..70, cardinality in 1usize..9, width in 1usize..9, c_out in 1usize..70,
        stride in 1usize..4, on_reduce: bool, h in 1usize..20, w in 1usize..20,
    ) {
        let stride_on = if on_reduce { StrideOn::Reduce } else { StrideOn::Transform };
        let spec = triform::block::BlockSpec::new(c_in, cardinality, width, c_out).unwrap();
        let spec = spec.with_stride(stride, stride_on).unwrap();
        let network = Architecture::single(&spec).with_stride_on(stride_on);
        let total = count::network(&network, (h, w)).unwrap().total;
        let parameters = count::block(&spec).unwrap();
        let convolutions = parameters.convolutions + parameters.shortcut;
        prop_assert_eq!(total.parameters.convolution, convolutions);
        let macs = count::block_macs(&spec, (h, w)).unwrap();
        let both = macs.convolutions.plus(&macs.shortcut).unwrap();
        prop_assert_eq!(total.operations.convolution, both);
        prop_assert!(both.inside <= both.all_taps && both.inside > 0);
    }

    #[test]
    fn batch_norms_count_what_their_arrays_hold(case in generator::contract()) {
        let spec = &case.spec;
        prop_assume!(spec.kernel() == 3 && spec.padding() == 1);
        prop_assume!(spec.shortcut() != Shortcut::None);
        prop_assume!((spec.shortcut() == Shortcut::Projection) == (spec.c_in() != spec.c_out() || spec.stride() > 1));
        let total = count::network(&Architecture::single(spec), (4, 4)).unwrap().total;
        let projection = usize::from(spec.shortcut() == Shortcut::Projection);
        let channels = 2 * spec.inner() + (1 + projection) * spec.c_out();
        prop_assert_eq!(total.parameters.batch_norm, 2 * channels as u64);
        prop_assert_eq!(total.parameters.statistics, 2 * channels as u64);
    }
}

/// The count of a network's convolutions equals the number of weights in the kernels of its stem and its blocks.
#[test]
fn layers_count_what_the_arrays_of_a_network_hold() {
    let network = zoo::named("resnext50_32x4d").unwrap();
    let counted = count::network(&network, (224, 224)).unwrap().total.parameters.convolution;
    let mut held: usize = stem::KERNEL.iter().product();
    for (number, block) in network.bottlenecks().unwrap().into_iter().enumerate() {
        let mut rng = Seed(0).stream(Purpose::Weights, &[number as u64]);
        let weights = init::block(block.spec, &mut rng).unwrap();
        held += weights.reduce().len() + weights.transform().len() + weights.expand().len();
        held += weights.shortcut().map_or(0, |kernel| kernel.len());
    }
    assert_eq!(held as u64, counted);
}

/// If each grouped 3x3 of resnext50_32x4d is filled up with zeros to a dense 3x3, the network becomes wide_resnet50_2.
/// All layers are the same except for the groups.
#[test]
fn resnext50_is_embedded_in_wide_resnet50() {
    let [grouped, dense] = ["resnext50_32x4d", "wide_resnet50_2"]
        .map(|name| zoo::named(name).unwrap().layers((224, 224)).unwrap());
    assert_eq!(grouped.len(), dense.len());
    let mut with_groups = 0;
    for (left, right) in grouped.iter().zip(&dense) {
        assert_eq!((&left.name, left.output), (&right.name, right.output));
        assert_eq!(left.operation.c_out(), right.operation.c_out());
        if left.operation != right.operation {
            assert_eq!(left.role, Some(Role::Transform));
            with_groups += 1;
        }
    }
    assert_eq!(with_groups, 16);
}

#[test]
fn a_network_without_its_top_is_its_features() {
    let whole = zoo::named("resnet50").unwrap();
    let features = whole.clone().without_top();
    let [with, without] = [&whole, &features]
        .map(|network| count::network(network, (224, 224)).unwrap().total.parameters);
    assert_eq!(with.trained().unwrap() - without.trained().unwrap(), 2048 * 1000 + 1000);
    let layers = features.layers((224, 224)).unwrap();
    assert!(!layers.iter().any(|l| matches!(l.operation, Operation::FullyConnected { .. })));
    let ten = count::network(&whole.with_classes(10), (224, 224)).unwrap().total.parameters;
    assert_eq!((ten.fully_connected, ten.bias), (20_480, 10));
}

#[test]
fn grouped_basic_blocks_and_other_nonsense_are_refused() {
    let in_groups = |groups| {
        let mut network = zoo::named("resnext50_32x4d")?;
        network.stages[1].groups = groups;
        network.layers((224, 224)).map(|_| network)
    };
    let resnet = |kind, blocks| Architecture::resnet("x", kind, blocks, 32, 4);
    for (refused, words) in [
        (resnet(BlockKind::Basic, [2; 4]), "must have 1 group of width 64, not 32 of width 4"),
        (resnet(BlockKind::Bottleneck, [3, 0, 6, 3]), "number of blocks of a stage is 0"),
        (in_groups(3), "256 input channels cannot be divided into 3 groups of equal size"),
        (in_groups(0), "number of groups is 0; it must be at least 1"),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// The first fit of `diagnose` for each number: the network, its count, and the conventions.
#[test]
fn a_wrong_number_names_its_mistake() {
    let mut found = String::new();
    for number in [
        "89,599,808",
        "22.84G --macs --arch resnext50_32x4d",
        "3.858G --macs",
        "31006504",
        "71,168",
        "4.259G --macs",
        "3.8e9 --macs --arch resnet50",
        "23,528,522 --arch resnet50",
        "70144",
        "25,557,032",
        "89.6M --arch resnext29_8x64d",
        // A size or a number of classes is taken into account.
        "33.5G --macs --arch resnext101_32x8d --size 320",
        "'8.46 GFLOPs' --arch ResNeXt50-32x4d",
        "23,712,932 --classes 100 --arch resnet50",
    ] {
        let fit = &json(&format!("diagnose {number} --json"))["fits"][0];
        let conventions = fit["conventions"].as_array().unwrap();
        let names: Vec<_> = conventions.iter().map(|d| d["name"].as_str().unwrap()).collect();
        found += &format!("{number}: {} {} {}\n", fit["arch"], fit["count"], names.join(" "));
    }
    insta::assert_snapshot!("first_found", found);
}

/// 22.8 billion is the count of wide_resnet101_2, twice the count of wide_resnet50_2, and twice the count of resnext50
/// with its groups ignored. All three are listed.
#[test]
fn coincidences_are_listed() {
    let found =
        diagnose(&"22.8G".parse().unwrap(), Quantity::Macs, &zoo::with_blocks().unwrap(), None)
            .unwrap();
    let has = |network: &str, conventions: &[&str]| {
        found.fits.iter().position(|fit| {
            let names: Vec<&str> = fit.conventions.iter().map(|d| d.name).collect();
            fit.network == network && names == conventions
        })
    };
    assert_eq!(has("wide_resnet101_2", &[]), Some(0));
    let twice = has("wide_resnet50_2", &["flops"]).unwrap();
    let ignored = has("resnext50_32x4d", &["groups-ignored", "flops"]).unwrap();
    assert!(0 < twice && twice < ignored);
    assert!(has("wide_resnet50_2", &["all-doubled"]).is_none(), "it is the same as flops");
    // The fits are ranked and unique, each does fit, and none has a convention that changes nothing.
    let given: Digits = "22.8G".parse().unwrap();
    for (number, fit) in found.fits.iter().enumerate() {
        assert!(given.holds(fit.count) || given.holds_cut_off(fit.count));
        for before in &found.fits[..number] {
            assert!(before.conventions.len() <= fit.conventions.len());
            if before.network == fit.network && before.count == fit.count {
                let within = |d: &&count::conventions::Convention| {
                    fit.conventions.iter().any(|other| other.name == d.name)
                };
                assert!(!before.conventions.iter().all(within), "{fit:?}");
            }
        }
    }
}

#[test]
fn a_number_that_nothing_gives_is_said_to_be_one() {
    let mut said = String::new();
    for number in ["123456789", "123456789 --json", "25", "4.27G"] {
        let output = triform(&format!("diagnose {number}"));
        assert_eq!(output.status.code(), Some(1));
        said += &format!("triform diagnose {number}\n{}", text(&output.stdout));
    }
    insta::assert_snapshot!("nothing_found", said);
    // The nearest takes three conventions. None with one or none is nearer, weighed by their number.
    for network in zoo::with_blocks().unwrap() {
        let conventions = count::conventions::ALL.iter();
        let off = |conventions: &[&_]| {
            let counted = count::conventions::count(&network, conventions, Quantity::Parameters);
            counted.unwrap().abs_diff(123_456_789)
        };
        assert!(off(&[]) > 27_795 * 4);
        let concerned = conventions.filter(|convention| convention.concerns(Quantity::Parameters));
        let allowed = concerned.filter(|convention| {
            count::conventions::count(&network, &[convention], Quantity::Parameters).is_ok()
        });
        assert!(allowed.into_iter().all(|convention| off(&[convention]) * 2 > 27_795 * 4));
    }
}

#[test]
fn the_tables_read_like_this() {
    for (name, arguments) in [
        ("paper", "count"),
        ("networks", "count resnet50 resnext50_32x4d --block 256x32x4"),
        ("stride_on_1x1", "count resnet50 --stride-on 1x1 --size 320"),
        ("layers", "count resnext50_32x4d --layers"),
        ("preserve", "count --block 512x1x128 --preserve"),
        ("convolution", "count --conv 3x128x128x32"),
        ("diagnose", "diagnose 89,599,808"),
        ("diagnose_macs", "diagnose 22.8G --macs"),
        ("known", "diagnose"),
        ("size_320", "count resnet50 --size 320"),
    ] {
        let report = printed(arguments);
        fits_80_columns(&report);
        insta::assert_snapshot!(name, report);
    }
    insta::assert_snapshot!("block_json", printed("count 256x32x4 --json"));
    insta::assert_snapshot!("layers_csv", printed("count resnet18 --size 64x96 --layers --csv"));
    for arguments in ["count all", "count all --layers", "count --features"] {
        fits_80_columns(&printed(arguments));
    }
}

#[test]
fn csv_has_a_row_for_each_and_columns_that_add_up() {
    let rows = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let networks = rows(&printed("count all --csv"));
    assert_eq!(networks.len(), 1 + zoo::names().count() + 5);
    let layers = rows(&printed("count resnext50_32x4d --layers --csv"));
    for table in [&networks, &layers] {
        assert!(table.iter().all(|row| row.len() == table[0].len()));
    }
    let column = |name: &str| layers[0].iter().position(|head| head == name).unwrap();
    let sum = |name: &str| -> u64 {
        layers[1..].iter().map(|row| row[column(name)].parse::<u64>().unwrap()).sum()
    };
    assert_eq!((sum("params"), sum("macs")), (25_028_904, 4_230_479_872));
    // Both files at once, with the table on standard output.
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (as_json, as_csv) = (path("a.json"), path("a.csv"));
    let report = printed(&format!("count resnet50 --json {as_json} --csv {as_csv}"));
    assert!(report.starts_with("parameters"));
    assert!(fs::read_to_string(&as_csv).unwrap().starts_with("arch,height"));
    let read: Value = serde_json::from_str(&fs::read_to_string(&as_json).unwrap()).unwrap();
    assert_eq!(read["networks"][0]["arch"], "resnet50");
}

/// Counts beyond 64 bits are errors wherever they arise, and never a panic.
#[test]
fn counts_beyond_64_bits_are_errors() {
    let mut refused = 0;
    for power in [8, 16, 24, 31, 32, 40, 48, 56, 62, 63] {
        let size = (1usize << power) - 1;
        for name in ["resnet18", "resnext50_32x4d", "256x32x4"] {
            let network = zoo::named(name).unwrap();
            refused += usize::from(count::network(&network, (size, size)).is_err());
            refused += usize::from(count::network(&network, (size, 1)).is_err());
        }
        for (groups, width) in [(size, 1), (1, size), (size, size), (32, size)] {
            let network =
                Architecture::resnet("x", BlockKind::Bottleneck, [1, 1, 1, 1], groups, width);
            let counted = network.and_then(|network| count::network(&network, (7, 7)).map(drop));
            refused += usize::from(counted.is_err());
        }
    }
    assert!(refused > 30, "{refused}");
}

/// Height and width are kept apart if they differ, on an input that is not the network's usual input.
#[test]
fn sizes_that_are_not_square_are_kept_apart() {
    let layer = &json("count resnet18 --size 64x96 --layers --json")["networks"][0]["layers"][0];
    assert_eq!(layer["input"], serde_json::json!([64, 96]));
    assert_eq!(layer["output"], serde_json::json!([32, 48]));
}

/// A mistake whose count exceeds 64 bits is skipped, and the search continues.
#[test]
fn a_huge_network_is_diagnosed_too() {
    let network = "resnext50_1000000x64d";
    let plain = json(&format!("count {network} --json"))["networks"][0]["params"].as_u64().unwrap();
    let found = json(&format!("diagnose {plain} --arch {network} --json"));
    assert_eq!(found["fits"][0]["conventions"], Value::Array(vec![]));
}
