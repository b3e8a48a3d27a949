//! How much memory this process may use, and what of it is for what.
//!
//! Beyond the limit of a control group (a container's, a unit's) the kernel kills without asking. So the budgets are made
//! to fit below it: rows are sealed and senders pushed back long before.

use std::fs;
use std::path::Path;

/// Where control groups lie, and which this process is in.
const GROUPS: &str = "/sys/fs/cgroup";
const MEMBERSHIP: &str = "/proc/self/cgroup";
/// A limit above this is none: version 1 writes a number near the greatest for it.
const NO_LIMIT: u64 = 1 << 60;
/// What rows and requests may take where there is no limit.
const ROWS: usize = 64 << 20;
/// The largest request, packed and unpacked at once.
const REQUESTS: usize = 128 << 20;
/// Rows and requests each have this part of a limit. The rest is for the program, the picture, queries, connections, and
/// for what reading, sealing and the allocator take beside: under overload nearly three times as much as both together.
const PART: u64 = 16;
/// However little there is.
const LEAST: usize = 1 << 20;

/// How much memory this process may use, and what of it is for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What it may use in all, when that is bounded.
    pub limit_bytes: Option<u64>,
    /// For rows that are not sealed yet.
    pub rows_bytes: usize,
    /// For requests under way.
    pub requests_bytes: usize,
}

impl Memory {
    /// As the control group of this process bounds it.
    #[must_use]
    pub fn here() -> Self {
        let membership = fs::read_to_string(MEMBERSHIP).unwrap_or_default();
        Self::within(limit_of(Path::new(GROUPS), &membership))
    }

    /// With this limit.
    #[must_use]
    pub fn within(limit_bytes: Option<u64>) -> Self {
        let part = limit_bytes.map_or(u64::MAX, |limit| limit / PART);
        let part = usize::try_from(part).unwrap_or(usize::MAX).max(LEAST);
        Self {
            limit_bytes,
            rows_bytes: part.min(ROWS),
            requests_bytes: part.min(REQUESTS),
        }
    }
}

/// The least limit of the groups named in `membership`, and of those they lie in.
fn limit_of(groups: &Path, membership: &str) -> Option<u64> {
    let limits = membership.lines().filter_map(|line| {
        // `hierarchy:controllers:path`; without controllers it is version 2.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        if controllers.is_empty() {
            least_on_the_way(groups, path, &["memory.max", "memory.high"])
        } else if controllers.split(',').any(|controller| controller == "memory") {
            least_on_the_way(&groups.join("memory"), path, &["memory.limit_in_bytes"])
        } else {
            None
        }
    });
    limits.min()
}

/// From the group at `path` up to the root. In a container the path may be that of the host, which is not there: what is
/// mounted as the root is the container's own group then.
fn least_on_the_way(root: &Path, path: &str, names: &[&str]) -> Option<u64> {
    let path = Path::new(path.trim_start_matches('/'));
    let groups = path.ancestors().map(|group| root.join(group));
    let limits = groups.flat_map(|group| names.iter().filter_map(move |name| read(&group.join(name))));
    limits.min()
}

/// A limit in a file; `max`, as an absent file, is none.
fn read(path: &Path) -> Option<u64> {
    let limit = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    (limit < NO_LIMIT).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The membership, files of groups, and the limit that follows.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<u64>);

    /// Files of groups, as the kernel shows them.
    fn groups(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{content}\n")).unwrap();
        }
        root
    }

    #[test]
    fn b11_the_least_limit_on_the_way_counts() {
        let mib_256 = (256 * MIB).to_string();
        let mib_512 = (512 * MIB).to_string();
        let cases: [Case<'_>; 9] = [
            // Version 2, in a unit, and in a container that sees its own group as the root.
            ("0::/a/b", &[("a/b/memory.max", &mib_256)], Some(256 * MIB)),
            ("0::/", &[("memory.max", &mib_256)], Some(256 * MIB)),
            (
                "0::/a/b",
                &[("a/b/memory.max", "max"), ("a/memory.max", &mib_512)],
                Some(512 * MIB),
            ),
            (
                "0::/a",
                &[("a/memory.max", &mib_512), ("a/memory.high", &mib_256)],
                Some(256 * MIB),
            ),
            ("0::/a", &[("a/memory.max", "max")], None),
            // Version 1, with other controllers before it, and with a path of the host that is not here.
            (
                "5:devices:/x\n4:cpu,memory:/a",
                &[("memory/a/memory.limit_in_bytes", &mib_256)],
                Some(256 * MIB),
            ),
            (
                "4:memory:/docker/0123",
                &[("memory/memory.limit_in_bytes", &mib_256)],
                Some(256 * MIB),
            ),
            (
                "4:memory:/a\n0::/",
                &[("memory/a/memory.limit_in_bytes", "9223372036854771712")],
                None,
            ),
            ("nonsense\n1:memory\n\n0::/../..", &[], None),
        ];
        for (membership, files, expected) in cases {
            let root = groups(files);
            assert_eq!(limit_of(root.path(), membership), expected, "{membership}");
        }
    }

    #[test]
    fn b11_budgets_fit_below_the_limit() {
        let none = Memory::within(None);
        assert_eq!((none.rows_bytes, none.requests_bytes), (ROWS, REQUESTS));
        assert_eq!(
            Memory::within(Some(16 << 30)).requests_bytes,
            REQUESTS,
            "much is as none"
        );
        let small = Memory::within(Some(256 * MIB));
        assert_eq!((small.rows_bytes, small.requests_bytes), (16 << 20, 16 << 20));
        for limit in [0, 1, MIB, 64 * MIB] {
            let tiny = Memory::within(Some(limit));
            assert!(tiny.rows_bytes >= LEAST && tiny.requests_bytes >= LEAST, "{limit}");
        }
    }
}
