//! Files of every format, as PyTorch, numpy and the crate itself write them, and everything that
//! can be wrong with such a file.

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

use kit::{AT, FLAGS, METHOD, PACKED, SIZE, Tensor, bytes, edit, npy, npy_header, set};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name)
}

/// All tensors of a file except the batch counters, which are integers.
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

/// Writes bytes to a file of this name. Dropping the second value deletes the file.
fn written(name: &str, bytes: &[u8]) -> (PathBuf, TempDir) {
    let folder = tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (path, folder)
}

/// Asserts that reading these bytes as a file of this name fails. The error must be one line that matches `words`, in
/// which `*` stands for any text.
#[track_caller]
fn refuse(name: &str, bytes: &[u8], words: &str) {
    let (path, _folder) = written(name, bytes);
    let error = read(&path).map(|_| ()).expect_err(words);
    assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
    let says = error.to_string();
    assert!(says.starts_with("checkpoint ") && says.contains(name), "{says}");
    assert!(!says.contains(char::is_control), "{says:?}");
    let mut rest = &says[..];
    for part in words.split('*') {
        let behind = rest.split_once(part).map(|(_, behind)| behind);
        rest = behind.unwrap_or_else(|| panic!("{name}: {says:?} does not say {words:?}"));
    }
}

#[track_caller]
fn refuse_each<const N: usize>(name: &str, cases: [(Vec<u8>, &str); N]) {
    cases.iter().for_each(|(bytes, words)| refuse(name, bytes, words));
}

/// Every format gives the same tensors. 16-bit floats are read exactly as they were rounded when the file was
/// written.
#[test]
fn every_format_and_kind_of_float_gives_the_same_tensors() {
    let formats = ["_new.pth", "_old.pth", ".safetensors", ".npz", "_deflated.npz"];
    // By their names.
    let sorted = |tensors: Vec<Tensor>| -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
        tensors.into_iter().map(|(name, shape, numbers)| (name, (shape, numbers))).collect()
    };
    let whole = sorted(block());
    type Round = fn(f32) -> f32;
    let kinds: [(&str, &[&str], Round); 3] = [
        ("f32", &formats, |x| x),
        ("f16", &formats, |x| f16::from_f32(x).to_f32()),
        ("bf16", &formats[..3], |x| bf16::from_f32(x).to_f32()),
    ];
    for (kind, formats, round) in kinds {
        for format in formats {
            let found = sorted(read(&file(&format!("block_{kind}{format}"))).unwrap());
            let rounded = |numbers: &[f32]| numbers.iter().copied().map(round).collect();
            let expected: BTreeMap<String, (Vec<usize>, Vec<f32>)> = whole
                .iter()
                .map(|(name, (shape, numbers))| (name.clone(), (shape.clone(), rounded(numbers))))
                .collect();
            assert_eq!(found, expected, "{kind}{format}");
            assert_eq!(expected == whole, kind == "f32");
        }
    }
}

/// A tensor that make.py wrote: its name, shape and kind, and its numbers in eighths if they can be read.
type Expected<'a> = (&'a str, &'a [usize], Dtype, Option<Vec<u8>>);

/// Asserts that a file holds these tensors, and that those without numbers are refused.
#[track_caller]
fn holds(name: &str, expected: &[Expected<'_>]) {
    let mut file = Checkpoint::open(&file(name)).unwrap();
    assert_eq!(file.entries().len(), expected.len());
    // From the last to the first: no read depends on the one before.
    for (i, (name, shape, dtype, numbers)) in expected.iter().enumerate().rev() {
        let entry = file.entries()[i].clone();
        assert_eq!((&*entry.name, &*entry.shape, &entry.dtype), (*name, *shape, dtype));
        let found = file.read(i).map_err(|error| error.to_string());
        match (numbers, dtype) {
            (None, Dtype::Other(kind)) => {
                let says = format!("tensor `{name}`: its numbers are {kind}; only float32,");
                assert!(found.unwrap_err().contains(&says), "{says}");
            }
            (numbers, _) => {
                let numbers = numbers.iter().flatten();
                assert_eq!(found, Ok(numbers.map(|x| f32::from(*x) / 8.0).collect()), "{name}");
            }
        }
    }
    let error = file.read(expected.len()).unwrap_err().to_string();
    let says = format!("there is no tensor {0}; there are {0}", expected.len());
    assert!(error.contains(&says), "{error}");
}

/// The consecutive numbers that make.py writes.
fn counted(first: u8, count: u8) -> Option<Vec<u8>> {
    Some((first..first + count).collect())
}

#[test]
fn every_kind_of_array_is_read() {
    for name in ["arrays.npz", "arrays_deflated.npz"] {
        let other = |kind: &str| Dtype::Other(kind.to_owned());
        holds(
            name,
            &[
                ("little", &[2, 3, 2, 2], Dtype::F32, counted(0, 24)),
                ("big", &[2, 3], Dtype::F32, counted(24, 6)),
                ("half.little", &[3, 5], Dtype::F16, counted(30, 15)),
                ("half.big", &[4], Dtype::F16, counted(45, 4)),
                ("columns", &[2, 3, 4], Dtype::F32, counted(49, 24)),
                ("half.columns", &[3, 2], Dtype::F16, counted(73, 6)),
                ("scalar", &[], Dtype::F32, counted(12, 1)),
                ("empty", &[0, 4], Dtype::F32, counted(0, 0)),
                ("double", &[2], other("<f8"), None),
                ("bn.num_batches_tracked", &[], other("<i8"), None),
                ("flag", &[1], other("|b1"), None),
                ("name", &[], other("<U7"), None),
            ],
        );
    }
}

#[test]
fn a_broken_safetensors_file_is_refused_by_name() {
    let good = fs::read(file("block_f32.safetensors")).unwrap();
    let broken = |bytes: &[u8], words: &str| refuse("a.safetensors", bytes, words);
    broken(b"", "0 bytes are too few");
    let last = "tensor `downsample.1.weight`: its offsets are 2544..2608, *only 2607 bytes";
    broken(&good[..good.len() - 1], last);
    broken(&[&good[..], &[0]].concat(), "1 bytes follow");
    broken(&good[..100], "header would have 1768 bytes; the file has 100");
    let long = [&100_000_001u64.to_le_bytes()[..], &good].concat();
    broken(&long, "header would have 100000001 bytes");

    let (header, numbers) = good[8..].split_at(1768);
    let cases = [
        // conv1.weight, and the tensors before and after it.
        (
            "[480,768]",
            "[480,764]",
            "tensor `conv1.weight`: F32 of shape [6, 12, 1, 1]*not take the 284 bytes",
        ),
        ("[480,768]", "[480,772]", "tensor `conv1.weight`: *not take the 292 bytes"),
        ("[480,768]", "[476,768]", "tensor `conv1.weight`: its offsets are 476..768*start at 480"),
        ("[480,768]", "[484,768]", "tensor `conv1.weight`: its offsets are 484..768*start at 480"),
        ("[480,768]", "[480,470]", "tensor `conv1.weight`: its offsets are 480..470*backwards"),
        (
            "[480,768]",
            "[480,99999999]",
            "tensor `conv1.weight`: its offsets are 480..99999999, but",
        ),
        (
            "[6,12,1,1]",
            "[4294967296,4294967296]",
            "tensor `conv1.weight`: F32 of shape [4294967296,",
        ),
        ("[6,12,1,1]", "[-6]", "tensor `conv1.weight`: *-6"),
        ("[6,12,1,1]", "[6]]", "header cannot be parsed"),
        (r#"F32","shape":[6,12"#, r#"F31","shape":[6,12"#, "tensor `conv1.weight`: *F31"),
        (r#"F32","shape":[6,12"#, r#"I32","shape":[6,12"#, "`conv1.weight`: its numbers are i32"),
        ("bn1.bias", "bn1.weight", "tensor `bn1.weight`: it occurs twice"),
        (r#"bn1.bias":{"dtype":"F32"#, r#"bn\u001b\n":{"dtype":"I32"#, "`bn\\u{1b}\\n`: its num"),
    ];
    for (old, new, words) in cases {
        let header = edit(header, old.as_bytes(), new.as_bytes());
        broken(&kit::safetensors(&header, numbers), words);
    }
    let empty =
        br#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;
    let (path, _folder) = written("a.safetensors", &kit::safetensors(empty, b""));
    assert_eq!(read(&path).unwrap(), [("x".to_owned(), vec![0], vec![])]);
}

/// The block's archive with one thing wrong in one member.
#[test]
fn a_broken_archive_is_refused_by_name() {
    let good = fs::read(file("block_f32.npz")).unwrap();
    let broken = |bytes: &[u8], words: &str| refuse("a.npz", bytes, words);
    let directory = "directory of its zip archive is broken, or it ends too early";
    broken(b"", directory);
    broken(&good[..good.len() - 1], directory);
    broken(&[&good[..], &[0]].concat(), directory);
    let end = good.len() - 22;
    // The number of this disk, of entries, the length and the start of the directory.
    for (at, value) in [(4, 1), (10, 23), (10, 25), (10, 0xfffe), (10, 0xffff), (12, 1), (16, 1)] {
        let mut wrong = good.clone();
        wrong[end + at..end + at + 2].copy_from_slice(&[value as u8, (value >> 8) as u8]);
        broken(&wrong, "directory of its zip archive is broken");
    }
    let long: Vec<_> = (0..100).map(|i| (format!("{i:0>50000}.npy"), vec![])).collect();
    broken(&kit::zip(&long), "its zip archive has 5005000 bytes; at most 4194304 are read");

    let renamed = |name: &str| edit(&good, b"bn2.weight.npy", name.as_bytes());
    let changed = |number: usize, value: u32| set(&good, "bn2.weight.npy", number, value);
    let member = "its entry `bn2.weight.npy`";
    let cases = [
        (renamed("bn1.weight.npy"), "its entry `bn1.weight.npy` occurs twice"),
        (renamed("../.weight.npy"), "its entry `../.weight.npy` has a path"),
        (renamed("/n2.weight.npy"), "its entry `/n2.weight.npy` has a path"),
        (renamed("a\\..\\eight.npy"), "its entry `a\\..\\eight.npy` has a path"),
        (renamed("bn2.weight.np\n"), "its entry `bn2.weight.np\\n` is not a .npy file"),
        (edit(&good, b"bn2.weight.npy", b"\xffn2.weight.npy"), directory),
        (changed(FLAGS, 1), &format!("{member} is encrypted")),
        (changed(METHOD, 12), &format!("{member} is compressed by method 12")),
        (changed(AT, 1 << 30), &format!("{member} lies outside")),
        (changed(AT, 0), "` overlaps another"),
        (changed(AT, 1), &format!("{member} does not begin where")),
        (set(&changed(PACKED, 1 << 30), "bn2.weight.npy", SIZE, 1 << 30), "lies outside"),
        (changed(SIZE, 7), &format!("{member} is stored, but its two sizes differ")),
        (
            set(&changed(METHOD, 8), "bn2.weight.npy", SIZE, 1 << 30),
            "`bn2.weight.npy` cannot inflate",
        ),
        (changed(kit::SUM, 0), "tensor `bn2.weight`: *not match its checksum"),
    ];
    refuse_each("a.npz", cases);
}

#[test]
fn a_broken_array_is_refused_by_name() {
    let data = bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let array = |descr: &str, shape: &str| npy(&npy_header(descr, shape), &data);
    let good = array("<f4", "(6,)");
    let patched = |at: usize, byte: u8| [&good[..at], &[byte], &good[at + 1..]].concat();
    let zip = |data: &[u8]| kit::zip(&[("w.npy".to_owned(), data.to_vec())]);
    let deflated = |data: &[u8]| kit::zip_deflated(&[("w.npy".to_owned(), data.to_vec())]);
    let cases = [
        (vec![], "ends too early"),
        (good[..9].to_vec(), "ends too early"),
        (good[..50].to_vec(), "ends too early, in its header"),
        (
            good[..good.len() - 1].to_vec(),
            "shape [6] needs 6 numbers of 4 bytes, but 23 bytes follow",
        ),
        ([&good[..], &[0]].concat(), "but 25 bytes follow"),
        (patched(0, b'P'), "not a .npy file"),
        (patched(6, 9), "version is 9.0"),
        (patched(9, 0xff), "at most 10000"),
        (patched(10, b'('), "its header cannot be parsed: `('descr'"),
        (npy(&npy_header("<f8", "(6,)"), &data.repeat(2)), "its numbers are <f8"),
        (array("<i4", "(6,)"), "its numbers are <i4"),
        (array("|O", "(6,)"), "its numbers are |O"),
        (array("<M8[ns]", "(6,)"), "its numbers are <M8[ns]"),
        (array("<f4", "(4294967296, 4294967296)"), "than can be counted"),
        (array("<f4", "(4611686018427387904,)"), "but 24 bytes follow"),
    ];
    for (wrong, words) in &cases {
        for zip in [zip(wrong), deflated(wrong)] {
            refuse("a.npz", &zip, &format!("tensor `w`: *{words}"));
        }
    }
    for descr in ["", "<", "f4", "<f", "<f3", "<q4", "<f-4", "float32", "€f4", "|O\n"] {
        let words = format!("tensor `w`: its dtype `{}` is not a dtype", descr.replace('\n', " "));
        refuse("a.npz", &zip(&array(descr, "(6,)")), &words);
    }
    let with = |what: &str| format!("{{'descr': '<f4', 'fortran_order': False{what}}}");
    for header in [
        String::new(),
        "{}".to_owned(),
        with(""),
        with(", 'shape': (6,)}"),
        with(", 'shape': (6 1)"),
        with(", 'shape': (6,"),
        with(", 'shape': (-6,)"),
        with(", 'shape': (18446744073709551616,)"),
        with(", 'shape': (6,), 'x': ''"),
        with(", 'shape': (6,), 'descr': '<f4'"),
        with(&format!(", 'shape': (6, {})", "1,".repeat(64))),
        with(", 'shape': (6,)").replace("False", "0"),
        with(", 'shape': (6,)").replace("'<f4'", "[('a', '<f4')]"),
    ] {
        refuse("a.npz", &zip(&npy(&header, &data)), "tensor `w`: its header cannot be parsed");
    }
    // The directory agrees with the header, but the inflated bytes do not.
    let shorter = &good[..good.len() - 4];
    for (inside, words) in [
        (shorter, "ends too early"),
        (&[&good[..], &[0; 100_000]].concat(), "more bytes follow its numbers"),
    ] {
        let wrong = set(&deflated(inside), "w.npy", SIZE, good.len() as u32);
        refuse("a.npz", &wrong, &format!("tensor `w`: *{words}"));
    }
    // A block of the type that deflate reserves.
    let wrong = kit::set_deflated(&zip(&[7; 92]), "w.npy", &[0; 92]);
    refuse("a.npz", &wrong, "tensor `w`: *deflate");
}

/// A single array is read in both orders of the axes and in all versions. The keys of its header may be in any order.
/// If one size is 0, the other sizes may be any number.
#[test]
fn an_array_by_itself_is_read() {
    let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let header = npy_header("<f4", "(2, 3)");
    let columns_first = header.replace("False", "True");
    let huge = npy_header("<f4", "(4611686018427387904, 0, 8)").replace("False", "True");
    let old = npy(&header, &bytes(&numbers));
    let new = [b"\x93NUMPY\x02\0", &old[8..10], &[0, 0], &old[10..]].concat();
    let short = "{'shape':(2, 3, ),'fortran_order':True, 'descr': '<f4'}";
    let gathered = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0];
    // 1, the smallest subnormal, -2.
    let halves = npy(&npy_header("<f2", "(3,)"), &[0x00, 0x3C, 0x01, 0x00, 0x00, 0xC0]);
    type Case<'a> = (Vec<u8>, Dtype, &'a [usize], &'a [f32]);
    let cases: [Case<'_>; 6] = [
        (old, Dtype::F32, &[2, 3], &numbers),
        (new, Dtype::F32, &[2, 3], &numbers),
        (npy(&columns_first, &bytes(&numbers)), Dtype::F32, &[2, 3], &gathered),
        (npy(short, &bytes(&numbers)), Dtype::F32, &[2, 3], &gathered),
        (npy(&huge, b""), Dtype::F32, &[1 << 62, 0, 8], &[]),
        (halves, Dtype::F16, &[3], &[1.0, 2f32.powi(-24), -2.0]),
    ];
    for (bytes, dtype, shape, expected) in cases {
        let mut array = Npy::open(&written("x.npy", &bytes).0).unwrap();
        assert_eq!((array.shape(), array.dtype()), (shape, &dtype));
        // Reading twice gives the same.
        assert_eq!([array.read().unwrap(), array.read().unwrap()], [expected, expected]);
    }
    let (path, folder) = written("x.npy", &npy(&header, &bytes(&numbers[1..])));
    let error = Npy::open(&path).unwrap_err();
    assert!(matches!(error, Error::Array { .. }), "{error:?}");
    let error = error.to_string();
    let words = "shape [2, 3] needs 6 numbers of 4 bytes, but 20 bytes follow the header";
    assert!(error.ends_with(words), "{error}");
    let (path, _folder) = written("x.npy", &npy(&npy_header("<i4", "(6,)"), &bytes(&numbers)));
    let error = Npy::open(&path).unwrap().read().unwrap_err().to_string();
    assert!(error.contains("as a .npy array: its numbers are <i4"), "{error}");
    assert!(matches!(Npy::open(folder.path()), Err(Error::NotAFile { .. })));
}

#[test]
fn a_name_that_ends_otherwise_is_refused() {
    let in_each_format: BTreeMap<_, _> = kit::in_each_format(&block()).into_iter().collect();
    let of = |name: &str| &in_each_format[name][..];
    for (name, content) in [
        ("A.SAFETENSORS", "a.safetensors"),
        ("a.NpZ", "a.npz"),
        ("a.PTH", "new.pth"),
        ("a.pt", "new.pth"),
        ("a.pth.tar", "old.pth"),
        ("pytorch_model.bin", "old.pth"),
    ] {
        let (path, _folder) = written(name, of(content));
        assert_eq!(read(&path).unwrap().len(), block().len(), "{name}");
    }
    for name in ["weights", "weights.h5", "npz", ".npz", "a.npz.gz", "a.onnx"] {
        refuse(name, of("a.npz"), "one of .safetensors, .npz, .pth, .pt, .bin");
    }
    let array = npy(&npy_header("<f4", "(1,)"), &[0; 4]);
    // Its length, 19280, looks like the start of a zip archive.
    let long = kit::safetensors(format!("{:<19280}", r#"{"a":"#).as_bytes(), b"");
    let cases: [(&str, &[u8], &str); 11] = [
        ("zip.safetensors", of("a.npz"), "it is a zip archive"),
        ("old.safetensors", of("old.pth"), "it is a .pth file of torch.save"),
        ("header.npz", of("a.safetensors"), "it is a .safetensors file"),
        ("long.npz", &long, "it is a .safetensors file"),
        ("long.safetensors", &long, "its header cannot be parsed"),
        ("old.npz", of("old.pth"), "it is a .pth file of torch.save"),
        ("array.npz", &array, "it is a single array, a .npy file"),
        ("header.pth", of("a.safetensors"), "it is a .safetensors file"),
        ("h5.pth", b"\x89HDF\r\n\x1a\n0123456789", "it is an HDF5 file"),
        ("new.npz", of("new.pth"), "`a/data.pkl` is not a .npy file"),
        ("npz.pth", of("a.npz"), "torch.save did not write this"),
    ];
    for (name, bytes, words) in cases {
        refuse(name, bytes, words);
    }
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
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

/// Reads a file with all of its tensors, except those of a kind that is not read.
fn is_read(name: &str, bytes: &[u8]) -> Result<()> {
    let path = Path::new(name);
    let mut file = Checkpoint::new(Cursor::new(bytes), Format::of(path)?, path)?;
    for index in 0..file.entries().len() {
        if !matches!(file.entries()[index].dtype, Dtype::Other(_)) {
            file.read(index)?;
        }
    }
    Ok(())
}

/// A truncated file is refused wherever it was cut, and so is a file with bytes appended. No change of a byte causes
/// a panic.
#[test]
fn a_file_that_was_cut_or_changed_is_no_panic() {
    // The least percentage of changes that are refused: no weight in a .pth file has a checksum.
    for (name, percent) in [
        ("arrays.npz", 60),
        ("arrays_deflated.npz", 50),
        ("block_f16.safetensors", 40),
        ("state_new.pth", 30),
        ("state_old.pth", 60),
        ("trained_new.pth", 30),
        ("trained_old.pth", 60),
        ("model_new.pth", 30),
        ("model_old.pth", 60),
    ] {
        let mut bytes = fs::read(file(name)).unwrap();
        is_read(name, &bytes).unwrap();
        for length in 0..bytes.len() {
            assert!(is_read(name, &bytes[..length]).is_err(), "{name}, {length} bytes");
        }
        assert!(is_read(name, &[&bytes[..], &[0]].concat()).is_err(), "{name}, a byte more");
        let mut refused = 0;
        let changes: &[u8] = if bytes.len() < 2000 { &[1, 0x20, 0x80, 0xff] } else { &[0x20] };
        for i in 0..bytes.len() {
            for change in changes {
                bytes[i] ^= change;
                refused += usize::from(is_read(name, &bytes).is_err());
                bytes[i] ^= change;
            }
        }
        let refused = 100 * refused / (bytes.len() * changes.len());
        assert!(refused >= percent, "{name}: {refused} percent");
    }
}

#[test]
fn what_is_written_is_read() {
    let mut expected = block();
    expected.push(("x".to_owned(), vec![], vec![3.0]));
    // More numbers than are read at once.
    expected.push(("long".to_owned(), vec![8197], (0..8197).map(|i| i as f32 - 0.5).collect()));
    let tensor = |(name, shape, numbers): &Tensor| write::Tensor::f32(name, shape, numbers);
    let mut tensors: Vec<write::Tensor> = expected.iter().map(tensor).collect();
    let npy = write::npy(&tensors[0]).unwrap();
    tensors.push(write::Tensor::i64("num_batches_tracked", &[1, 2], &[7, -7]));
    let files = [("a.npz", write::npz(&tensors)), ("a.safetensors", write::safetensors(&tensors))];
    for (name, bytes) in files {
        let (path, _folder) = written(name, &bytes.unwrap());
        assert_eq!(Checkpoint::open(&path).unwrap().entries().len(), tensors.len());
        let mut found = read(&path).unwrap();
        found.sort_by_key(|(name, ..)| expected.iter().position(|known| known.0 == *name));
        assert_eq!(found, expected, "{name}");
    }
    let mut npy = Npy::open(&written("x.npy", &npy).0).unwrap();
    assert_eq!(npy.shape(), expected[0].1);
    assert_eq!(npy.read().unwrap(), expected[0].2);
}

/// Compares files byte by byte. The header of a .npy file ends at a multiple of 64 bytes, and that of a .safetensors
/// file at a multiple of 8 bytes.
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
        (vec![write::Tensor::f32("w", &[3], &[1.0])], "shape [3], but 1 numbers"),
        (vec![good(), good()], "it occurs twice"),
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

/// Runs the inputs that fuzzing found worth keeping (`fuzz/README.md`). None causes a panic, and some are still read.
#[test]
fn the_fuzzing_corpora_run_clean() {
    // At least this many inputs have tensors that are read.
    for (target, least) in [("pth", 1), ("npz", 5), ("safetensors", 10)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let inputs = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let tensors = inputs.map(|path| kit::run(target, &fs::read(path).unwrap()));
        let tensors: Vec<usize> = tensors.collect();
        let (inputs, read) = (tensors.len(), tensors.iter().filter(|read| **read > 0).count());
        assert!(inputs >= 30 && read >= least, "{target}: {inputs} inputs, {read} with tensors");
    }
}
