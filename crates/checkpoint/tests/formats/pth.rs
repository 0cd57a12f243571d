//! PyTorch's checkpoints: those that `tests/checkpoints/make.py` wrote, and malformed files.

use std::fs;
use std::path::Path;

use triform_checkpoint::{Dtype, Result};

use super::kit::{self, AT, FLAGS, MAGIC, METHOD, PACKED, SIZE, archive, bytes, dict, edit};
use super::kit::{legacy, set, tensor, text};
use super::{counted, file, holds, read, refuse, refuse_each, written};

/// The storage "0" with the numbers from 0 to `count - 1`. It claims to have `says` elements.
fn storage(count: u8, says: u64) -> Vec<(&'static str, u64, Vec<u8>)> {
    vec![("0", says, bytes(&(0..count).map(f32::from).collect::<Vec<_>>()))]
}

/// A file with a pickle of a dict with one value, and with the storage of the numbers 0 to 3.
fn of(value: &[u8]) -> Vec<u8> {
    archive(&dict(&[("w", value.to_vec())]), &storage(4, 4))
}

/// A vector in the storage "0".
fn vector(count: u64) -> Vec<u8> {
    tensor(("FloatStorage", "0", count), (0, &[count], &[1]))
}

/// The tensor `w` of a file.
fn w(bytes: &[u8]) -> Result<Vec<f32>> {
    let (path, _folder) = written("a.pth", bytes);
    Ok(read(&path)?.remove(0).2)
}

/// Asserts that a pickle with this body is refused in an archive.
#[track_caller]
fn refuse_pickle(body: &[u8], words: &str) {
    refuse("a.pth", &archive(&[b"\x80\x02", body].concat(), &[]), words);
}

#[test]
fn every_kind_of_tensor_is_read_in_both_formats() {
    let transposed = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map(|i| 48 + i);
    let other = |kind: &str| Dtype::Other(kind.to_owned());
    for format in ["new", "old"] {
        holds(
            &format!("state_{format}.pth"),
            &[
                ("conv.weight", &[2, 3, 2, 2], Dtype::F32, counted(0, 24)),
                ("half.weight", &[3, 5], Dtype::F16, counted(24, 15)),
                ("brain.weight", &[4], Dtype::BF16, counted(39, 4)),
                ("bn.num_batches_tracked", &[], other("int64"), None),
                ("double.weight", &[2], other("float64"), None),
                ("transposed", &[4, 3], Dtype::F32, Some(transposed.into())),
                ("shared.head", &[4], Dtype::F32, counted(60, 4)),
                ("shared.tail", &[7, 1], Dtype::F32, counted(63, 7)),
                ("stepped", &[2, 2], Dtype::F32, Some(vec![100, 103, 112, 115])),
                ("parameter", &[3], Dtype::F32, counted(200, 3)),
                ("scalar", &[], Dtype::F32, counted(12, 1)),
                ("empty", &[0, 4], Dtype::F32, counted(0, 0)),
            ],
        );
        // In an inner dict; the names are those of DataParallel.
        holds(
            &format!("trained_{format}.pth"),
            &[
                ("module.weight", &[3], Dtype::F32, counted(1, 3)),
                ("module.bias", &[3], Dtype::F32, Some(vec![0; 3])),
                ("module.running_mean", &[3], Dtype::F32, counted(9, 3)),
                ("module.running_var", &[3], Dtype::F32, Some(vec![8; 3])),
                ("module.num_batches_tracked", &[], other("int64"), None),
            ],
        );
        holds(&format!("model_{format}.pth"), &[("weight", &[2], Dtype::F32, counted(5, 2))]);
    }
}

/// Names that a file asks for are reported but never looked up. So a pickle that would create a file creates none.
#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    let (proof, _folder) = written("ran", b"");
    fs::remove_file(&proof).unwrap();
    let command = text(&format!("touch {}", proof.display()));
    let names = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("torch", "load")];
    for (module, name) in names {
        let global = format!("\x02c{module}\n{name}\n");
        let pickle = [b"\x80", global.as_bytes(), &command, b"\x85R."].concat();
        let words = format!("`{module}.{name}`*nothing was run");
        // Even where the older format expects something harmless.
        let early = [&MAGIC[..], &pickle].concat();
        for bytes in [archive(&pickle, &[]), legacy(&pickle, &[]), early] {
            refuse("a.pth", &bytes, &words);
        }
    }
    assert!(!Path::new(&proof).exists());
    refuse("a.pt", &fs::read(file("path_new.pth")).unwrap(), "`pathlib*nothing was run");
    // A name may contain characters that a terminal would obey.
    refuse_pickle(b"c\x1b[2J\nx\n.", "`\\u{1b}[2J.x`");
}

#[test]
fn views_and_storages_are_held_against_the_file() {
    let huge = 1u64 << 62;
    let minus = u64::MAX;
    let four = ("FloatStorage", "0", 4);
    let axes = [1; 9];
    let leave = "tensor `w`: *exceed its storage of 4 numbers";
    let sizes = "storage \"0\" an offset, shape or strides that are not integers from 0 up";
    type View<'a> = (u64, &'a [u64], &'a [u64]);
    let cases: [((&str, &str, u64), View<'_>, &str); 21] = [
        (four, (0, &[5], &[1]), leave),
        (four, (1, &[4], &[1]), leave),
        (four, (0, &[2, 2], &[3, 1]), leave),
        (four, (5, &[0], &[1]), leave),
        (four, (minus >> 1, &[1], &[1]), leave),
        (four, (0, &[huge], &[1]), leave),
        (four, (0, &[2], &[huge]), leave),
        (four, (0, &[huge, huge], &[huge, huge]), leave),
        // More numbers than the storage has, all of them the first.
        (four, (0, &[1 << 40], &[0]), "tensor `w`: *more numbers than its storage, which has 4"),
        (four, (0, &[huge, huge], &[0, 0]), "tensor `w`: *more numbers"),
        (four, (0, &[minus], &[1]), sizes),
        (four, (0, &[4], &[minus]), sizes),
        (four, (minus, &[4], &[1]), sizes),
        (four, (0, &axes, &axes), sizes),
        (four, (0, &[4], &[1, 1]), "axes than strides"),
        (("FloatStorage", "0", minus), (0, &[4], &[1]), "class, key or size"),
        (("QInt8Storage", "0", 4), (0, &[4], &[1]), "`torch.QInt8Storage`"),
        (("IntStorage", "0", 4), (0, &[4], &[1]), "tensor `w`: its numbers are int32"),
        (("FloatStorage", "1", 4), (0, &[4], &[1]), "storage \"1\" is *no"),
        (("FloatStorage", "0", 3), (0, &[3], &[1]), "storage \"0\" *3 numbers*16 bytes"),
        (
            ("FloatStorage", "0", huge),
            (0, &[4], &[1]),
            "storage \"0\" *4611686018427387904 numbers",
        ),
    ];
    for (storage_, view, words) in cases {
        refuse("a.pth", &of(&tensor(storage_, view)), words);
        // The older format checks the storages first, with another message.
        if storage_ == four {
            let pickle = dict(&[("w", tensor(storage_, view))]);
            refuse("a.pth", &legacy(&pickle, &storage(4, 4)), words);
        }
    }
    // Strides that are never used may be anything, and so may other sizes if one is 0.
    assert_eq!(w(&of(&tensor(four, (3, &[1, 1], &[huge, huge])))).unwrap(), [3.0]);
    assert_eq!(w(&of(&tensor(four, (0, &[0, huge, huge], &[1, 1, 1])))).unwrap(), [0.0; 0]);
    // 1, 2^-126, -3.140625.
    let brains = vec![0x80, 0x3F, 0x80, 0x00, 0x49, 0xC0];
    let view = tensor(("BFloat16Storage", "0", 3), (0, &[3], &[1]));
    let brains = archive(&dict(&[("w", view)]), &[("0", 3, brains)]);
    assert_eq!(w(&brains).unwrap(), [1.0, 2f32.powi(-126), -3.140_625]);
    let pickle = dict(&[("w", vector(4))]);
    assert_eq!(w(&legacy(&pickle, &storage(4, 4))).unwrap(), [0.0, 1.0, 2.0, 3.0]);

    let twice = [storage(4, 4), storage(4, 4)].concat();
    let other = [("1", 4, vec![0; 16])];
    let large = dict(&[("w", vector(huge))]);
    let cases = [
        (legacy(&pickle, &[]), "tensor `w`: its storage \"0\" is not in the file"),
        (legacy(&pickle, &storage(3, 3)), "storage \"0\" has 3 numbers, but the pickle says 4"),
        (legacy(&pickle, &storage(3, 4)), "storage \"0\" *too early"),
        (legacy(&pickle, &other), "storage \"1\" belongs to no tensor"),
        (legacy(&pickle, &twice), "storage \"0\" occurs twice"),
        (legacy(&pickle, &storage(5, 4)), "4 bytes follow"),
        (legacy(&large, &storage(4, huge)), "storage \"0\" does not fit"),
        (
            archive(&dict(&[("w", vector(4)), ("v", vector(5))]), &storage(4, 4)),
            "storage \"0\" two dtypes or sizes",
        ),
    ];
    refuse_each("a.pth", cases);
}

#[test]
fn a_dict_of_other_things_is_no_state_dict() {
    let inner = || ("state_dict", b"}".to_vec());
    refuse("a.bin", b"", "torch.save did not write it");
    refuse("a.bin", b"<html> and so on and on", "torch.save did not write it");
    refuse("a.pth", b"PK", "ends too early");
    refuse("a.pth", &MAGIC, "ends too early");
    let twice = dict(&[("w", vector(4)), ("v", vector(4)), ("w", vector(4))]);
    refuse("a.pth", &archive(&twice, &storage(4, 4)), "tensor `w` occurs twice");
    let twice = dict(&[inner(), inner()]);
    refuse("a.pth", &archive(&twice, &[]), "`state_dict` occurs twice");
    refuse_pickle(b"].", "a list, not a dict");
    refuse_pickle(b"}K\x01K\x02s.", "a plain value, not a name");
    // As Python 2 wrote a dict.
    let pairs = b"ccollections\nOrderedDict\n]U\x01wK\x07\x86a\x85R.";
    refuse_pickle(pairs, "`w` is a plain value, not a tensor");
    for (value, kind) in [
        (&b"K\x03"[..], "a plain value"),
        (b"X\x01\0\0\0x", "a text"),
        (b")", "a tuple"),
        (b"ctorch\nSize\n", "a name"),
        (b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\0\0\0\0NK\x01tQ", "a storage"),
        // A dict that contains itself.
        (b"}q\0U\x01xh\0s", "a dict"),
    ] {
        refuse("a.pth", &of(value), &format!("`w` is {kind}, not a tensor"));
    }
    let [many, more] = [30_000, 5_536].map(|count| b"h\0h\x01".repeat(count));
    let many = [b"}(U\x01xq\0Nq\x01", &many[..], b"u(", &many, b"u(", &more, b"u."];
    refuse_pickle(&many.concat(), "its state dict has 65537 keys; at most 65536 are read");
}

#[test]
fn pickles_that_do_not_add_up_are_refused() {
    let cases: [(&[u8], &str); 28] = [
        (b"", "ends too early"),
        (b"cos\nsys", "ends too early"),
        (b".", "empty stack"),
        (b"}}.", "unused values"),
        (b"(}.", "unused values"),
        (b"}(a.", "empty stack"),
        (b"}(\x85.", "empty stack"),
        (b"t.", "lacks a mark"),
        (b"}N\x85e.", "lacks a mark"),
        (b"}(NNNu.", "key without a value"),
        (b"](NNu.", "not a dict"),
        (b"}Na.", "not a list"),
        (b"h\x07.", "never stored"),
        (b"N)R.", "calls a plain value; nothing was run"),
        (b"ctorch\nSize\n]R.", "calls with arguments that are not a tuple"),
        (b"ctorch\nSize\nN\x85R.", "arguments that do not fit"),
        (b"ctorch._utils\n_rebuild_tensor\n(NNNNtR.", "from something that is not a storage"),
        (b"]}b.", "state of a list"),
        (b"NQ.", "persistent id that is not a tuple"),
        (b")Q.", "persistent id that is not a storage's"),
        (b"(U\x07storageNNNNNNtQ.", "persistent id that is not a storage's"),
        (b"(U\x07storageNNNNK\x01tQ.", "part of another storage; save the checkpoint again"),
        (b"}.}", "bytes follow the pickle"),
        (b"ctorch\nFloatStorage\n)R.", "calls a storage class"),
        (b"ccollections\nOrderedDict\nN\x85R.", "not a list"),
        (b"ccollections\nOrderedDict\n]K\x07a\x85R.", "not pairs"),
        (b"U\x01\xff.", "UTF-8"),
        (b"\x80\x04}.", "protocol 4"),
    ];
    for (body, words) in cases {
        refuse_pickle(body, words);
    }
    // INST, OBJ, NEWOBJ, STACK_GLOBAL, EXT1, PERSID, DUP, FRAME, BYTEARRAY8
    for opcode in *b"io\x81\x93\x82P2\x95\x96" {
        refuse_pickle(&[b'}', opcode, b'.'], &format!("opcode {opcode:#04x}*nothing was run"));
    }
}

/// However deep, numerous or long the values of a pickle are, they take little memory.
#[test]
fn bombs_are_refused() {
    let many = 1 << 19;
    let memo = (0..many as u32).flat_map(|i| [&b"r"[..], &i.to_le_bytes()].concat());
    // A list of many pairs, made into a dict again and again.
    let pairs = [b"]q\0(", &b"NN\x86q\x01"[..], &b"h\x01".repeat(60_000)[..], b"e"].concat();
    let copies = b"ccollections\nOrderedDict\nh\0\x85R".repeat(10);
    let cases = [
        (b"N".repeat(many), "more values"),
        (b"(".repeat(many), "more values"),
        ([b"N", &b"q\0h\0"[..].repeat(many)[..]].concat(), "more values"),
        ([b"N", &b"\x85"[..].repeat(many)[..]].concat(), "more values"),
        ([b'N'].into_iter().chain(memo).collect(), "more values"),
        ([pairs, copies].concat(), "more values"),
        (b"X\xff\xff\xff\xff".to_vec(), "a text of 4294967295 bytes"),
        ([b"c", &b"x".repeat(1000)[..]].concat(), "name of more than 256 bytes"),
        ([b"]", &b"]a"[..].repeat(1 << 21)[..]].concat(), "more values"),
        ([b"}q\0", &b"h\0b"[..].repeat(1 << 21)[..]].concat(), "longer than 4194304 bytes"),
    ];
    for (body, words) in cases {
        refuse_pickle(&body, words);
        // In the older format, in the place of the version.
        refuse("a.pth", &[&MAGIC[..], b"\x80\x02", &body].concat(), words);
    }
    // Deep, but not too many: read and dropped without recursion.
    let deep = [b"N", &b"\x85".repeat(200_000)[..]].concat();
    refuse("a.pth", &of(&deep), "`w` is a tuple");
}

#[test]
fn an_archive_that_torch_save_would_not_write_is_refused() {
    let good = of(&vector(4));
    assert_eq!(w(&good).unwrap(), [0.0, 1.0, 2.0, 3.0]);
    let renamed = |old: &str, new: &str| edit(&good, old.as_bytes(), new.as_bytes());
    let changed = |number: usize, value: u32| set(&good, "a/data/0", number, value);
    // One member with another name or other bytes.
    let other = |index: usize, name: &str, data: &[u8]| {
        let mut members = kit::members(&dict(&[("w", vector(4))]), &storage(4, 4));
        members[index] = (name.to_owned(), data.to_vec());
        kit::zip(&members)
    };
    let cases = [
        (changed(METHOD, 8), "`a/data/0` is compressed"),
        (set(&good, "a/data.pkl", METHOD, 8), "`a/data.pkl` is compressed"),
        (changed(FLAGS, 1), "`a/data/0` is encrypted"),
        (renamed("a/data/0", "a/../b/0"), "`a/../b/0` has a path"),
        (renamed("a/data/0", "b/data/0"), "`b/data/0` lies in another folder"),
        (renamed("a/data/0", "a_data_0"), "`a_data_0` is not in a folder"),
        (other(2, "a/constants.pkl", b""), "TorchScript"),
        (changed(AT, 1 << 31), "`a/data/0` lies outside"),
        (set(&changed(PACKED, 1 << 31), "a/data/0", SIZE, 1 << 31), "`a/data/0` lies outside"),
        (renamed("a/data.pkl", "a/data.txt"), "no data.pkl"),
        (renamed("a/version", "a/edition"), "no version"),
        (other(1, "a/version", b"11"), "version is not in 1..=10"),
        (other(1, "a/version", b"x"), "version is not in 1..=10"),
        (other(1, "a/version", &[b' '; 100]), "its version has 100 bytes, more than 16"),
        (other(2, "a/byteorder", b"big"), "big-endian"),
        (other(2, "a/byteorder", b"huh"), "neither little nor big"),
    ];
    refuse_each("a.pth", cases);
    // Without byteorder, as before PyTorch 2.1, it is little-endian.
    assert_eq!(w(&renamed("a/byteorder", "a/byteless_")).unwrap(), [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn the_older_format_says_its_version_and_byte_order() {
    let dict = |order: &[u8]| [b"\x80\x02}", &text("little_endian")[..], order, b"s."].concat();
    let file = |version: &[u8], system: &[u8]| [&MAGIC[..], version, system, b"}.]."].concat();
    let version = b"\x80\x02M\xe9\x03.";
    let (path, _folder) = written("a.pth", &file(version, &dict(b"\x88")));
    assert_eq!(read(&path).unwrap(), []);
    refuse("a.pth", &file(b"M\xea\x03.", &dict(b"\x88")), "version 1001");
    refuse("a.pth", &file(version, &dict(b"\x89")), "big-endian");
    refuse("a.pth", &file(version, b"}."), "its byte order");
    let whole = file(version, &dict(b"\x88"));
    refuse("a.pth", &edit(&whole, b"].", b"}."), "its storages are in a dict, not in a list");
    refuse("a.pth", &edit(&whole, b"].", b"]Na."), "the key of a storage is not a text");
}
