//! The same tensors as a file of each format.

use std::io::Write;

use super::arrays::{npy, npy_header, safetensors};
use super::pickles;
use super::zip::{Zip, ZipEntry, checksum};

/// A tensor: its name, shape and numbers.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

pub fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A header of `.safetensors`, and its numbers.
pub fn header_and_numbers(tensors: &[Tensor]) -> (String, Vec<u8>) {
    let mut data = Vec::new();
    let mut entries = Vec::new();
    for (name, shape, numbers) in tensors {
        let from = data.len();
        data.extend(bytes(numbers));
        let (name, to) = (serde_json::to_string(name).unwrap(), data.len());
        entries.push(format!(
            r#"{name}:{{"dtype":"F32","shape":{shape:?},"data_offsets":[{from},{to}]}}"#
        ));
    }
    (format!("{{{}}}", entries.join(",")), data)
}

pub fn of_numpy(tensors: &[Tensor]) -> Zip {
    let mut zip = Zip::default();
    for (name, shape, numbers) in tensors {
        let shape: String = shape.iter().map(|size| format!("{size},")).collect();
        let header = npy_header("<f4", &format!("({shape})"));
        zip.add(&format!("{name}.npy"), &npy(&header, &bytes(numbers)));
    }
    zip
}

/// A pickle of a state dict, and its storages.
pub fn pickled(tensors: &[Tensor]) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let mut pickle = b"\x80\x02}(".to_vec();
    let mut storages = Vec::new();
    for (i, (name, shape, numbers)) in tensors.iter().enumerate() {
        let behind = |axis: usize| shape[axis + 1..].iter().product::<usize>() as u64;
        let strides: Vec<u64> = (0..shape.len()).map(behind).collect();
        let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let (key, count) = (i.to_string(), numbers.len() as u64);
        pickle.extend(pickles::text(name));
        pickle.extend(pickles::tensor("FloatStorage", &key, count, 0, &shape, &strides));
        storages.push((key, bytes(numbers)));
    }
    pickle.extend(b"u.");
    (pickle, storages)
}

/// The same tensors as a file of each format.
pub fn in_each_format(tensors: &[Tensor]) -> Vec<(&'static str, Vec<u8>)> {
    let (header, numbers) = header_and_numbers(tensors);
    let mut deflated = of_numpy(tensors);
    deflated.entries.iter_mut().for_each(deflate);
    let (pickle, storages) = pickled(tensors);
    let new: Vec<_> = storages.iter().map(|(key, data)| (&**key, &**data)).collect();
    let old = storages.iter().map(|(key, data)| (&**key, data.len() as u64 / 4, &**data));
    vec![
        ("a.safetensors", safetensors(header.as_bytes(), &numbers)),
        ("a.npz", of_numpy(tensors).bytes()),
        ("deflated.npz", deflated.bytes()),
        ("new.pth", pickles::archive(&pickle, &new)),
        ("old.pth", pickles::legacy(&pickle, &old.collect::<Vec<_>>())),
    ]
}

pub fn deflate(entry: &mut ZipEntry) {
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
    deflated.write_all(&entry.data).unwrap();
    entry.inflated = Some((entry.data.len() as u32, checksum(&entry.data)));
    entry.method = 8;
    entry.data = deflated.finish().unwrap();
}
