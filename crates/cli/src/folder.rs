//! Reads and writes folders of cases: `cases.json`, and one `.npz` file for each case. Also reads the folders of
//! outputs that came back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{Error, Result};
use super::input::whole;
use triform::check::{Case, Handed, Kind, Received};
use triform_checkpoint::write::{Tensor, npz};
use triform_checkpoint::{Checkpoint, Dtype, Entry, Error as FileError};

/// The version of the format of `cases.json`.
const SCHEMA: u32 = 1;

/// The largest `cases.json` that is read, in bytes.
const LONGEST_LISTING: u64 = 64 << 20;

/// The most numbers in all cases of a folder together. All of these numbers are in memory at once.
const MOST: usize = 1 << 26;

/// `cases.json`.
#[derive(Serialize, Deserialize)]
struct Listing {
    schema: u32,
    triform: String,
    /// The seed. Null if it is secret, or if no seed was used.
    seed: Option<u64>,
    /// SHA-256, applied twice, of the secret that the seed comes from. Null without a secret.
    secret_sha256: Option<String>,
    /// SHA-256 of the digests of all cases.
    commitment: String,
    cases: Vec<Listed>,
}

/// A case in `cases.json`.
#[derive(Serialize, Deserialize)]
struct Listed {
    name: String,
    op: String,
    kind: Kind,
    attributes: Map<String, Value>,
    inputs: BTreeMap<String, ArrayOf>,
    outputs: BTreeMap<String, ArrayOf>,
    /// SHA-256 of the attributes and the inputs.
    sha256: String,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct ArrayOf {
    shape: Vec<usize>,
    dtype: String,
}

impl ArrayOf {
    fn floats(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), dtype: "float32".to_owned() }
    }
}

/// Where the numbers of a suite come from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A public seed.
    Seed(u64),
    /// A seed from a secret. Only this digest is published.
    Secret([u8; 32]),
    /// Other cases.
    Elsewhere,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(digests: impl Iterator<Item = [u8; 32]>) -> String {
    let all: Vec<u8> = digests.flatten().collect();
    hex(&hmac_sha256::Hash::hash(&all))
}

/// A digest of everything that a suite hands out.
pub(super) fn commitment(cases: &[Case]) -> String {
    digest_of(cases.iter().map(Case::digest))
}

fn unusable(path: &Path, why: impl Into<String>) -> Error {
    Error::Folder { path: path.to_owned(), why: why.into() }
}

fn io(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

fn tensor(name: &str, array: &ArrayD<f64>) -> Tensor {
    let numbers: Vec<f32> = array.iter().map(|value| *value as f32).collect();
    Tensor::f32(name, array.shape(), &numbers)
}

/// Writes all cases, or none, to a new or empty folder.
pub(super) fn write(folder: &Path, cases: &[Case], origin: &Origin) -> Result<()> {
    let staged = Staged::new(folder)?;
    let mut listed = Vec::new();
    for case in cases {
        let inputs = case.inputs();
        let tensors: Vec<Tensor> = inputs.iter().map(|(name, array)| tensor(name, array)).collect();
        staged.write(&format!("{}.npz", case.name), &npz(&tensors)?)?;
        let answers = case.answers()?;
        let of = |(name, shape): (&str, &[usize])| (name.to_owned(), ArrayOf::floats(shape));
        listed.push(Listed {
            name: case.name.clone(),
            op: case.op().to_owned(),
            kind: case.kind,
            attributes: case.attributes(),
            inputs: inputs.iter().map(|(name, array)| of((name, array.shape()))).collect(),
            outputs: answers.iter().map(|a| of((&a.name, a.value.shape()))).collect(),
            sha256: hex(&case.digest()),
        });
    }
    let (seed, secret_sha256) = match origin {
        Origin::Seed(seed) => (Some(*seed), None),
        Origin::Secret(digest) => (None, Some(hex(digest))),
        Origin::Elsewhere => (None, None),
    };
    let listing = Listing {
        schema: SCHEMA,
        triform: env!("CARGO_PKG_VERSION").to_owned(),
        seed,
        secret_sha256,
        commitment: commitment(cases),
        cases: listed,
    };
    staged.write("cases.json", crate::report::json::pretty(&listing).as_bytes())?;
    staged.finish()
}

/// A folder that is filled under another name and then renamed.
pub(super) struct Staged {
    folder: PathBuf,
    staging: tempfile::TempDir,
}

impl Staged {
    /// Errors: [`Error::Folder`] if the folder exists and is not empty, or is a file, a link or the current folder;
    /// [`Error::Io`].
    pub(super) fn new(folder: &Path) -> Result<Self> {
        // A folder that cannot be renamed over is found out before the work.
        let before = fs::symlink_metadata(folder);
        let is_link = before.as_ref().is_ok_and(|metadata| metadata.is_symlink());
        let is_here = match (fs::canonicalize(folder), std::env::current_dir()) {
            (Ok(folder), Ok(here)) => here.starts_with(&folder),
            _ => false,
        };
        if is_link || is_here {
            return Err(unusable(folder, "it is a link, or the current folder; name a new folder"));
        }
        let has_entries = fs::read_dir(folder).map(|mut entries| entries.next().is_some());
        match has_entries {
            Ok(true) => return Err(unusable(folder, "it is not empty; name a new folder")),
            Err(_) if folder.exists() => {
                return Err(unusable(folder, "it is a file, not a folder"));
            }
            _ => {}
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(io("create", parent))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".triform-");
        // The permissions of the folder in whose place it comes, or those of an ordinary new one.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let new = fs::Permissions::from_mode(0o777);
            builder.permissions(before.map_or(new, |metadata| metadata.permissions()));
        }
        let staging = builder.tempdir_in(parent);
        Ok(Self { folder: folder.to_owned(), staging: staging.map_err(io("write to", parent))? })
    }

    pub(super) fn write(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.staging.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io("create", parent))?;
        }
        fs::write(&path, contents).map_err(io("write", &path))
    }

    pub(super) fn finish(self) -> Result<()> {
        let staging = self.staging.keep();
        // An empty folder would be in the way of the rename.
        let _ = fs::remove_dir(&self.folder);
        fs::rename(&staging, &self.folder).map_err(|error| {
            let _ = fs::remove_dir_all(&staging);
            io("write", &self.folder)(error)
        })
    }
}

/// The files of a folder of cases, in memory. Programs that are judged get copies of them, so that none can change what
/// the next one gets.
pub(super) struct Handout(Vec<(String, Vec<u8>)>);

impl Handout {
    /// Reads `cases.json` and the file of each case.
    pub(super) fn read(folder: &Path, cases: &[Case]) -> Result<Self> {
        let names = cases.iter().map(|case| format!("{}.npz", case.name));
        let files = names.chain(["cases.json".to_owned()]).map(|name| {
            let path = folder.join(&name);
            let bytes = fs::read(&path).map_err(io("read", &path))?;
            Ok((name, bytes))
        });
        Ok(Self(files.collect::<Result<_>>()?))
    }

    /// Writes the files into a temporary folder. It is removed when the value is dropped.
    pub(super) fn write(&self) -> Result<tempfile::TempDir> {
        let temporary = std::env::temp_dir();
        let copy = tempfile::tempdir().map_err(io("write to", &temporary))?;
        for (name, bytes) in &self.0 {
            let to = copy.path().join(name);
            fs::write(&to, bytes).map_err(io("write", &to))?;
        }
        Ok(copy)
    }
}

/// Reads the cases in a folder, as they were handed out.
///
/// Errors: [`Error::Folder`] if `cases.json` is missing or has another version, or if the inputs do not match its
/// digests; the errors of reading and of [`Case::read`].
pub(super) fn read(folder: &Path) -> Result<Vec<Case>> {
    let path = folder.join("cases.json");
    let text = match whole(&path, LONGEST_LISTING, |why| unusable(&path, why)) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let why = "it holds no cases.json; `triform cases --out FOLDER` writes one";
            return Err(unusable(folder, why));
        }
        text => text?,
    };
    let listing: Listing =
        serde_json::from_slice(&text).map_err(|error| unusable(&path, error.to_string()))?;
    if listing.schema != SCHEMA {
        let why =
            format!("its schema is {}; this version of triform reads {SCHEMA}", listing.schema);
        return Err(unusable(&path, why));
    }
    if listing.cases.is_empty() {
        return Err(unusable(&path, "it lists no cases"));
    }
    let (mut cases, mut numbers) = (Vec::new(), 0);
    let mut names = BTreeSet::new();
    for listed in &listing.cases {
        let name = &listed.name;
        let is_file_name =
            !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        if !is_file_name || name.contains(char::is_control) {
            let why = format!("`{}` is not a valid name for a case", name.escape_debug());
            return Err(unusable(&path, why));
        }
        if !names.insert(name) {
            return Err(unusable(&path, format!("it lists `{name}` twice")));
        }
        let file = folder.join(format!("{}.npz", listed.name));
        let arrays = floats(&file)?;
        let op_and_kind = (listed.op.as_str(), listed.kind);
        let case = Case::read(&listed.name, op_and_kind, &listed.attributes, &arrays)?;
        let (inputs, answers) = (case.inputs(), case.answers()?);
        numbers += inputs.iter().map(|(_, array)| array.len()).sum::<usize>();
        numbers += answers.iter().map(|answer| answer.value.len()).sum::<usize>();
        if numbers > MOST {
            return Err(unusable(
                &path,
                format!("its cases together have more than {MOST} numbers"),
            ));
        }
        let shapes = |arrays: Vec<(String, Vec<usize>)>| -> BTreeMap<String, ArrayOf> {
            arrays.into_iter().map(|(name, shape)| (name, ArrayOf::floats(&shape))).collect()
        };
        let inputs = shapes(inputs.into_iter().map(|(n, a)| (n, a.shape().to_vec())).collect());
        let outputs =
            shapes(answers.into_iter().map(|a| (a.name, a.value.shape().to_vec())).collect());
        if case.attributes() != listed.attributes
            || inputs != listed.inputs
            || outputs != listed.outputs
        {
            let why =
                format!("the attributes or shapes of `{}` do not match its arrays", listed.name);
            return Err(unusable(&path, why));
        }
        if hex(&case.digest()) != listed.sha256 {
            let why = "its inputs or attributes do not match their digest in cases.json";
            return Err(unusable(&file, why));
        }
        cases.push(case);
    }
    if commitment(&cases) != listing.commitment {
        return Err(unusable(&path, "its commitment does not match its cases"));
    }
    Ok(cases)
}

/// Reads the cases in a folder, to judge answers to them. Also checks that every answer that must be exact can be
/// exact.
///
/// Errors: those of [`read`] and [`Case::certify`].
pub(super) fn read_certified(folder: &Path) -> Result<Vec<Case>> {
    let cases = read(folder)?;
    cases.iter().try_for_each(Case::certify)?;
    Ok(cases)
}

/// The arrays of an `.npz` file of 32-bit floats.
fn floats(path: &Path) -> Result<Vec<(String, ArrayD<f32>)>> {
    let mut arrays = Vec::new();
    for (name, array) in received(path, |_| true)? {
        match array {
            Received::Floats(array) => arrays.push((name, array)),
            Received::Other { dtype, .. } => {
                return Err(unusable(path, format!("array `{name}` is {dtype}, not float32")));
            }
        }
    }
    Ok(arrays)
}

/// The arrays of an `.npz` file. The numbers of an array are read only if `wanted` accepts it, since a file may claim
/// to hold any number of other arrays.
fn received(path: &Path, wanted: impl Fn(&Entry) -> bool) -> Result<Handed> {
    let mut file = Checkpoint::open(path)?;
    let mut handed = Handed::new();
    for index in 0..file.entries().len() {
        let entry = file.entries()[index].clone();
        let array = match entry.dtype {
            Dtype::F32 if wanted(&entry) => {
                let numbers = file.read(index)?;
                let array = ArrayD::from_shape_vec(IxDyn(&entry.shape), numbers);
                Received::Floats(array.map_err(|error| unusable(path, error.to_string()))?)
            }
            other => Received::Other { dtype: dtype_name(&other), shape: entry.shape },
        };
        handed.insert(entry.name, array);
    }
    Ok(handed)
}

/// numpy's name for a type of number.
fn dtype_name(dtype: &Dtype) -> String {
    let code = match dtype {
        Dtype::F32 => return "float32".to_owned(),
        Dtype::F16 => return "float16".to_owned(),
        Dtype::BF16 => return "bfloat16".to_owned(),
        Dtype::Other(code) => code,
    };
    let order = if code.starts_with('>') { "big-endian " } else { "" };
    let code = code.trim_start_matches(['<', '>', '=', '|']);
    let with_bits = |(letter, name): (&str, &str)| {
        let bytes: u32 = code.strip_prefix(letter)?.parse().ok()?;
        (bytes <= 32).then(|| format!("{name}{}", 8 * bytes))
    };
    let kinds = [("f", "float"), ("i", "int"), ("u", "uint"), ("c", "complex")];
    let name = match code {
        "b1" => "bool".to_owned(),
        "O" => "object".to_owned(),
        other => kinds
            .into_iter()
            .find_map(with_bits)
            .unwrap_or_else(|| other.escape_debug().to_string()),
    };
    format!("{order}{name}")
}

/// Reads what came back for a case, from a folder of `.npz` files. If `links` is false, files must lie in the folder
/// itself. The error says in words why nothing can be read.
pub(super) fn handed(folder: &Path, case: &Case, links: bool) -> Result<Handed, String> {
    let name = format!("{}.npz", case.name);
    let path = folder.join(&name);
    if !links && fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(format!("{name} is a link, not a file"));
    }
    if !path.exists() {
        let hint = match path.with_extension("npy").exists() {
            true => ", only a .npy file; numpy's `savez` writes .npz files",
            false => "",
        };
        return Err(format!("there is no {name}{hint}"));
    }
    let answers = case.answers().map_err(|error| error.to_string())?;
    // A known mistake may give an array of another shape, but none gives one many times as large as the right one.
    let is_asked = |entry: &Entry| {
        answers.iter().any(|answer| {
            let all = entry.shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
            answer.name == entry.name && all.is_some_and(|all| all <= 16 * answer.value.len())
        })
    };
    received(&path, is_asked).map_err(|error| match error {
        // The folder may be a temporary one, which means nothing to a reader.
        Error::Tensors(FileError::Checkpoint { why, .. }) => format!("{name}: {why}"),
        error => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Dtype, dtype_name};

    #[test]
    fn types_have_numpys_names() {
        for (code, name) in [
            ("<f8", "float64"),
            (">f4", "big-endian float32"),
            ("<i8", "int64"),
            ("|u1", "uint8"),
            ("<c16", "complex128"),
            ("|b1", "bool"),
            ("|O", "object"),
            ("<U5", "U5"),
            ("<f99", "f99"),
        ] {
            assert_eq!(dtype_name(&Dtype::Other(code.to_owned())), name);
        }
    }
}
