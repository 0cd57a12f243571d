//! Files made byte by byte, with room for every mistake, and how they are read. The tests of the program
//! and the fuzz targets use them as well.

#![allow(dead_code, unreachable_pub)]

pub mod arrays;
pub mod inputs;
pub mod pickles;
pub mod reading;
pub mod writers;
pub mod zip;
