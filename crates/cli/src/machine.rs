//! What the machine offers a job: threads, and memory, which is checked before the job starts.
//!
//! A job whose weights and input alone exceed all memory is refused. What else a job needs is only an estimate, and the
//! available memory changes. So a job whose estimate exceeds the available memory starts with a warning.

use std::fs;
use std::io::Write;
use std::path::Path;

use indicatif::HumanBytes;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::args::MemoryOptions;
use super::error::{Error, Result};
use crate::need::Need;

/// A pool with this number of threads. By default, it has one thread for each processor.
pub(super) fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    // To rayon, 0 means all processors.
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.map_err(|error| Error::Usage(format!("cannot start threads: {error}")))
}

/// Refuses a job that cannot fit into memory, and warns of a job that may not fit. Does nothing if the check is turned
/// off.
pub(super) fn check(need: &Need, options: &MemoryOptions, errors: &mut dyn Write) -> Result<()> {
    if !options.no_memory_check
        && let Some(warning) = Memory::now().judge(need)?
    {
        // If the warning cannot be written, the job starts without it.
        let _ = writeln!(errors, "warning: {warning}");
    }
    Ok(())
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    /// The memory of the machine, or the limit of a control group if that is lower.
    total: u64,
    /// The memory that a new job can use before anything is swapped out.
    available: u64,
}

/// How Linux reports the memory of control groups: the folder, the files with a group's limit and usage, and the names
/// in `memory.stat` of the bytes that can be dropped.
type Version = (&'static str, [&'static str; 2], &'static [&'static str]);
/// Documentation/admin-guide/cgroup-v1/memory.rst.
const VERSION_1: Version = (
    "sys/fs/cgroup/memory",
    ["memory.limit_in_bytes", "memory.usage_in_bytes"],
    &["total_active_file", "total_inactive_file"],
);
/// Documentation/admin-guide/cgroup-v2.rst.
const VERSION_2: Version = (
    "sys/fs/cgroup",
    ["memory.max", "memory.current"],
    &["active_file", "inactive_file", "slab_reclaimable"],
);

impl Memory {
    fn now() -> Self {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(memory);
        let machine = Self { total: system.total_memory(), available: system.available_memory() };
        machine.within_control_groups(Path::new("/"))
    }

    fn judge(self, need: &Need) -> Result<Option<String>> {
        let Need { what, least, about } = need;
        if *least > self.total {
            let (what, needed) = (what.clone(), *least);
            return Err(Error::Memory { what, needed, total: self.total });
        }
        Ok((*about > self.available).then(|| {
            let (about, available) = (HumanBytes(*about), HumanBytes(self.available));
            format!("{what} takes about {about} of memory; {available} are available now; starting anyway")
        }))
    }

    /// The part of this memory that the control groups of this process leave to it. Only Linux has such groups. `root`
    /// is the root of the file system.
    ///
    /// A group counts if its limit is below the machine's memory, and so do the groups around it. In a container, the
    /// path may be the host's path, of which only the outermost folder is mounted. (`sysinfo` reads only that folder,
    /// and counts files in the kernel's cache as used.)
    fn within_control_groups(self, root: &Path) -> Self {
        let mut memory = self;
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let version = match controllers {
                "" => &VERSION_2,
                _ if controllers.split(',').any(|name| name == "memory") => &VERSION_1,
                _ => continue,
            };
            for group in Path::new(path.trim_start_matches('/')).ancestors() {
                let group = root.join(version.0).join(group);
                let left =
                    limit_and_available(version, &group).filter(|(limit, _)| *limit < self.total);
                let (limit, available) = left.unwrap_or((self.total, self.available));
                memory.total = memory.total.min(limit);
                memory.available = memory.available.min(available);
            }
        }
        memory
    }
}

/// A group's limit, and how much of it is unused. Files in the kernel's cache can be dropped, so they do
/// not count as used. `None` if there is no limit or no group.
fn limit_and_available(version: &Version, group: &Path) -> Option<(u64, u64)> {
    let (_, [limit, usage], droppable) = version;
    let text = |name: &str| fs::read_to_string(group.join(name)).ok();
    // "max" is not a number.
    let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
    let (limit, usage) = (number(limit)?, number(usage)?);
    let stat = text("memory.stat").unwrap_or_default();
    let bytes = stat.lines().filter_map(|line| {
        let (name, bytes) = line.split_once(' ')?;
        droppable.contains(&name).then(|| bytes.trim().parse::<u64>().ok())?
    });
    let used = usage.saturating_sub(bytes.fold(0, u64::saturating_add));
    Some((limit, limit.saturating_sub(used)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Error, Memory};
    use crate::need::Need;

    const MIB: u64 = 1 << 20;
    const MACHINE: Memory = Memory { total: 16_000 * MIB, available: 10_000 * MIB };
    const V1: &str = "sys/fs/cgroup/memory";
    const V2: &str = "sys/fs/cgroup";

    /// A control group: its folder, its limit and its usage, in MiB, and lines of its `memory.stat`.
    type Group<'a> = (&'a str, u64, u64, &'a [(&'a str, u64)]);

    /// The total and the available memory, in MiB, that these control groups leave to a process. `own` is the text of
    /// its `/proc/self/cgroup`.
    fn left(own: &str, groups: &[Group<'_>]) -> (u64, u64) {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", format!("{own}\n"));
        for (folder, limit, usage, stat) in groups {
            let (names, unlimited) = match folder.starts_with(V1) {
                true => (super::VERSION_1.1, "9223372036854771712"),
                false => (super::VERSION_2.1, "max"),
            };
            let limit =
                limit.checked_mul(MIB).map_or(unlimited.to_owned(), |limit| limit.to_string());
            write(&format!("{folder}/{}", names[0]), format!("{limit}\n"));
            write(&format!("{folder}/{}", names[1]), format!("{}\n", usage * MIB));
            let lines = stat.iter().map(|(name, mib)| format!("{name} {}\n", mib * MIB));
            write(&format!("{folder}/memory.stat"), lines.collect());
        }
        let memory = MACHINE.within_control_groups(root.path());
        (memory.total / MIB, memory.available / MIB)
    }

    #[test]
    fn without_a_limit_it_is_the_machines() {
        let whole = (16_000, 10_000);
        assert_eq!(left("", &[]), whole);
        assert_eq!(left("0::/", &[(V2, u64::MAX, 9000, &[])]), whole);
        // A root group whose usage is the page cache of the whole machine.
        assert_eq!(left("4:memory:/\n3:cpuset:/a", &[(V1, u64::MAX, 15_000, &[])]), whole);
    }

    /// A container of 8000 MiB uses 100 and fills the rest with cached files. Nearly all of its memory is available.
    #[test]
    fn files_in_memory_are_available() {
        let stat = [
            ("anon", 100),
            ("file", 7800),
            ("inactive_file", 5000),
            ("active_file", 2800),
            ("slab_reclaimable", 70),
        ];
        assert_eq!(left("0::/", &[(V2, 8000, 7970, &stat)]), (8000, 7900));
        let stat =
            [("inactive_file", 1), ("total_inactive_file", 5000), ("total_active_file", 2800)];
        assert_eq!(left("5:cpu,memory:/\n0::/", &[(V1, 8000, 7900, &stat)]), (8000, 7900));
    }

    /// The group with the least memory counts, of all groups around the process. If the path is the host's, only the
    /// mounted part is read.
    #[test]
    fn nested_groups_count_all() {
        let [outer, inner] = ["outer", "outer/inner"].map(|name| format!("{V2}/{name}"));
        let groups: [Group<'_>; 2] = [(&outer, 8000, 7000, &[]), (&inner, 4000, 500, &[])];
        assert_eq!(left("0::/outer/inner", &groups), (4000, 1000));
        assert_eq!(left("0::/outer", &groups), (8000, 1000));
        assert_eq!(left("0::/", &groups), (16_000, 10_000));
        assert_eq!(left("0::/docker/0123/../abc", &[(V2, 6000, 1000, &[])]), (6000, 5000));
        // No group's limit makes the machine larger or the available memory negative.
        assert_eq!(left("0::/", &[(V2, 20_000, 0, &[])]), (16_000, 10_000));
        assert_eq!(left("0::/", &[(V2, 6000, 6001, &[])]), (6000, 0));
    }

    #[test]
    fn only_what_cannot_fit_is_refused() {
        let judge = |least, about| {
            let what = "a job".to_owned();
            MACHINE.judge(&Need { what, least: least * MIB, about: about * MIB })
        };
        assert_eq!(judge(1, 10_000).unwrap(), None);
        let warning = judge(1, 10_001).unwrap().unwrap();
        assert_eq!(
            warning,
            "a job takes about 9.77 GiB of memory; 9.77 GiB are available now; starting anyway"
        );
        assert!(judge(16_000, 30_000).unwrap().is_some());
        let refused = judge(16_001, 30_000);
        assert!(matches!(refused, Err(Error::Memory { .. })), "{refused:?}");
    }
}
