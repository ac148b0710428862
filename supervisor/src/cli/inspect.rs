use super::{table, verify};
use crate::resource::core_file;
use crate::resource::summary::{Needs, Summary, summary};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

/// Tell what is in an image: processes, files, sockets, memory, and what it needs to be restarted
///
/// Nothing of an image is shown before its seal is verified; `autopod verify` verifies every byte of its memory, too.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image
    file: PathBuf,
    /// Key file that the image was sealed with [default: your own]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// List every name that programs have changed in the pod's tree (--cow)
    #[arg(long, conflicts_with = "json")]
    changes: bool,
    /// Write this process as a core file, for a debugger: gdb PROGRAM FILE
    #[arg(long, value_name = "VPID", conflicts_with = "json")]
    core: Option<u32>,
    /// The core file, which must not exist [default: core.VPID]
    #[arg(long, short, value_name = "FILE", requires = "core")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let reader = verify::open(&args.file, args.key.as_deref())?;
    if let Some(vpid) = args.core {
        let path = args.output.unwrap_or_else(|| format!("core.{vpid}").into());
        let written = core_file::write(&reader, vpid, &path)?;
        let size = table::size(written.bytes);
        println!("{}: {} threads, {} segments, {size} with holes", path.display(), written.threads, written.segments);
        return Ok(());
    }
    let summary = summary(&reader)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else if args.changes {
        changes(&summary);
    } else {
        show(&summary);
    }
    Ok(())
}

fn show(summary: &Summary) {
    let image = &summary.image;
    line("image", image.path.display());
    line("format", format!("{}, {}, made by {}, {}", image.format, image.architecture, image.maker, date(image.created)));
    let (size, stream) = (table::size(image.bytes), table::size(image.stream));
    line("size", format!("{size}; contents {stream} in {} chunks, compression {}", image.chunks, name_of(&image.compression)));
    line("key", &image.key);
    match &summary.pod {
        Some(pod) => line("pod", format!("{}, host name {}, {} names, of user {}", pod.name, pod.hostname, pod.names, pod.uid)),
        None => line("pod", "none"),
    }
    println!();
    processes(summary);
    println!();
    line("descriptors", format!("{} in all; open: {}", summary.descriptors, counts(&summary.descriptions)));
    for open in &summary.open {
        let path = open.path.as_ref().map_or_else(String::new, |path| format!(" {}", path.display()));
        line("open", format!("{}{path}, held by {}", open.kind, held(&open.held_by)));
    }
    for socket in &summary.sockets {
        line("socket", format!("{}, {}, held by {}", socket.what, socket.state, held(&socket.held_by)));
    }
    for (kind, amount) in &summary.memory {
        let (mapped, stored) = (table::size(amount.mapped), table::size(amount.stored));
        line("memory", format!("{kind}: {} mappings, {mapped}, of which {stored} stored", amount.mappings));
    }
    let ipc = &summary.ipc;
    let ipc = BTreeMap::from([
        ("SysV segments", ipc.sysv_shm),
        ("SysV semaphore sets", ipc.sysv_sem),
        ("SysV queues", ipc.sysv_msg),
        ("POSIX queues", ipc.posix_queues),
        ("files in /dev/shm", ipc.posix_shm),
    ]);
    line("ipc", counts(&ipc));
    let state: Vec<String> = summary.state.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| format!("{n} {kind}")).collect();
    line("state", joined(state));
    if let Some(changes) = &summary.changes {
        line("changes", format!("{}; {} of contents", counts(&changes.counts), table::size(changes.stored)));
    }
    println!();
    needs(&summary.needs);
}

fn changes(summary: &Summary) {
    let names = summary.changes.iter().flat_map(|changes| &changes.names);
    let rows = names.map(|name| {
        let size = name.size.map_or_else(String::new, table::size);
        vec![name.kind.to_owned(), size, printable(&name.path.display().to_string())]
    });
    table::print(&["KIND", "SIZE", "NAME"], &["SIZE"], rows.collect());
}

/// The tree, children below and right of their parents.
fn processes(summary: &Summary) {
    let mut rows = Vec::new();
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let known = |pid| summary.processes.iter().any(|process| process.pid == pid);
    let roots = summary.processes.iter().enumerate().filter(|(_, p)| !known(p.parent) || p.parent == p.pid);
    waiting.extend(roots.map(|(index, _)| (index, 0)));
    waiting.reverse();
    while let Some((index, depth)) = waiting.pop() {
        let process = &summary.processes[index];
        let children =
            summary.processes.iter().enumerate().rev().filter(|(_, p)| p.parent == process.pid && p.pid != process.pid);
        // a circle has no root, and nothing below a root comes twice: every process has one parent
        waiting.extend(children.map(|(child, _)| (child, depth + 1)));
        let threads: Vec<String> = process.threads.iter().skip(1).map(|t| format!("{} {}", t.tid, printable(&t.name))).collect();
        rows.push(vec![
            process.pid.to_string(),
            process.group.to_string(),
            process.session.to_string(),
            process.user.map_or_else(String::new, |user| user.to_string()),
            process.state.to_owned(),
            process.descriptors.to_string(),
            table::size(process.mapped),
            table::size(process.stored),
            format!("{}{}", "  ".repeat(depth), printable(&process.name)),
            process.program.as_ref().map_or_else(String::new, |program| printable(&program.display().to_string())),
            threads.join(", "),
        ]);
    }
    let header = ["PID", "GROUP", "SESSION", "USER", "STATE", "FDS", "MAPPED", "STORED", "NAME", "PROGRAM", "THREADS"];
    table::print(&header, &["PID", "GROUP", "SESSION", "USER", "FDS", "MAPPED", "STORED"], rows);
}

fn needs(needs: &Needs) {
    line("needs", format!("{}, processor state {}", needs.architecture, joined(&needs.processor)));
    if let Some(level) = &needs.level {
        line("", format!("processor features {} (--cpu {level})", joined(&needs.features)));
    }
    line("", format!("users {}; groups {}", joined(&needs.users), joined(&needs.groups)));
    let lists = [
        ("program", &needs.programs),
        ("mapped", &needs.mapped),
        ("file", &needs.files),
        ("directory", &needs.directories),
        ("device", &needs.devices),
    ];
    for (name, paths) in lists {
        for path in paths {
            line("", format!("{name} {}", path.display()));
        }
    }
    for address in &needs.addresses {
        line("", format!("address {address} free"));
    }
}

fn line(name: &str, text: impl Display) {
    println!("{name:<12} {}", printable(&text.to_string()));
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

fn counts(counts: &BTreeMap<&'static str, usize>) -> String {
    joined(counts.iter().filter(|(_, count)| **count > 0).map(|(kind, count)| format!("{count} {kind}")))
}

/// Programs choose their names, and those of files: nothing of them may command the terminal.
pub(super) fn printable(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

fn held(by: &[String]) -> String {
    if by.is_empty() { "a queue".into() } else { by.join(", ") }
}

fn name_of(compression: &impl serde::Serialize) -> String {
    serde_json::to_value(compression).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn date(seconds: u64) -> String {
    if seconds == 0 {
        return "at an unknown time".into();
    }
    let (mut days, rest) = (seconds / 86400, seconds % 86400);
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02} {:02}:{:02}:{:02} UTC", month + 1, days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        for (seconds, text) in [
            (1, "1970-01-01 00:00:01 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(super::date(seconds), text);
        }
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        assert_eq!(super::printable("a\x1b[2Jé\n"), "a\\u{1b}[2Jé\\n");
    }
}
