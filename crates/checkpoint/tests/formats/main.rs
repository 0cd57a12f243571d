//! Files of every format: such as PyTorch, numpy and the crate itself write, and all that can be wrong
//! with one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use half::{bf16, f16};
use tempfile::{TempDir, tempdir};
use triform_checkpoint::{Checkpoint, Dtype, Error, Format, Npy, Result, write};

mod kit;
mod pth;

use kit::arrays::{npy, npy_header, safetensors};
use kit::writers::{Tensor, bytes, deflate, header_and_numbers, in_each_format, of_numpy, pickled};
use kit::zip::{Zip, ZipEntry};
use kit::{inputs, pickles, reading};

/// The block that make.py wrote, in each format.
const FORMATS: [&str; 5] = ["_new.pth", "_old.pth", ".safetensors", ".npz", "_deflated.npz"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name)
}

/// All tensors of a file but the counters of batches, which are integers.
fn read(path: &Path) -> Result<Vec<Tensor>> {
    let mut file = Checkpoint::open(path)?;
    let entries = file.entries().to_vec().into_iter().enumerate();
    entries
        .filter(|(_, entry)| !entry.name.ends_with("num_batches_tracked"))
        .map(|(index, entry)| Ok((entry.name, entry.shape, file.read(index)?)))
        .collect()
}

/// The block in float32.
fn block() -> Vec<Tensor> {
    read(&file("block_f32.npz")).unwrap()
}

/// By their names.
fn sorted(tensors: Vec<Tensor>) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    tensors.into_iter().map(|(name, shape, numbers)| (name, (shape, numbers))).collect()
}

/// Every format gives the same tensors; 16 bits are read as what was rounded.
#[test]
fn every_format_and_kind_of_float_gives_the_same_tensors() {
    let whole = sorted(block());
    type Round = fn(f32) -> f32;
    let kinds: [(&str, &[&str], Round); 3] = [
        ("f32", &FORMATS, |x| x),
        ("f16", &FORMATS, |x| f16::from_f32(x).to_f32()),
        ("bf16", &FORMATS[..3], |x| bf16::from_f32(x).to_f32()),
    ];
    for (kind, formats, round) in kinds {
        for format in formats {
            let found = sorted(read(&file(&format!("block_{kind}{format}"))).unwrap());
            assert_eq!(found.len(), whole.len());
            let mut changed = 0;
            for ((name, half), (whole_name, whole)) in found.iter().zip(&whole) {
                assert_eq!((name, &half.0), (whole_name, &whole.0));
                let rounded: Vec<f32> = whole.1.iter().copied().map(round).collect();
                assert_eq!(half.1, rounded, "{kind}{format} {name}");
                changed += rounded.iter().zip(&whole.1).filter(|(half, x)| half != x).count();
            }
            assert_eq!(changed > 500, kind != "f32", "{kind}{format}: {changed}");
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
        let mut file = Checkpoint::open(&file(name)).unwrap();
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

    /// Asserts that the bytes, as a file of this name, are refused in one line that holds all of these
    /// words.
    #[track_caller]
    fn refuse(&self, name: &str, bytes: &[u8], words: &[&str]) {
        let error = read(&self.write(name, bytes)).map(|_| ()).expect_err("it is not refused");
        assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
        let says = error.to_string();
        assert!(says.starts_with("checkpoint ") && says.contains(name), "{says}");
        assert!(!says.contains(char::is_control), "{says:?}");
        for word in words {
            assert!(says.contains(word), "{name}: {says:?} does not say {word:?}");
        }
    }
}

#[test]
fn a_broken_safetensors_file_is_refused_by_name() {
    let files = Files::new();
    let (header, numbers) = header_and_numbers(&block());
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
        (
            r#"bn1.bias":{"dtype":"F32""#,
            r#"bn1.\u001b\n":{"dtype":"I32""#,
            &["tensor `bn1.\\u{1b}\\n`: its numbers are i32"],
        ),
    ];
    for (part, wrong, words) in cases {
        let header = header.replacen(part, wrong, 1);
        files.refuse("a.safetensors", &safetensors(header.as_bytes(), &numbers), words);
    }
}

#[test]
fn a_broken_npz_file_is_refused_by_name() {
    let files = Files::new();
    let right = block();
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
    let right = block();
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
    assert_eq!(Checkpoint::open(&path).unwrap().read(0).unwrap(), [0.0; 0]);
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
    let right = block();
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
    let right = block();
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
        let error = Checkpoint::open(&path(name)).err().unwrap();
        assert!(matches!(error, Error::NotAFile { found: is, .. } if is == found), "{error}");
    }
    let error = Checkpoint::open(&path("none.npz")).err().unwrap();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

/// How many tensors a file holds; all are read, but for those of numbers that f32 does not hold.
fn count(name: &str, bytes: &[u8]) -> Result<usize> {
    let path = Path::new(name);
    let mut file = Checkpoint::new(Cursor::new(bytes), Format::of(path)?, path)?;
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

/// A single array; what is wrong with one is said of the same header in an archive.
#[test]
fn an_array_by_itself_is_read() {
    let files = Files::new();
    let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    for (columns_first, expected) in [(false, numbers), (true, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0])] {
        let mut header = npy_header("<f4", "(2, 3)");
        if columns_first {
            header = header.replace("False", "True");
        }
        let path = files.write("x.npy", &npy(&header, &bytes(&numbers)));
        let mut array = Npy::open(&path).unwrap();
        assert_eq!((array.shape(), array.dtype()), (&[2, 3][..], &Dtype::F32));
        // Also a second time.
        assert_eq!([array.read().unwrap(), array.read().unwrap()], [expected, expected]);
    }
    let path = files.write("x.npy", &npy(&npy_header("<f4", "(2, 3)"), &bytes(&numbers[1..])));
    let error = Npy::open(&path).unwrap_err();
    assert!(matches!(error, Error::Array { .. }), "{error:?}");
    assert!(error.to_string().ends_with("shape [2, 3] of 4 bytes each, and 20 bytes are there"));
    let path = files.write("x.npy", &npy(&npy_header("<i4", "(6,)"), &bytes(&numbers)));
    let error = Npy::open(&path).unwrap().read().unwrap_err().to_string();
    assert!(error.contains("as a .npy array: its numbers are <i4"), "{error}");
    assert!(matches!(Npy::open(files.0.path()), Err(Error::NotAFile { .. })));
}

#[test]
fn what_is_written_is_read() {
    let files = Files::new();
    let tensors = block();
    let written: Vec<write::Tensor> = tensors
        .iter()
        .map(|(name, shape, numbers)| write::Tensor::f32(name, shape, numbers))
        .chain([
            write::Tensor::i64("steps", &[1, 2], &[7, -7]),
            write::Tensor::f32("x", &[], &[3.0]),
        ])
        .collect();
    let of = [("a.npz", write::npz(&written)), ("a.safetensors", write::safetensors(&written))];
    for (name, bytes) in of {
        let mut file = Checkpoint::open(&files.write(name, &bytes.unwrap())).unwrap();
        assert_eq!(file.entries().len(), written.len());
        for (index, entry) in file.entries().to_vec().into_iter().enumerate() {
            let known = tensors.iter().find(|(name, ..)| *name == entry.name);
            match (known, &*entry.name) {
                (Some((_, shape, numbers)), _) => {
                    assert_eq!((&entry.shape, &file.read(index).unwrap()), (shape, numbers));
                }
                (None, "x") => assert_eq!(file.read(index).unwrap(), [3.0]),
                (None, _) => assert!(matches!(entry.dtype, Dtype::Other(_)), "{entry:?}"),
            }
        }
    }
    let mut npy = Npy::open(&files.write("x.npy", &write::npy(&written[0]).unwrap())).unwrap();
    assert_eq!(npy.shape(), tensors[0].1);
    assert_eq!(npy.read().unwrap(), tensors[0].2);
}

/// Byte by byte: a header of a multiple of 64 bytes, spaces before the numbers of a multiple of 8.
#[test]
fn files_are_written_as_their_formats_say() {
    let tensor = write::Tensor::f32("w", &[2], &[1.0, -2.0]);
    let steps = write::Tensor::i64("z", &[], &[5]);
    let npy = write::npy(&tensor).unwrap();
    let (head, numbers) = npy.split_at(128);
    assert_eq!(&head[..10], b"\x93NUMPY\x01\0\x76\0");
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
    assert_eq!(std::str::from_utf8(&head[10..]).unwrap(), format!("{text:<117}\n"));
    assert_eq!(numbers, bytes(&[1.0, -2.0]));

    let header = r#"{"z":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#;
    let header = format!("{header:<112}");
    let expected = [&112u64.to_le_bytes()[..], header.as_bytes(), &5i64.to_le_bytes(), numbers];
    assert_eq!(write::safetensors(&[tensor, steps]).unwrap(), expected.concat());
}

#[test]
fn tensors_that_no_file_holds_are_not_written() {
    let good = || write::Tensor::f32("w", &[2], &[1.0, -2.0]);
    let long = "w".repeat(65_532);
    let cases = [
        (vec![write::Tensor::f32("w", &[3], &[1.0])], "shape [3], and 1 numbers"),
        (vec![good(), good()], "it is there twice"),
        (vec![write::Tensor::f32("w", &[1; 65], &[1.0])], "65 axes; at most 64 fit"),
        (vec![write::Tensor::f32(&long, &[1], &[1.0])], "65532 bytes; at most 65531 fit"),
    ];
    for (tensors, words) in cases {
        for written in [write::npz(&tensors), write::safetensors(&tensors)] {
            let error = written.unwrap_err();
            assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

/// How many kept inputs of a fuzz target there are, and how many of them have tensors that are read.
fn corpus(target: &str, read: impl Fn(&[u8]) -> usize) -> (usize, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let read: Vec<usize> = inputs.map(|bytes| read(&bytes)).collect();
    (read.len(), read.iter().filter(|tensors| **tensors > 0).count())
}

/// What fuzzing found worth keeping (`fuzz/README.md`): none makes a panic, and some are still read.
#[test]
fn the_fuzzing_corpora_run_clean() {
    let (inputs, read) = corpus("pth", |bytes| {
        let files = inputs::pth(bytes);
        files.iter().map(|bytes| reading::read_all(bytes, Format::Pth, bytes.len() / 2)).sum()
    });
    assert!(inputs > 100 && read >= 3, "pth: {inputs} inputs, {read} of them with tensors");
    let (inputs, read) = corpus("npz", |bytes| {
        let bytes = inputs::npz(bytes);
        reading::read_all(&bytes, Format::Npz, 516 * bytes.len())
    });
    assert!(inputs > 100 && read > 20, "npz: {inputs} inputs, {read} of them with tensors");
    let (inputs, read) = corpus("safetensors", |bytes| {
        let bytes = inputs::safetensors(bytes);
        reading::read_all(&bytes, Format::Safetensors, bytes.len() / 2)
    });
    assert!(inputs > 100 && read > 20, "safetensors: {inputs} inputs, {read} of them with tensors");
}
