//! What the operating system says about a process and its children (Linux only).

use std::fs;

/// Fixed by Linux' interface on all machines this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time in milliseconds that a process and its children have used.
pub fn cpu_ms(pid: u32) -> u64 {
    family(pid).into_iter().filter_map(ticks).sum::<u64>() * 1000 / TICKS_PER_SECOND
}

/// Resident memory in KiB: now, and the highest so far.
pub fn memory_kib(pid: u32) -> (u64, u64) {
    family(pid).into_iter().fold((0, 0), |(now, peak), pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        (now + field("VmRSS:"), peak + field("VmHWM:"))
    })
}

fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
}

fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; user and system time are the 12th and 13th field after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_time() {
        let pid = std::process::id();
        let (now, peak) = memory_kib(pid);
        assert!(now > 0 && peak >= now);
        let before = cpu_ms(pid);
        let mut sum = 0_u64;
        while cpu_ms(pid) < before + 10 {
            sum = sum.wrapping_mul(31).wrapping_add(7);
        }
        assert!(cpu_ms(pid) > before, "{sum}");
    }
}
