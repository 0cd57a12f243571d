//! Bytes one after another, counted, and no more of them than a limit.

use std::io::Read;

use crate::error::Fault;

/// A reader that counts, and ends at a limit with an error.
pub(super) struct Bytes<R> {
    inner: R,
    taken: u64,
    limit: u64,
}

impl<R: Read> Bytes<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, taken: 0, limit }
    }

    /// How many were read.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        let taken = self.taken.saturating_add(buffer.len() as u64);
        if taken > self.limit {
            return Err(Fault::why(format!("its pickle is longer than {} bytes", self.limit)));
        }
        self.inner.read_exact(buffer)?;
        self.taken = taken;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A text of this many bytes, which are at most `limit`.
    pub(super) fn text(&mut self, length: u64, limit: usize) -> Result<String, Fault> {
        let length = match usize::try_from(length) {
            Ok(length) if length <= limit => length,
            _ => return Err(Fault::why(format!("a text of {length} bytes in its pickle"))),
        };
        let mut text = vec![0; length];
        self.fill(&mut text)?;
        utf8(text)
    }

    /// A text up to the end of its line, which comes within `limit` bytes.
    pub(super) fn line(&mut self, limit: usize) -> Result<String, Fault> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return utf8(line),
                _ if line.len() == limit => {
                    return Err(Fault::why(format!(
                        "a name of more than {limit} bytes in its pickle"
                    )));
                }
                byte => line.push(byte),
            }
        }
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| Fault::why("a text in its pickle is not UTF-8"))
}
