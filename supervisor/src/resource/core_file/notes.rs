//! The notes of a core file: linux/elfcore.h has the structures.
use super::Process;
use super::segments::{Segment, peek};
use crate::image::ImageReader;
use crate::resource::memory::{Backing, PAGE};
use crate::resource::task::TaskRecord;
use object::elf;
use std::os::unix::ffi::OsStrExt;

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
/// struct user_fpregs_struct: what fxsave stores
const FPREGSET: usize = 512;

/// All notes: the process's own come after the first thread's registers, as the kernel has them.
pub(super) fn all(process: &Process, segments: &[Segment], reader: &ImageReader) -> Vec<u8> {
    let mut notes = Vec::new();
    let mut own = Vec::new();
    note(&mut own, "CORE", elf::NT_PRPSINFO, &prpsinfo(process, segments, reader));
    if let Some(signal) = process.record.stopped {
        note(&mut own, "CORE", elf::NT_SIGINFO, &siginfo(signal));
    }
    note(&mut own, "CORE", elf::NT_AUXV, &process.space.layout.auxv);
    note(&mut own, "CORE", elf::NT_FILE, &files(process));
    if process.tasks.is_empty() {
        notes.append(&mut own);
    }
    for task in &process.tasks {
        note(&mut notes, "CORE", NT_PRSTATUS, &prstatus(process, task));
        notes.append(&mut own);
        if let Some(legacy) = task.xstate.get(..FPREGSET) {
            note(&mut notes, "CORE", NT_FPREGSET, legacy);
        }
        note(&mut notes, "LINUX", elf::NT_X86_XSTATE, &task.xstate);
    }
    notes
}

fn note(notes: &mut Vec<u8>, name: &str, kind: u32, content: &[u8]) {
    notes.extend_from_slice(&(name.len() as u32 + 1).to_le_bytes());
    notes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    notes.extend_from_slice(&kind.to_le_bytes());
    for part in [&[name.as_bytes(), &[0]].concat()[..], content] {
        notes.extend_from_slice(part);
        notes.resize(notes.len().next_multiple_of(4), 0);
    }
}

/// struct elf_prstatus
fn prstatus(process: &Process, task: &TaskRecord) -> Vec<u8> {
    let signal = process.record.stopped.unwrap_or(0);
    let queue = process.signals.iter().flat_map(|signals| {
        let own = signals.task_queues.iter().filter(|(tid, _)| *tid == task.task).flat_map(|(_, queue)| queue);
        signals.queued.iter().chain(own)
    });
    let pending = queue.fold(0u64, |set, queued| {
        let number = queued.info.first().copied().unwrap_or(0);
        if (1..=64).contains(&number) { set | 1 << (number - 1) } else { set }
    });
    let mut raw = Vec::new();
    // pr_info: number, code, errno of the signal that the process stopped for
    raw.extend_from_slice(&signal.to_le_bytes());
    raw.extend_from_slice(&[0; 8]);
    raw.extend_from_slice(&(signal as u64).to_le_bytes()[..4]);
    raw.extend_from_slice(&pending.to_le_bytes());
    raw.extend_from_slice(&task.signal_mask.to_le_bytes());
    for id in [task.task, process.record.parent, process.record.group, process.record.session] {
        raw.extend_from_slice(&id.to_le_bytes());
    }
    // four times of processor usage, which images do not hold
    raw.extend_from_slice(&[0; 64]);
    for word in task.registers.words() {
        raw.extend_from_slice(&word.to_le_bytes());
    }
    raw.extend_from_slice(&1u64.to_le_bytes());
    raw
}

/// struct elf_prpsinfo
fn prpsinfo(process: &Process, segments: &[Segment], reader: &ImageReader) -> Vec<u8> {
    let record = &process.record;
    let (state, letter) = if record.stopped.is_some() { (3, b'T') } else { (0, b'R') };
    let nice = process.tasks.first().map_or(0, |task| task.scheduling.nice);
    let (user, group) = process.credentials.as_ref().map_or((0, 0), |of| (of.users[0], of.groups[0]));
    let mut raw = vec![state, letter, 0, nice as u8];
    raw.extend_from_slice(&[0; 12]);
    for id in [user, group, record.process, record.parent, record.group, record.session] {
        raw.extend_from_slice(&id.to_le_bytes());
    }
    let mut text = |bytes: &[u8], room: usize| {
        let len = bytes.len().min(room - 1);
        raw.extend_from_slice(&bytes[..len]);
        raw.resize(raw.len() + room - len, 0);
    };
    text(record.name.as_bytes(), 16);
    let layout = &process.space.layout;
    let len = layout.arg_end.saturating_sub(layout.arg_start).min(80) as usize;
    let mut arguments = peek(segments, reader, layout.arg_start, len);
    while arguments.last() == Some(&0) {
        arguments.pop();
    }
    arguments.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    text(&arguments, 80);
    raw
}

/// siginfo_t with nothing but the number: who stopped the process is not recorded.
fn siginfo(signal: i32) -> Vec<u8> {
    let mut raw = signal.to_le_bytes().to_vec();
    raw.resize(128, 0);
    raw
}

/// What is mapped from which file and offset.
fn files(process: &Process) -> Vec<u8> {
    let mut rows = Vec::new();
    let mut names = Vec::new();
    let mut count = 0u64;
    for map in &process.space.mappings {
        let Backing::File { file, .. } = &map.backing else { continue };
        for word in [map.start, map.end, map.offset / PAGE] {
            rows.extend_from_slice(&word.to_le_bytes());
        }
        names.extend_from_slice(file.path().as_os_str().as_bytes());
        names.push(0);
        count += 1;
    }
    [&count.to_le_bytes()[..], &PAGE.to_le_bytes(), &rows, &names].concat()
}

#[cfg(test)]
mod tests {
    use super::note;

    #[test]
    fn notes_are_padded_to_words() {
        let mut notes = Vec::new();
        note(&mut notes, "CORE", 6, &[1, 2, 3]);
        assert_eq!(notes, [5, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, b'C', b'O', b'R', b'E', 0, 0, 0, 0, 1, 2, 3, 0]);
    }
}
