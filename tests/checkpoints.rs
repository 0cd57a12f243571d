//! Checkpoints of every format: one block as torchvision wrote it, and all that can be wrong with a file.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use half::{bf16, f16};
use ndarray::Array4;
use tempfile::{TempDir, tempdir};
use triform::block::{BlockSpec, Bottleneck, Form, StrideOn};
use triform::conv::Fast;
use triform::network::architecture::Architecture;
use triform::network::checkpoint::npz::Npz;
use triform::network::checkpoint::safetensors::Safetensors;
use triform::network::checkpoint::{self, Checkpoint, Dtype};
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::load::load;
use triform::network::weights::NetworkWeights;
use triform::{Error, Result};

#[path = "common/arrays.rs"]
mod arrays;
#[path = "common/pickles.rs"]
#[allow(dead_code)]
mod pickles;
#[path = "common/writers.rs"]
mod writers;
#[path = "common/zip.rs"]
mod zip;

use arrays::{npy, npy_header, safetensors};
use writers::{Tensor, bytes, deflate, header_and_numbers, in_each_format, of_numpy, pickled};
use zip::{Zip, ZipEntry};

/// The block that make.py wrote, in each format.
const FORMATS: [&str; 5] = ["_new.pth", "_old.pth", ".safetensors", ".npz", "_deflated.npz"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name)
}

/// Three paths of width 2, stride 2, with a projection.
fn block() -> Architecture {
    let spec = BlockSpec::new(12, 3, 2, 16).unwrap();
    Architecture::single(&spec.with_stride(2, StrideOn::Transform).unwrap())
}

fn read(path: &Path) -> Result<NetworkWeights> {
    load(&block(), &mut *checkpoint::open(path)?, path)
}

/// What the block makes of an image, in form (c).
fn output(weights: &NetworkWeights, x: &Array4<f32>) -> Array4<f32> {
    let fast = Fast::new();
    let prepare = |weights: &_, fast: &_| Bottleneck::prepare(&Form::Grouped, weights, fast);
    let network = Network::<f32, Fast>::prepare(&prepare, weights, |x| *x, &fast).unwrap();
    let functions = NetworkFunctions::new(weights).unwrap();
    network.features(x.view(), &functions, &fast, &mut |_, _| {}).unwrap()
}

fn tensors(weights: &NetworkWeights) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    let mut keep = |name: &str, shape: &[usize], numbers: &[f32]| {
        tensors.push((name.to_owned(), shape.to_vec(), numbers.to_vec()));
        Ok(())
    };
    weights.visit(&mut keep).unwrap();
    tensors
}

#[test]
fn every_format_gives_the_same_block_to_the_bit() {
    let mut given = checkpoint::open(&file("output.npz")).unwrap();
    assert_eq!(given.entries()[0].shape, [2, 12, 5, 6]);
    let x = Array4::from_shape_vec((2, 12, 5, 6), given.read(0).unwrap()).unwrap();
    let expected = given.read(1).unwrap();
    let weights = FORMATS.map(|format| read(&file(&format!("block_f32{format}"))).unwrap());
    let outputs = weights.each_ref().map(|weights| output(weights, &x));
    for (weights, output) in weights.iter().zip(&outputs) {
        assert_eq!(tensors(weights), tensors(&weights_of("f32", ".npz")));
        let bits = |y: &Array4<f32>| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(output), bits(&outputs[0]));
    }
    // And it is torchvision's block.
    let largest = expected.iter().fold(0.0, |most: f32, y| most.max(y.abs()));
    assert_eq!(expected.len(), outputs[0].len());
    for (found, expected) in outputs[0].iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-6 * largest, "{found} {expected}");
    }
}

fn weights_of(kind: &str, format: &str) -> NetworkWeights {
    read(&file(&format!("block_{kind}{format}"))).unwrap()
}

#[test]
fn halves_are_read_as_what_was_rounded() {
    let whole = tensors(&weights_of("f32", "_new.pth"));
    type Round = fn(f32) -> f32;
    let kinds: [(&str, &[&str], Round); 2] = [
        ("f16", &FORMATS, |x| f16::from_f32(x).to_f32()),
        ("bf16", &FORMATS[..3], |x| bf16::from_f32(x).to_f32()),
    ];
    for (kind, formats, round) in kinds {
        for format in formats {
            let mut changed = 0;
            for (half, whole) in tensors(&weights_of(kind, format)).iter().zip(&whole) {
                assert_eq!((&half.0, &half.1), (&whole.0, &whole.1));
                let rounded: Vec<f32> = whole.2.iter().copied().map(round).collect();
                assert_eq!(half.2, rounded, "{kind}{format} {}", half.0);
                changed +=
                    rounded.iter().zip(&whole.2).filter(|(half, whole)| half != whole).count();
            }
            assert!(changed > 500, "{kind}{format}: {changed}");
        }
    }
}

/// What make.py's `arrays` writes; its numbers are counted in eighths.
#[test]
fn every_kind_of_array_is_read() {
    let kinds: [(&str, &[usize], Dtype, Option<usize>); 12] = [
        ("little", &[2, 3, 2, 2], Dtype::F32, Some(0)),
        ("big", &[2, 3], Dtype::F32, Some(24)),
        ("half.little", &[3, 5], Dtype::F16, Some(30)),
        ("half.big", &[4], Dtype::F16, Some(45)),
        ("columns", &[2, 3, 4], Dtype::F32, Some(49)),
        ("half.columns", &[3, 2], Dtype::F16, Some(73)),
        ("scalar", &[], Dtype::F32, Some(12)),
        ("empty", &[0, 4], Dtype::F32, Some(0)),
        ("double", &[2], Dtype::Other("<f8".into()), None),
        ("bn.num_batches_tracked", &[], Dtype::Other("<i8".into()), None),
        ("flag", &[1], Dtype::Other("|b1".into()), None),
        ("name", &[], Dtype::Other("<U7".into()), None),
    ];
    for name in ["arrays.npz", "arrays_deflated.npz"] {
        let mut file = checkpoint::open(&file(name)).unwrap();
        assert_eq!(file.entries().len(), kinds.len());
        // From the last to the first: no read depends on the one before.
        for (i, (name, shape, dtype, first)) in kinds.iter().enumerate().rev() {
            let entry = file.entries()[i].clone();
            assert_eq!((&*entry.name, &*entry.shape, &entry.dtype), (*name, *shape, dtype));
            let numbers = file.read(i).map_err(|error| error.to_string());
            match first {
                Some(first) => {
                    let count = shape.iter().product::<usize>();
                    let counted = (*first..first + count).map(|i| i as f32 / 8.0);
                    assert_eq!(numbers, Ok(counted.collect()), "{name}");
                }
                None => assert!(numbers.unwrap_err().contains(&format!("tensor `{name}`: its"))),
            }
        }
        let error = file.read(kinds.len()).unwrap_err().to_string();
        assert!(error.contains("tensor 12"), "{error}");
    }
}

/// Where files are written to be refused.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Asserts that the bytes, as a file of this name, are no weights of the block, in one line that
    /// holds all of these words.
    #[track_caller]
    fn refuse(&self, name: &str, bytes: &[u8], words: &[&str]) {
        let error = read(&self.write(name, bytes)).expect_err("it is not refused");
        assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
        let says = error.to_string();
        assert!(says.starts_with("checkpoint ") && says.contains(name), "{says}");
        assert!(!says.contains(char::is_control), "{says:?}");
        for word in words {
            assert!(says.contains(word), "{name}: {says:?} does not say {word:?}");
        }
        // And so says the program.
        let x = self.write("x.npy", &npy(&npy_header("<f4", "(1, 12, 2, 2)"), &[0; 192]));
        let output = Command::new(env!("CARGO_BIN_EXE_triform"))
            .args(["forward", "--arch", "12-3x2-16", "--weights"])
            .arg(self.0.path().join(name))
            .arg("--input")
            .arg(x)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {says}");
        assert!(output.stdout.is_empty(), "{name}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("error: {says}\n"));
    }
}

#[test]
fn weights_that_are_not_the_blocks_are_named_in_every_format() {
    let files = Files::new();
    let right = tensors(&weights_of("f32", ".npz"));
    for (name, bytes) in in_each_format(&right) {
        let read = read(&files.write(name, &bytes)).unwrap();
        assert_eq!(tensors(&read), right, "{name}");
    }
    let place = |name: &str| right.iter().position(|tensor| tensor.0 == name).unwrap();
    let set = |name: &str, element: usize, number: f32| {
        let mut wrong = right.clone();
        wrong[place(name)].2[element] = number;
        wrong
    };
    let mut missing = right.clone();
    missing.retain(|(name, ..)| !name.starts_with("bn"));
    let mut surplus = right.clone();
    for i in 0..9 {
        surplus.push((format!("fc{i}.weight"), vec![2], vec![0.0; 2]));
    }
    surplus.push(("a\n\x1b[2J".to_owned(), vec![1], vec![0.0]));
    let mut misshapen = right.clone();
    misshapen[place("conv2.weight")].1 = vec![6, 3, 3, 2];
    let others = vec![("embedding".to_owned(), vec![1], vec![0.0])];

    let all = |layers: &[&str]| -> Vec<String> {
        let parts = ["weight", "bias", "running_mean", "running_var"];
        layers.iter().flat_map(|bn| parts.map(|part| format!("{bn}.{part}"))).collect()
    };
    let missing_names = all(&["bn1", "bn2", "bn3"]).join(", ");
    let surplus_names: Vec<String> = (0..9).map(|i| format!("fc{i}.weight")).collect();
    let surplus_names = format!("surplus: a\\n\\u{{1b}}[2J, {}", surplus_names.join(", "));
    let cases: [(Vec<Tensor>, &[&str]); 9] = [
        (missing, &["missing: ", &missing_names]),
        (surplus, &[&surplus_names]),
        (misshapen, &["of another shape: conv2.weight [6, 3, 3, 2] instead of [6, 2, 3, 3]"]),
        (others, &["none of its 1 tensors (embedding)", "wanted (conv1.weight, bn1.weight,"]),
        (set("conv2.weight", 3 * 18 + 9 + 5, f32::NAN), &["conv2.weight[3, 1, 1, 2] is NaN"]),
        (set("bn1.bias", 4, f32::INFINITY), &["bn1.bias[4] is inf, not a finite number"]),
        (
            set("downsample.0.weight", 0, f32::NEG_INFINITY),
            &["downsample.0.weight[0, 0, 0, 0] is -inf"],
        ),
        (set("bn3.running_var", 5, -0.5), &["bn3.running_var[5] is -0.5, no variance"]),
        (vec![], &["none of its 0 tensors is one of the 20"]),
    ];
    for (tensors, words) in &cases {
        for (name, bytes) in in_each_format(tensors) {
            files.refuse(name, &bytes, words);
        }
    }
}

#[test]
fn a_broken_safetensors_file_is_refused_by_name() {
    let files = Files::new();
    let (header, numbers) = header_and_numbers(&tensors(&weights_of("f32", ".npz")));
    let whole = safetensors(header.as_bytes(), &numbers);
    let last = "tensor `downsample.1.running_var`";
    files.refuse("a.safetensors", b"", &["0 bytes are too few"]);
    files.refuse("a.safetensors", &whole[..whole.len() - 1], &[last, "2575 bytes"]);
    files.refuse("a.safetensors", &[&whole[..], &[0]].concat(), &["1 bytes follow"]);
    files.refuse("a.safetensors", &whole[..100], &["header would have", "the file's 100"]);
    let long = [&100_000_001u64.to_le_bytes()[..], &whole].concat();
    files.refuse("a.safetensors", &long, &["header would have 100000001 bytes"]);

    // The first tensor, bn1.weight after it.
    let first = r#""dtype":"F32","shape":[6, 12, 1, 1],"data_offsets":[0,288]"#;
    let second = r#""dtype":"F32","shape":[6],"data_offsets":[288,312]"#;
    assert!(header.contains(first) && header.contains(second));
    let cases: [(&str, &str, &[&str]); 13] = [
        (
            first,
            &first.replace("288", "284"),
            &["tensor `conv1.weight`", "does not have 284 bytes"],
        ),
        (first, &first.replace("288", "292"), &["tensor `conv1.weight`", "292 bytes"]),
        (second, &second.replace("288", "284"), &["tensor `bn1.weight`", "284..312", "288"]),
        (second, &second.replace("288", "292"), &["tensor `bn1.weight`", "292..312", "288"]),
        (second, &second.replace("312", "280"), &["tensor `bn1.weight`", "288..280"]),
        (second, &second.replace("312", "99999999"), &["tensor `bn1.weight`", "99999999"]),
        (second, &second.replace("[6]", "[4294967296, 4294967296]"), &["tensor `bn1.weight`"]),
        (second, &second.replace("[6]", "[-6]"), &["tensor `bn1.weight`", "-6"]),
        (second, &second.replace("F32", "F31"), &["tensor `bn1.weight`", "F31"]),
        (second, &second.replace("F32", "I32"), &["tensor `bn1.weight`", "numbers are i32"]),
        (second, &second.replace("6]", "6]]"), &["header is not one"]),
        ("bn1.bias", "bn1.weight", &["tensor `bn1.weight`: it is there twice"]),
        ("bn1.bias", r"bn1.\u001b\n", &["surplus: bn1.\\u{1b}\\n"]),
    ];
    for (part, wrong, words) in cases {
        let header = header.replacen(part, wrong, 1);
        files.refuse("a.safetensors", &safetensors(header.as_bytes(), &numbers), words);
    }
}

#[test]
fn a_broken_npz_file_is_refused_by_name() {
    let files = Files::new();
    let right = tensors(&weights_of("f32", ".npz"));
    let whole = of_numpy(&right).bytes();
    files.refuse("a.npz", b"", &["zip archive is broken, or it ends too early"]);
    files.refuse("a.npz", &whole[..whole.len() - 1], &["ends too early"]);
    files.refuse("a.npz", &[&whole[..], &[0]].concat(), &["zip archive is broken"]);

    // What is wrong is bn1.weight, the second.
    let member = "its entry `bn1.weight.npy`";
    type Change = fn(&mut Vec<ZipEntry>);
    let cases: [(Change, &[&str]); 14] = [
        (|all| all[2].name = "bn1.weight.npy".into(), &[member, "is there twice"]),
        (|all| all[1].name = "../bn1.weight.npy".into(), &["`../bn1.weight.npy` has a path"]),
        (|all| all[1].name = "/bn1.weight.npy".into(), &["`/bn1.weight.npy` has a path"]),
        (|all| all[1].name = "a\\..\\b.npy".into(), &["has a path for a name"]),
        (|all| all[1].name = "bn1.weight".into(), &["`bn1.weight` is no .npy file"]),
        (|all| all[1].flags = 1, &[member, "is encrypted"]),
        (|all| all[1].method = 12, &[member, "compressed by method 12"]),
        (|all| all[1].header = Some(1 << 30), &[member, "lies outside"]),
        (|all| all[1].header = Some(0), &["lies over another"]),
        (|all| all[1].header = Some(1), &[member, "does not begin where"]),
        (|all| all[1].size = Some(1 << 30), &[member, "lies outside"]),
        (|all| all[1].inflated = Some((7, 0)), &[member, "of two sizes"]),
        (|all| (all[1].method, all[1].inflated) = (8, Some((1 << 30, 0))), &[member, "cannot be"]),
        (|all| all[1].inflated = Some((92, 0)), &["tensor `bn1.weight`", "have its checksum"]),
    ];
    for (change, words) in cases {
        let mut zip = of_numpy(&right);
        assert_eq!((&*zip.entries[1].name, zip.entries[1].data.len()), ("bn1.weight.npy", 92));
        change(&mut zip.entries);
        files.refuse("a.npz", &zip.bytes(), words);
    }
}

#[test]
fn a_broken_array_is_refused_by_name() {
    let files = Files::new();
    let right = tensors(&weights_of("f32", ".npz"));
    let data = bytes(&right[1].2);
    let array = |descr: &str, shape: &str| npy(&npy_header(descr, shape), &data);
    let good = array("<f4", "(6,)");
    let patched = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let more = |bytes: &[u8]| [bytes, &[0]].concat();
    let cases: [(Vec<u8>, &str); 17] = [
        (vec![], "ends too early"),
        (good[..9].to_vec(), "ends too early"),
        (good[..50].to_vec(), "ends too early, in its header"),
        (good[..good.len() - 1].to_vec(), "23 bytes are there"),
        (more(&good), "25 bytes are there"),
        (patched(0, b'P'), "no .npy file"),
        (patched(6, 9), "version is 9.0"),
        (patched(9, 0xff), "at most 10000"),
        (patched(10, b'('), "its header is not one: `('descr'"),
        (npy(&npy_header("<f8", "(6,)"), &data.repeat(2)), "its numbers are <f8"),
        (array("<i4", "(6,)"), "its numbers are <i4"),
        (array("|O", "(6,)"), "its numbers are |O"),
        (array("<q4", "(6,)"), "its dtype `<q4` is none"),
        (array("float32", "(6,)"), "its dtype `float32` is none"),
        (array("<f4", "(-6,)"), "its header is not one"),
        (array("<f4", "(4294967296, 4294967296)"), "than can be counted"),
        (array("<f4", "(4611686018427387904,)"), "24 bytes are there"),
    ];
    for (wrong, word) in &cases {
        for deflated in [false, true] {
            let mut zip = of_numpy(&right);
            zip.entries[1].data = wrong.clone();
            if deflated {
                deflate(&mut zip.entries[1]);
            }
            files.refuse("a.npz", &zip.bytes(), &["tensor `bn1.weight`", word]);
        }
    }
    // Sizes beside a 0 may be any.
    let mut zip = Zip::default();
    let header = npy_header("<f4", "(4611686018427387904, 0, 8)").replace("False", "True");
    zip.add("empty.npy", &npy(&header, b""));
    let path = files.write("empty.npz", &zip.bytes());
    assert_eq!(checkpoint::open(&path).unwrap().read(0).unwrap(), [0.0; 0]);
    // The directory agrees with the header, what is inflated does not.
    let mut shorter = good.clone();
    shorter.truncate(good.len() - 4);
    let zeros = [&good[..], &[0; 100_000]].concat();
    for (inside, word) in [(shorter, "ends too early"), (zeros, "more bytes follow its numbers")] {
        let mut zip = of_numpy(&right);
        zip.entries[1].data = inside;
        deflate(&mut zip.entries[1]);
        zip.entries[1].inflated = Some((good.len() as u32, 0));
        files.refuse("a.npz", &zip.bytes(), &["tensor `bn1.weight`", word]);
    }
    let mut zip = of_numpy(&right);
    // A block of the kind that there is not.
    (zip.entries[1].method, zip.entries[1].data) = (8, vec![7; 92]);
    files.refuse("a.npz", &zip.bytes(), &["tensor `bn1.weight`", "deflate"]);
}

#[test]
fn what_torch_save_would_not_write_is_refused_by_name() {
    let files = Files::new();
    let right = tensors(&weights_of("f32", ".npz"));
    let (pickle, storages) = pickled(&right);
    let refs = |from: usize| -> Vec<(&str, &[u8])> {
        storages[from..].iter().map(|(key, data)| (&**key, &**data)).collect()
    };
    let run = [b"\x80\x02cos\nsystem\n", &pickles::text("true")[..], b"\x85R."].concat();
    files.refuse("a.pth", &pickles::archive(&run, &[]), &["`os.system`", "nothing was run"]);
    files.refuse("a.pt", &pickles::legacy(&run, &[]), &["`os.system`", "nothing was run"]);
    let whole = pickles::archive(&pickle, &refs(0));
    files.refuse("a.pth", &whole[..whole.len() - 1], &["ends too early"]);
    files.refuse("a.bin", b"<html>", &["neither format of torch.save"]);
    files.refuse("a.bin", b"", &["neither format of torch.save"]);
    files.refuse(
        "a.pth",
        &pickles::archive(&pickle, &refs(1)),
        &["tensor `conv1.weight`", "\"0\""],
    );
    let class = |class: &str| {
        let text = String::from_utf8_lossy(&pickle).into_owned();
        assert!(text.contains("FloatStorage"));
        let at = pickle.windows(12).position(|part| part == b"FloatStorage").unwrap();
        [&pickle[..at], class.as_bytes(), &pickle[at + 12..]].concat()
    };
    let wrong = pickles::archive(&class("IntStorage"), &refs(0));
    files.refuse("a.pth", &wrong, &["tensor `conv1.weight`", "its numbers are int32"]);
}

#[test]
fn a_name_that_ends_otherwise_is_refused() {
    let files = Files::new();
    let right = tensors(&weights_of("f32", ".npz"));
    let in_each_format = in_each_format(&right);
    let of = |name: &str| &in_each_format.iter().find(|(known, _)| *known == name).unwrap().1[..];
    for (name, content) in [
        ("A.SAFETENSORS", "a.safetensors"),
        ("a.NpZ", "a.npz"),
        ("a.PTH", "new.pth"),
        ("a.pt", "new.pth"),
        ("pytorch_model.bin", "old.pth"),
    ] {
        assert!(read(&files.write(name, of(content))).is_ok(), "{name}");
    }
    let known = ["none of .safetensors, .npz, .pth, .pt, .bin"];
    for name in ["weights", "weights.h5", "npz", ".npz", "a.npz.gz", "a.onnx"] {
        files.refuse(name, of("a.npz"), &known);
    }
    let array = npy(&npy_header("<f4", "(1,)"), &[0; 4]);
    let cases: [(&str, &[u8], &str); 9] = [
        ("zip.safetensors", of("a.npz"), "it is a zip archive"),
        ("old.safetensors", of("old.pth"), "it is what torch.save wrote"),
        ("header.npz", of("a.safetensors"), "it is a .safetensors file"),
        ("old.npz", of("old.pth"), "it is what torch.save wrote"),
        ("array.npz", &array, "it is a single array, a .npy file"),
        ("header.pth", of("a.safetensors"), "it is a .safetensors file"),
        ("h5.pth", b"\x89HDF\r\n\x1a\n0123456789", "it is an HDF5 file"),
        ("new.npz", of("new.pth"), "`a/data.pkl` is no .npy file"),
        ("npz.pth", of("a.npz"), "torch.save did not write this"),
    ];
    for (name, bytes, word) in cases {
        files.refuse(name, bytes, &[word]);
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let files = Files::new();
    let path = |name: &str| files.0.path().join(name);
    fs::create_dir(path("folder.npz")).unwrap();
    let made = Command::new("mkfifo").arg(path("pipe.pth")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    for (name, found) in [("folder.npz", "a directory"), ("pipe.pth", "a pipe or a device")] {
        let error = checkpoint::open(&path(name)).err().unwrap();
        assert!(matches!(error, Error::NotAFile { found: is, .. } if is == found), "{error}");
    }
    let error = checkpoint::open(&path("none.npz")).err().unwrap();
    assert!(matches!(error, Error::Io { action: "read", .. }), "{error}");
}

/// How many tensors a file holds; all are read, but for those of numbers that f32 does not hold.
fn count(name: &str, bytes: &[u8]) -> Result<usize> {
    let (reader, path) = (Cursor::new(bytes), Path::new(name));
    let mut file: Box<dyn Checkpoint> = match name.ends_with(".npz") {
        true => Box::new(Npz::new(reader, path)?),
        false => Box::new(Safetensors::new(reader, path)?),
    };
    for index in 0..file.entries().len() {
        if !matches!(file.entries()[index].dtype, Dtype::Other(_)) {
            file.read(index)?;
        }
    }
    Ok(file.entries().len())
}

/// What is cut off is refused wherever it was cut; and no byte, whatever becomes of it, makes a panic.
#[test]
fn a_file_that_was_cut_or_changed_is_no_panic() {
    for name in ["arrays.npz", "arrays_deflated.npz", "block_f16.safetensors"] {
        let mut bytes = fs::read(file(name)).unwrap();
        assert!(count(name, &bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(count(name, &bytes[..length]).is_err(), "{name}, {length} bytes");
        }
        let mut refused = 0;
        for i in 0..bytes.len() {
            bytes[i] ^= 0x20;
            refused += usize::from(count(name, &bytes).is_err());
            bytes[i] ^= 0x20;
        }
        assert!(refused > bytes.len() / 4, "{name}: {refused} of {}", bytes.len());
    }
}
