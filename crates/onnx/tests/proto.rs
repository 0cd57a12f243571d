//! The messages of src/proto.rs equal those of onnx.proto.

use std::fs;
use std::path::Path;

/// What prost-build makes of a `.proto` file. Comments are left out, because rustdoc would read them as Markdown.
fn generated(proto: &Path) -> String {
    let out = tempfile::tempdir().unwrap();
    let files = protox::compile([proto], [proto.parent().unwrap()]).unwrap();
    let mut config = prost_build::Config::new();
    config.out_dir(out.path()).disable_comments(["."]);
    config.compile_fds(files).unwrap();
    fs::read_to_string(out.path().join("onnx.rs")).unwrap()
}

/// `INSTA_UPDATE=always` rewrites src/proto.rs, as it does the snapshots of other tests.
#[test]
fn messages_are_those_of_onnx_proto() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (proto, path) = (here.join("onnx.proto"), here.join("src/proto.rs"));
    let made = generated(&proto);
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, &made).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == made, "src/proto.rs is stale");

    // A field more, and the file would not be the same.
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("onnx.proto");
    let text = fs::read_to_string(&proto).unwrap();
    let field = "optional int64 ir_version = 1;";
    assert!(text.contains(field));
    fs::write(&other, text.replace(field, &format!("{field} optional int64 more = 99;"))).unwrap();
    assert!(generated(&other) != made);
}
