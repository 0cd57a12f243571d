//! What an input of the fuzz target `safetensors` stands for.

#[path = "../../tests/common/arrays.rs"]
#[allow(dead_code)]
mod arrays;

/// What begins with the length of a header that may be there is a file; all else is the header, but for
/// the first byte, which says how many bytes of numbers are behind it.
pub fn file(bytes: &[u8]) -> Vec<u8> {
    if let Some((length, rest)) = bytes.split_first_chunk()
        && u64::from_le_bytes(*length) <= rest.len() as u64
    {
        return bytes.to_vec();
    }
    let (numbers, header) = bytes.split_first().unwrap_or((&0, &[]));
    arrays::safetensors(header, &[0x3c; 255][..usize::from(*numbers)])
}
