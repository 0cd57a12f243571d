//! Checkpoints of PyTorch's: those that `tests/checkpoints/make.py` wrote, and such as nobody should.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use triform_checkpoint::{Checkpoint, Dtype, Entry, Error, Format};

use super::kit::pickles::{MAGIC, archive, float, legacy, state_dict, tensor, text, torch_zip};
use super::kit::zip::Zip;

/// The formats of the files that make.py wrote.
const FORMATS: [&str; 2] = ["new", "old"];

fn file(name: &str, format: &str) -> PathBuf {
    super::file(&format!("{name}_{format}.pth"))
}

/// A tensor of make.py's: its name, shape and kind, and its numbers where they are weights.
type Expected = (&'static str, &'static [usize], Dtype, Option<Vec<f32>>);

/// All that a file holds: each entry, and its numbers or why there are none.
type All = Vec<(Entry, Result<Vec<f32>, String>)>;

fn all(bytes: &[u8]) -> Result<All, String> {
    let says = |error: Error| {
        assert!(matches!(error, Error::Checkpoint { .. }), "{error:?}");
        let says = error.to_string();
        assert!(says.starts_with("checkpoint a.pth: ") && !says.contains('\n'), "{says}");
        says
    };
    let mut pth =
        Checkpoint::new(Cursor::new(bytes), Format::Pth, Path::new("a.pth")).map_err(says)?;
    let entries = pth.entries().to_vec();
    let read = |(i, entry)| (entry, pth.read(i).map_err(says));
    Ok(entries.into_iter().enumerate().map(read).collect())
}

/// Asserts that the bytes are refused, in words that hold all of these.
#[track_caller]
fn refuses(bytes: &[u8], words: &[&str]) {
    let says = all(bytes).expect_err("it is not refused");
    for word in words {
        assert!(says.contains(word), "{says:?} does not say {word:?}");
    }
}

/// The numbers that make.py counts: from `first`, in eighths.
fn counted(count: usize, first: usize) -> Vec<f32> {
    (first..first + count).map(|i| i as f32 / 8.0).collect()
}

#[test]
fn every_kind_of_tensor_is_read_in_both_formats() {
    let transposed = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map(|i| (48 + i) as f32 / 8.0);
    let stepped = [0, 3, 12, 15].map(|i| (100 + i) as f32 / 8.0);
    let expected: [Expected; 12] = [
        ("conv.weight", &[2, 3, 2, 2], Dtype::F32, Some(counted(24, 0))),
        ("half.weight", &[3, 5], Dtype::F16, Some(counted(15, 24))),
        ("brain.weight", &[4], Dtype::BF16, Some(counted(4, 39))),
        ("bn.num_batches_tracked", &[], Dtype::Other("int64".into()), None),
        ("double.weight", &[2], Dtype::Other("float64".into()), None),
        ("transposed", &[4, 3], Dtype::F32, Some(transposed.into())),
        ("shared.head", &[4], Dtype::F32, Some(counted(4, 60))),
        ("shared.tail", &[7, 1], Dtype::F32, Some(counted(7, 63))),
        ("stepped", &[2, 2], Dtype::F32, Some(stepped.into())),
        ("parameter", &[3], Dtype::F32, Some(counted(3, 200))),
        ("scalar", &[], Dtype::F32, Some(vec![1.5])),
        ("empty", &[0, 4], Dtype::F32, Some(vec![])),
    ];
    for format in FORMATS {
        let mut pth = Checkpoint::open(&file("state", format)).unwrap();
        assert_eq!(pth.entries().len(), expected.len());
        // From the last to the first: no read depends on the one before.
        for (i, (name, shape, dtype, numbers)) in expected.iter().enumerate().rev() {
            let entry =
                Entry { name: (*name).to_owned(), shape: shape.to_vec(), dtype: dtype.clone() };
            assert_eq!(pth.entries()[i], entry, "{format}");
            match (pth.read(i), numbers, dtype) {
                (Ok(found), Some(numbers), _) => assert_eq!(found, *numbers, "{name}, {format}"),
                (Err(error), None, Dtype::Other(kind)) => {
                    let says = error.to_string();
                    assert!(says.contains(name) && says.contains(kind.as_str()), "{says}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(pth.read(expected.len()).unwrap_err().to_string().contains("tensor 12"));
    }
}

#[test]
fn a_state_dict_inside_another_is_found() {
    for format in FORMATS {
        let trained = all(&fs::read(file("trained", format)).unwrap()).unwrap();
        let names: Vec<_> = trained.iter().map(|(entry, _)| entry.name.as_str()).collect();
        let expected = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
        // As of DataParallel.
        assert_eq!(names, expected.map(|name| format!("module.{name}")), "{format}");
        assert_eq!(trained[0].1, Ok(counted(3, 1)));
        assert_eq!(trained[1].1, Ok(vec![0.0; 3]));
        assert_eq!(trained[2].1, Ok(counted(3, 9)));

        let model = all(&fs::read(file("model", format)).unwrap()).unwrap();
        assert_eq!(model.len(), 1);
        assert_eq!((model[0].0.name.as_str(), &model[0].1), ("weight", &Ok(counted(2, 5))));
    }
}

/// A file that was cut off is refused wherever it was cut, and so is one with more behind it.
#[test]
fn every_prefix_of_a_file_is_refused() {
    for name in ["state", "trained", "model"] {
        for format in FORMATS {
            let mut bytes = fs::read(file(name, format)).unwrap();
            for length in 0..bytes.len() {
                assert!(all(&bytes[..length]).is_err(), "{name}, {format}, {length} bytes");
            }
            bytes.push(0);
            assert!(all(&bytes).is_err(), "{name}, {format}, a byte more");
        }
    }
}

/// No byte, whatever becomes of it, makes a panic; that would fail this test.
#[test]
fn a_file_with_any_one_byte_changed_does_not_panic() {
    let mut refused = 0;
    for format in FORMATS {
        let mut bytes = fs::read(file("model", format)).unwrap();
        for i in 0..bytes.len() {
            for change in [1, 0x20, 0x80, 0xff] {
                bytes[i] ^= change;
                refused += usize::from(all(&bytes).is_err());
                bytes[i] ^= change;
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn what_is_no_checkpoint_is_said_to_be_none() {
    refuses(b"", &["neither format"]);
    refuses(b"\x7fELF and so on and on", &["neither format"]);
    refuses(b"PK", &["ends too early"]);
    refuses(&MAGIC, &["ends too early"]);
}

/// The names a file asks for are said and never looked up: what would write a file writes none.
#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("ran");
    let command = format!("touch {}", proof.display());
    for (module, name) in
        [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("torch", "load")]
    {
        let global = format!("c{module}\n{name}\n");
        let pickle = [b"\x80\x02", global.as_bytes(), &text(&command), b"\x85R."].concat();
        let full = format!("`{module}.{name}`");
        refuses(&archive(&pickle, &[]), &[&full, "nothing was run"]);
        refuses(&legacy(&pickle, &[]), &[&full, "nothing was run"]);
        // Also where the older format expects something harmless.
        refuses(&[&MAGIC[..], &pickle].concat(), &[&full, "nothing was run"]);
    }
    assert!(!proof.exists());
    refuses(&fs::read(file("path", "new")).unwrap(), &["`pathlib", "nothing was run"]);
    // A name may hold what a terminal would obey.
    refuses(&archive(b"\x80\x02c\x1b[2J\nx\n.", &[]), &["`\\u{1b}[2J.x`"]);
}

#[test]
fn opcodes_that_pytorch_does_not_write_are_refused() {
    // INST, OBJ, NEWOBJ, STACK_GLOBAL, EXT1, PERSID, DUP, FRAME, BYTEARRAY8
    for opcode in *b"io\x81\x93\x82P2\x95\x96" {
        let code = format!("opcode {opcode:#04x}");
        refuses(&archive(&[0x80, 2, b'}', opcode, b'.'], &[]), &[&code, "nothing was run"]);
    }
    refuses(&archive(b"\x80\x04}.", &[]), &["protocol 4"]);
}

#[test]
fn a_view_that_leaves_its_storage_is_refused_by_name() {
    let huge = 1u64 << 62;
    let cases: [(u64, &[u64], &[u64]); 7] = [
        (0, &[5], &[1]),
        (1, &[4], &[1]),
        (0, &[2, 2], &[3, 1]),
        (5, &[0], &[1]),
        (u64::MAX >> 1, &[1], &[1]),
        (0, &[huge], &[1]),
        (0, &[2], &[huge]),
    ];
    for (offset, shape, strides) in cases {
        let view = tensor("FloatStorage", "0", 4, offset, shape, strides);
        let pickle = [b"\x80\x02}", &text("conv.weight")[..], &view, b"s."].concat();
        for bytes in
            [archive(&pickle, &[("0", &float(4))]), legacy(&pickle, &[("0", 4, &float(4))])]
        {
            refuses(&bytes, &["tensor `conv.weight`", "leave"]);
        }
    }
    // Four numbers that claim to be 2^40, all the first.
    let view = tensor("FloatStorage", "0", 4, 0, &[1 << 40], &[0]);
    let pickle = [b"\x80\x02}", &text("conv.weight")[..], &view, b"s."].concat();
    refuses(&archive(&pickle, &[("0", &float(4))]), &["tensor `conv.weight`", "more numbers"]);
    // Strides nobody walks may be anything.
    let view = tensor("FloatStorage", "0", 4, 3, &[1, 1], &[huge, huge]);
    let pickle = [b"\x80\x02}", &text("w")[..], &view, b"s."].concat();
    assert_eq!(all(&archive(&pickle, &[("0", &float(4))])).unwrap()[0].1, Ok(vec![3.0]));
    // And so may sizes beside a 0.
    let view = tensor("FloatStorage", "0", 4, 0, &[0, huge, huge], &[1, 1, 1]);
    let pickle = [b"\x80\x02}", &text("w")[..], &view, b"s."].concat();
    assert_eq!(all(&archive(&pickle, &[("0", &float(4))])).unwrap()[0].1, Ok(vec![]));
}

#[test]
fn shapes_of_other_things_than_sizes_are_refused() {
    let good = tensor("FloatStorage", "0", 4, 0, &[4], &[1]);
    let dict = |view: &[u8]| [b"\x80\x02}", &text("w")[..], view, b"s."].concat();
    assert!(all(&archive(&dict(&good), &[("0", &float(4))])).is_ok());
    let axes = vec![1; 9];
    let cases = [
        (tensor("FloatStorage", "0", 4, 0, &[u64::MAX], &[1]), "numbers from 0"),
        (tensor("FloatStorage", "0", 4, 0, &[4], &[u64::MAX]), "numbers from 0"),
        (tensor("FloatStorage", "0", 4, u64::MAX, &[4], &[1]), "numbers from 0"),
        (tensor("FloatStorage", "0", u64::MAX, 0, &[4], &[1]), "class, key or size"),
        (tensor("FloatStorage", "0", 4, 0, &axes, &axes), "8 axes"),
        (tensor("FloatStorage", "0", 4, 0, &[4], &[1, 1]), "axes than strides"),
        (tensor("QInt8Storage", "0", 4, 0, &[4], &[1]), "`torch.QInt8Storage`"),
    ];
    for (view, why) in cases {
        refuses(&archive(&dict(&view), &[("0", &float(4))]), &[why]);
    }
}

#[test]
fn storages_are_held_against_the_file() {
    let pickle = state_dict(&[("w", "0", 4)]);
    refuses(&archive(&pickle, &[]), &["tensor `w`", "storage \"0\" is not in the file"]);
    refuses(&archive(&pickle, &[("0", &float(3))]), &["tensor `w`", "4 numbers", "12 bytes"]);
    refuses(&archive(&pickle, &[("0", &float(5))]), &["tensor `w`", "4 numbers", "20 bytes"]);
    refuses(&legacy(&pickle, &[]), &["tensor `w`", "storage \"0\" is not in the file"]);
    refuses(&legacy(&pickle, &[("0", 3, &float(3))]), &["storage \"0\" does not have as many"]);
    refuses(&legacy(&pickle, &[("0", 4, &float(3))]), &["storage \"0\"", "too early"]);
    refuses(&legacy(&pickle, &[("1", 4, &float(4))]), &["storage \"1\"", "no tensor's"]);
    let twice: [(&str, u64, &[u8]); 2] = [("0", 4, &float(4)), ("0", 4, &float(4))];
    refuses(&legacy(&pickle, &twice), &["storage \"0\" is there twice"]);
    refuses(&legacy(&pickle, &[("0", 4, &float(5))]), &["4 bytes follow"]);
    // 2^62 numbers: more bytes than 64 bits can count.
    let pickle = state_dict(&[("w", "0", 1 << 62)]);
    refuses(&archive(&pickle, &[("0", &float(4))]), &["tensor `w`", "4611686018427387904 numbers"]);
    refuses(&legacy(&pickle, &[("0", 1 << 62, &float(4))]), &["storage \"0\"", "does not fit"]);
    let pickle = state_dict(&[("w", "0", 4), ("v", "0", 5)]);
    refuses(&archive(&pickle, &[("0", &float(4))]), &["storage \"0\" two kinds or sizes"]);
}

#[test]
fn names_that_come_twice_are_refused() {
    let pickle = state_dict(&[("w", "0", 4), ("v", "0", 4), ("w", "0", 4)]);
    refuses(&archive(&pickle, &[("0", &float(4))]), &["tensor `w` is there twice"]);
    let inner = text("state_dict");
    let pickle = [b"\x80\x02}(", &inner[..], b"}", &inner[..], b"}u."].concat();
    refuses(&archive(&pickle, &[]), &["`state_dict` is there twice"]);
}

#[test]
fn a_dict_of_other_things_is_no_state_dict() {
    refuses(&archive(b"\x80\x02].", &[]), &["a list, not a dict"]);
    refuses(&archive(b"\x80\x02}K\x01K\x02s.", &[]), &["a plain value, not a name"]);
    let pickle = [b"\x80\x02}", &text("epoch")[..], b"K\x03s."].concat();
    refuses(&archive(&pickle, &[]), &["`epoch` is a plain value, not a tensor"]);
}

/// Neither depth nor number nor length of what is in a pickle can take more than a little memory.
#[test]
fn bombs_are_refused() {
    let pickle = |body: Vec<u8>| archive(&[b"\x80\x02", &body[..], b"."].concat(), &[]);
    let many = 1 << 19;
    refuses(&pickle(b"N".repeat(many)), &["more values"]);
    refuses(&pickle(b"(".repeat(many)), &["more values"]);
    refuses(&pickle([b"N", &b"q\0h\0"[..].repeat(many)[..]].concat()), &["more values"]);
    refuses(&pickle([b"N", &b"\x85"[..].repeat(many)[..]].concat()), &["more values"]);
    let memo = (0..many as u32).flat_map(|i| [&b"r"[..], &i.to_le_bytes()].concat());
    refuses(&pickle([b'N'].into_iter().chain(memo).collect()), &["more values"]);
    // A list of many pairs, made a dict again and again.
    let list = [b"]q\0(", &b"NN\x86q\x01"[..], &b"h\x01".repeat(60_000)[..], b"e0"].concat();
    let list = &list[..list.len() - 1];
    let copies = b"ccollections\nOrderedDict\nh\0\x85R".repeat(10);
    refuses(&pickle([list, &copies[..]].concat()), &["more values"]);
    refuses(&pickle(b"X\xff\xff\xff\xff".to_vec()), &["a text of 4294967295 bytes"]);
    refuses(&pickle([b"c", &b"x".repeat(1000)[..]].concat()), &["name of more than 256 bytes"]);
    refuses(&pickle([b"]", &b"]a"[..].repeat(1 << 22)[..]].concat()), &["more values"]);
    refuses(
        &pickle(b"}q\0h\0b".iter().copied().chain(b"h\0b".repeat(1 << 21)).collect()),
        &["longer than"],
    );

    // Deep, but not too many: read without recursion, and dropped so.
    let depth = 200_000;
    let nested = [b"N", &b"\x85".repeat(depth)[..]].concat();
    let deep = [b"\x80\x02}", &text("epoch")[..], &nested, b"s."].concat();
    refuses(&archive(&deep, &[]), &["`epoch` is a tuple"]);
    // A dict within itself.
    let round = [b"\x80\x02}q\0", &text("state_dict")[..], b"h\0s."].concat();
    refuses(&archive(&round, &[]), &["`state_dict` is a dict"]);
}

#[test]
fn pickles_that_do_not_add_up_are_refused() {
    let cases: [(&[u8], &str); 14] = [
        (b"", "ends too early"),
        (b".", "empty stack"),
        (b"}}.", "values to spare"),
        (b"(}.", "values to spare"),
        (b"}(a.", "empty stack"),
        (b"t.", "lacks a mark"),
        (b"}N\x85e.", "lacks a mark"),
        (b"}(NNNu.", "key without a value"),
        (b"](NNu.", "no dict"),
        (b"}Na.", "no list"),
        (b"h\x07.", "never stored"),
        (b"N)R.", "calls a plain value"),
        (b"]}b.", "state of a list"),
        (b"NQ.", "persistent id"),
    ];
    for (body, why) in cases {
        refuses(&archive(&[b"\x80\x02", body].concat(), &[]), &[why]);
    }
    refuses(&archive(b"\x80\x02}.}", &[]), &["bytes follow the pickle"]);
    refuses(&archive(b"\x80\x02cos\nsys", &[]), &["ends too early"]);
    refuses(&archive(b"\x80\x02ctorch\nFloatStorage\n)R.", &[]), &["a storage of its own"]);
    refuses(&archive(b"\x80\x02ccollections\nOrderedDict\nN\x85R.", &[]), &["no list"]);
    refuses(&archive(b"\x80\x02U\x01\xff.", &[]), &["UTF-8"]);
}

#[test]
fn an_archive_that_torch_save_would_not_write_is_refused() {
    let good = || torch_zip(&state_dict(&[("w", "0", 4)]), &[("0", &float(4))]);
    assert!(all(&good().bytes()).is_ok());
    let wrong = |change: &dyn Fn(&mut Zip), words: &[&str]| {
        let mut zip = good();
        change(&mut zip);
        refuses(&zip.bytes(), words);
    };
    wrong(&|zip| zip.entries[3].method = 8, &["`a/data/0` is compressed"]);
    wrong(&|zip| zip.entries[0].method = 8, &["`a/data.pkl` is compressed"]);
    wrong(&|zip| zip.entries[3].flags = 1, &["`a/data/0` is encrypted"]);
    wrong(&|zip| zip.entries[3].name = "a/data/../0".into(), &["`a/data/../0` has a path"]);
    wrong(&|zip| zip.entries[3].name = "../data/0".into(), &["`../data/0` has a path"]);
    wrong(&|zip| zip.entries[3].name = "a\\..\\b/0".into(), &["has a path"]);
    wrong(&|zip| zip.entries[3].name = "/data/0".into(), &["`/data/0` has a path"]);
    wrong(&|zip| zip.entries[3].name = "b/data/0".into(), &["`b/data/0` lies in another folder"]);
    wrong(&|zip| zip.entries[3].name = "data".into(), &["`data` lies in no folder"]);
    wrong(&|zip| zip.entries[3].name = "a/version".into(), &["`a/version` is there twice"]);
    wrong(&|zip| zip.entries[3].name = "a/constants.pkl".into(), &["TorchScript"]);
    wrong(&|zip| zip.entries[0].name = "a/data.txt".into(), &["no data.pkl"]);
    wrong(&|zip| zip.entries[1].name = "a/edition".into(), &["no version"]);
    wrong(&|zip| zip.entries[1].data = b"11".into(), &["version is not of 1..=10"]);
    wrong(&|zip| zip.entries[1].data = b"x".into(), &["version is not of 1..=10"]);
    wrong(&|zip| zip.entries[1].data = vec![b' '; 100], &["its version has 100 bytes"]);
    wrong(&|zip| zip.entries[2].data = b"big".into(), &["big-endian"]);
    wrong(&|zip| zip.entries[2].data = b"huh".into(), &["neither little nor big"]);
    wrong(&|zip| zip.entries[3].size = Some(1 << 31), &["`a/data/0` lies outside"]);
    wrong(&|zip| zip.entries[3].header = Some(1 << 31), &["`a/data/0` lies outside"]);
    wrong(&|zip| zip.entries[3].header = Some(1), &["`a/data/0` does not begin where"]);
    wrong(&|zip| zip.count = Some(u16::MAX - 1), &["directory", "broken"]);
    wrong(&|zip| zip.count = Some(3), &["directory", "broken"]);
    wrong(&|zip| zip.count = Some(u16::MAX), &["directory", "broken"]);
    // Without byteorder, as before PyTorch 2.1, it is little-endian.
    let mut zip = good();
    zip.entries.remove(2);
    assert!(all(&zip.bytes()).is_ok());
}

#[test]
fn sizes_of_64_bits_are_read_and_held_against_the_file() {
    let mut zip = torch_zip(&state_dict(&[("w", "0", 4)]), &[("0", &float(4))]);
    zip.wide = Some(16);
    assert_eq!(all(&zip.bytes()).unwrap()[0].1, Ok(vec![0.0, 1.0, 2.0, 3.0]));
    for size in [1 << 62, u64::MAX] {
        zip.wide = Some(size);
        refuses(&zip.bytes(), &["`a/data/0` lies outside the file"]);
    }
    zip.wide = Some(16);
    zip.directory = Some((1 << 62, 1 << 62));
    refuses(&zip.bytes(), &["directory", "broken"]);
    zip.directory = Some((u64::MAX, 1));
    refuses(&zip.bytes(), &["directory", "broken"]);
}

#[test]
fn the_older_format_says_its_version_and_byte_order() {
    let dict = |order: &[u8]| [b"\x80\x02}", &text("little_endian")[..], order, b"s."].concat();
    let file = |version: &[u8], system: &[u8]| [&MAGIC[..], version, system, b"}.]."].concat();
    let version = b"\x80\x02M\xe9\x03.";
    assert_eq!(all(&file(version, &dict(b"\x88"))), Ok(vec![]));
    refuses(&file(b"M\xea\x03.", &dict(b"\x88")), &["version 1001"]);
    refuses(&file(version, &dict(b"\x89")), &["big-endian"]);
    refuses(&file(version, b"}."), &["in which order its bytes are"]);
}
