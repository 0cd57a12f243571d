//! `.npz`: a zip archive of `.npy` files (numpy's `numpy/lib/_npyio_impl.py`, `savez`).
//!
//! Members may be deflated (`savez_compressed`). A member that inflates to more bytes than its header's
//! shape takes is refused at the first byte too many.

use std::io::{Read, Seek};

use crate::Entry;
use crate::error::Fault;
use crate::npy::Header;
use crate::numbers::{Place, Start};
use crate::zip::{self, Member, wrong};

/// The tensors, in the order of the archive's directory.
///
/// # Errors
///
/// Those of [`zip::members`]; a member that is no `.npy` file, or whose shape does not fit its length.
pub(crate) fn tensors<R: Read + Seek>(reader: &mut R) -> Result<Vec<(Entry, Place)>, Fault> {
    let length = crate::length(reader)?;
    let members = zip::members(reader, length)?;
    let tensor = |member: Member| match member.name.strip_suffix(".npy").map(str::to_owned) {
        Some(name) => {
            let found = header(member, reader).map_err(|fault| fault.about(&name));
            let (Header { shape, dtype, .. }, place) = found?;
            Ok((Entry { name, shape, dtype }, place))
        }
        None => Err(wrong(&member.name, "is no .npy file; numpy did not write this")),
    };
    members.into_iter().map(tensor).collect()
}

fn header<R: Read + Seek>(member: Member, reader: &mut R) -> Result<(Header, Place), Fault> {
    let header = Header::read(&mut member.open(reader)?)?;
    let size = member.size;
    let place = header.place(Start::In(member, header.length), size)?;
    Ok((header, place))
}
