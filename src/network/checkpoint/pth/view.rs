//! A tensor as a view of a storage: checked against the file, then read.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use super::Extent;
use super::value::{Values, View};
use crate::network::checkpoint::fault::Fault;
use crate::network::checkpoint::numbers::{self, Order};
use crate::network::checkpoint::{Dtype, Entry};

/// A tensor that is known to lie in the file.
#[derive(Debug)]
pub(super) struct Tensor {
    name: String,
    kind: &'static str,
    shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    /// Where its first element is in the file.
    start: u64,
    /// Elements from its first to its last in the storage.
    span: usize,
    /// Its number of elements.
    count: usize,
}

impl Tensor {
    /// Finds the tensor in the file.
    ///
    /// # Errors
    ///
    /// A storage that is missing or of another length; a view that leaves it; more elements than it has
    /// (PyTorch can expand one number to many, which no network's weights are).
    pub(super) fn new(
        name: String,
        view: &View,
        values: &Values,
        extents: &HashMap<String, Extent>,
    ) -> Result<Self, Fault> {
        let wrong =
            |why: String| Err(Fault::why(format!("tensor `{}`: {why}", name.escape_debug())));
        let Some(storage) = values.storages.get(view.storage) else {
            return wrong("it has no storage".to_owned());
        };
        let key = &storage.key;
        let Some(extent) = extents.get(key) else {
            return wrong(format!("its storage {key:?} is not in the file"));
        };
        if storage.count.checked_mul(storage.kind.bytes) != Some(extent.length) {
            return wrong(format!(
                "its storage {key:?} is to hold {} numbers of {}, and has {} bytes",
                storage.count, storage.kind.name, extent.length
            ));
        }
        let leaves = || {
            wrong(format!(
                "shape {:?} and strides {:?} from {} on leave its storage of {} numbers",
                view.shape, view.strides, view.offset, storage.count
            ))
        };
        let nothing = view.shape.contains(&0);
        let product = view.shape.iter().try_fold(1u64, |n, &size| n.checked_mul(size));
        let count = if nothing { Some(0) } else { product };
        // One behind the last element, from the first on.
        let span = if nothing {
            Some(0)
        } else {
            view.shape.iter().zip(&view.strides).try_fold(1u64, |sum, (&size, &stride)| {
                sum.checked_add(size.saturating_sub(1).checked_mul(stride)?)
            })
        };
        let (Some(count), Some(span)) = (count, span) else {
            return leaves();
        };
        let end = view.offset.checked_add(span);
        if end.is_none_or(|end| end > storage.count) {
            return leaves();
        }
        if count > storage.count {
            return wrong(format!(
                "shape {:?} has more numbers than its storage, which has {}",
                view.shape, storage.count
            ));
        }
        // Both fit: the storage is no longer than the file.
        let start = extent.start.saturating_add(view.offset.saturating_mul(storage.kind.bytes));
        let (Ok(count), Ok(span)) = (usize::try_from(count), usize::try_from(span)) else {
            return leaves();
        };
        let sizes = |sizes: &[u64]| sizes.iter().map(|&size| usize::try_from(size)).collect();
        let Ok(shape) = sizes(&view.shape) else {
            return leaves();
        };
        // A stride that is not used may be of any size.
        let strides = sizes(&view.strides).unwrap_or_default();
        let kind = storage.kind.name;
        Ok(Self { kind, shape, strides, start, span, count, name })
    }

    pub(super) fn entry(&self) -> Entry {
        let dtype = match self.kind {
            "float32" => Dtype::F32,
            "float16" => Dtype::F16,
            "bfloat16" => Dtype::BF16,
            other => Dtype::Other(other.to_owned()),
        };
        Entry { name: self.name.clone(), shape: self.shape.clone(), dtype }
    }

    /// Its numbers, row-major.
    ///
    /// # Errors
    ///
    /// A kind of number that f32 does not hold; a file that became shorter; memory.
    pub(super) fn read<R: Read + Seek>(&self, reader: &mut R) -> Result<Vec<f32>, Fault> {
        self.gather(reader).map_err(|fault| fault.about(&self.name))
    }

    fn gather<R: Read + Seek>(&self, reader: &mut R) -> Result<Vec<f32>, Fault> {
        reader.seek(SeekFrom::Start(self.start))?;
        let numbers = numbers::read(reader, self.span, &self.entry().dtype, Order::Little)?;
        if self.count == 0 || self.is_contiguous() {
            return Ok(numbers);
        }
        let mut gathered = numbers::room(self.count)?;
        let mut index = vec![0; self.shape.len()];
        let mut place = 0;
        for _ in 0..self.count {
            let Some(&number) = numbers.get(place) else {
                return Err(Fault::why("it leaves its storage".to_owned()));
            };
            gathered.push(number);
            // The next index: the last axis first; at its end it goes back, and the one before it on.
            let axes = index.iter_mut().zip(&self.shape).zip(&self.strides);
            for ((i, &size), &stride) in axes.rev() {
                if *i + 1 < size {
                    *i += 1;
                    place += stride;
                    break;
                }
                place -= *i * stride;
                *i = 0;
            }
        }
        Ok(gathered)
    }

    /// Whether its elements lie in the order of its indices, without gaps.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size > 1 && stride != expected {
                return false;
            }
            expected *= size.max(1);
        }
        true
    }
}
