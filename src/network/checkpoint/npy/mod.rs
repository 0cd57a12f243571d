//! `.npy`: one array, a header and the numbers (numpy's `numpy/lib/format.py`). An `.npz` is made of them.

mod header;

use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array, Array4, IxDyn, ShapeBuilder};

pub(super) use self::header::Header;
use super::Dtype;
use super::fault::Fault;
use super::numbers;
use crate::error::{Error, Result};
use crate::network::file;

/// Reads an array of four axes, N x C x H x W, of float32 or float16, as f32; of either byte order, and
/// of either order of the axes.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe; [`Error::Io`]; [`Error::Array`] for a file that is
/// no `.npy`, is of another length than its shape's, or has other numbers or axes; [`Error::NotFinite`]
/// for NaN and infinities.
pub fn read(path: &Path) -> Result<Array4<f32>> {
    let file = file::open(path)?;
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let length = file.metadata().map_err(io)?.len();
    let wrong = |fault| match fault {
        Fault::Io(source) => io(source),
        Fault::Why(why) => Error::Array { path: path.to_owned(), why },
    };
    let x = array(&mut BufReader::new(file), length).map_err(wrong)?;
    match x.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((n, c, h, w), &value)) => {
            let value = f64::from(value);
            Err(Error::NotFinite { what: "input", index: vec![n, c, h, w], value })
        }
        None => Ok(x),
    }
}

fn array(reader: &mut impl Read, length: u64) -> Result<Array4<f32>, Fault> {
    let header = Header::read(reader)?;
    let count = header.count(length)?;
    let shape = header.shape.clone();
    let &[n, c, h, w] = &shape[..] else {
        let why = format!("it has shape {shape:?}; four axes are needed, N x C x H x W");
        return Err(Fault::why(why));
    };
    if let Dtype::Other(dtype) = &header.dtype {
        let why = format!("its numbers are {dtype}; save x.astype('float32')");
        return Err(Fault::why(why));
    }
    let numbers = header.numbers(reader, count)?;
    Array4::from_shape_vec([n, c, h, w], numbers).map_err(|error| Fault::why(error.to_string()))
}

impl Header {
    /// How many numbers there are, held against the length of header and numbers together.
    ///
    /// # Errors
    ///
    /// Another length; more than can be counted.
    pub(super) fn count(&self, length: u64) -> Result<usize, Fault> {
        let shape = &self.shape;
        let count = shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
        let Some(count) = (if shape.contains(&0) { Some(0) } else { count }) else {
            return Err(Fault::why(format!(
                "shape {shape:?} has more numbers than can be counted"
            )));
        };
        let held = length.saturating_sub(self.length);
        // Objects and texts have no width; they are not read.
        if let Some(width) = self.width
            && (count as u64).checked_mul(width) != Some(held)
        {
            let why = format!("shape {shape:?} of {width} bytes each, and {held} bytes are there");
            return Err(Fault::why(why));
        }
        Ok(count)
    }

    /// The numbers after the header, row-major.
    ///
    /// # Errors
    ///
    /// Those of [`numbers::read`].
    pub(super) fn numbers(&self, reader: &mut impl Read, count: usize) -> Result<Vec<f32>, Fault> {
        let numbers = numbers::read(reader, count, &self.dtype, self.order)?;
        if numbers.is_empty() || !self.columns_first {
            return Ok(numbers);
        }
        let shape = &self.shape;
        let array = Array::from_shape_vec(IxDyn(shape).f(), numbers);
        let array = array.map_err(|error| Fault::why(format!("shape {shape:?}: {error}")))?;
        Ok(array.iter().copied().collect())
    }
}
