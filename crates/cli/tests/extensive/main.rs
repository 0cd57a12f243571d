//! Tests of the program that take minutes: the README's commands, whole networks, the gallery.

#[path = "../../../../tests/common/mod.rs"]
mod common;
#[path = "../kit/mod.rs"]
mod kit;

mod documents;
mod gallery;
mod main_job;
mod whole;
