//! A vdso of another kernel.
//!
//! Programs keep addresses inside the vdso: the auxiliary vector's, those of its functions, those that they return to. So the code of the
//! kernel that made the image stays where it was, as memory like any other, but its functions begin with a jump to those of this
//! kernel's vdso, which is elsewhere. What this kernel's lacks is asked by the system call that it stands for. Where the data pages
//! (`[vvar]`) were is a page of zeroes: to a task that was in the middle of reading a clock these say that the clock must be read by
//! the system call, and that what it has read so far is outdated.
use super::super::{Context, Error, Nascent, Result, Vpid};
use super::{Backing, PageRun, Section};
use crate::proc::{Proc, parse_maps};
use crate::resource::task::TaskRecord;
use nix::fcntl::OFlag;
use object::elf::FileHeader64;
use object::read::elf::ElfFile;
use object::{Endianness, Object, ObjectSymbol};
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::FileExt;

/// What a function of the recorded vdso does instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instead {
    /// Goes on at this offset of the vdso of here.
    Jump(u64),
    Call(i64),
    Fail,
}

/// How the recorded vdso is connected with that of here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    code: Vec<u8>,
    /// By offset.
    functions: BTreeMap<u64, Instead>,
    /// Where the recorded vdso is, in each process.
    bases: HashMap<Vpid, u64>,
    /// Functions at whose first instructions a task is: they stay as they are, which is slow, but right.
    busy: Vec<(Vpid, u64)>,
}

/// Bytes that [`Instead`] takes at most.
const LEN: u64 = 12;

impl Instead {
    fn code(self, here: u64) -> Vec<u8> {
        match self {
            // movabs rax, target; jmp rax
            Instead::Jump(offset) => [&[0x48, 0xb8][..], &(here + offset).to_le_bytes(), &[0xff, 0xe0]].concat(),
            // mov eax, number; syscall; ret
            Instead::Call(number) => [&[0xb8][..], &(number as u32).to_le_bytes(), &[0x0f, 0x05, 0xc3]].concat(),
            // mov rax, -ENOSYS; ret
            Instead::Fail => [&[0x48, 0xc7, 0xc0][..], &(-libc::ENOSYS).to_le_bytes(), &[0xc3]].concat(),
        }
    }
}

/// The functions of a vdso: name to offset.
fn functions(code: &[u8]) -> Option<Vec<(String, u64)>> {
    let file = ElfFile::<FileHeader64<Endianness>>::parse(code).ok()?;
    let endian = file.endian();
    let load = file.elf_program_headers().iter().find(|header| header.p_type.get(endian) == object::elf::PT_LOAD)?;
    let base = load.p_vaddr.get(endian);
    let symbols = file.dynamic_symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text);
    let named = symbols.filter_map(|symbol| {
        Some((symbol.name().ok()?.trim_start_matches("__vdso_").to_owned(), symbol.address().checked_sub(base)?))
    });
    Some(named.filter(|(_, offset)| offset + LEN <= code.len() as u64).collect())
}

fn instead(name: &str, here: &[(String, u64)]) -> Instead {
    let call = match name {
        "clock_gettime" => libc::SYS_clock_gettime,
        "gettimeofday" => libc::SYS_gettimeofday,
        "clock_getres" => libc::SYS_clock_getres,
        "time" => libc::SYS_time,
        "getcpu" => libc::SYS_getcpu,
        // the state that it keeps in the program differs from kernel to kernel
        "getrandom" => return Instead::Call(libc::SYS_getrandom),
        _ => 0,
    };
    match here.iter().find(|(other, _)| other == name) {
        Some((_, offset)) => Instead::Jump(*offset),
        None if call != 0 => Instead::Call(call),
        None => Instead::Fail,
    }
}

impl Bridge {
    fn new(recorded: Vec<u8>, here: &[u8]) -> Option<Bridge> {
        let here = functions(here)?;
        let functions = functions(&recorded)?.into_iter().map(|(name, offset)| (offset, instead(&name, &here))).collect();
        Some(Bridge { code: recorded, functions, ..Bridge::default() })
    }

    /// What is written into a process whose vdso of here is at `here`: addresses and bytes, in whole words.
    pub(super) fn patches(&self, process: Vpid, here: u64) -> Vec<(u64, Vec<u8>)> {
        let Some(base) = self.bases.get(&process) else { return Vec::new() };
        let functions = self.functions.iter().filter(|(offset, _)| !self.busy.contains(&(process, **offset)));
        functions
            .map(|(offset, instead)| {
                let code = instead.code(here);
                let (from, to) = (offset & !7, (offset + code.len() as u64).next_multiple_of(8));
                let mut bytes = self.code[from as usize..to as usize].to_vec();
                bytes[(offset - from) as usize..][..code.len()].copy_from_slice(&code);
                (base + from, bytes)
            })
            .collect()
    }
}

/// The code of the vdso of here, which is the same in every process; `None` if there is none (`vdso=0`).
fn here(proc: &Proc) -> Result<Option<Vec<u8>>> {
    let doing = || "read the vdso of this kernel".to_string();
    let text = proc.read("self/maps").doing(doing)?;
    let maps = parse_maps(&text).ok_or_else(|| Error::Inconsistent("/proc/self/maps cannot be read".into()))?;
    let Some(vdso) = maps.iter().find(|map| map.label() == "[vdso]") else { return Ok(None) };
    let mut code = vec![0; vdso.len() as usize];
    let mem = proc.open_file("self/mem", OFlag::O_RDONLY).doing(doing)?;
    std::fs::File::from(mem).read_exact_at(&mut code, vdso.start).doing(doing)?;
    Ok(Some(code))
}

/// Has the image's processes keep the vdso of the kernel that made it, if it is not that of here.
pub fn adapt(section: &mut Section, tasks: &[TaskRecord], cx: &Nascent) -> Result<()> {
    let Some(run) = section.vdso else { return Ok(()) };
    let here = here(&cx.proc)?.ok_or_else(|| Error::NotHere("this kernel was started without a vdso (vdso=0)".into()))?;
    let recorded = cx.blob(&run)?;
    // the latter so that tests need no second kernel
    if recorded == here && !crate::stage::foreign_vdso() {
        return Ok(());
    }
    let len = recorded.len() as u64;
    let damaged = || Error::Inconsistent("the recorded vdso is no shared library".into());
    let mut bridge = Bridge::new(recorded, &here).ok_or_else(damaged)?;
    for space in &mut section.spaces {
        for map in &mut space.mappings {
            let Backing::Kernel(label) = &map.backing else { continue };
            if label == "[vdso]" {
                if map.end - map.start != len {
                    return Err(damaged());
                }
                let at = space.runs.partition_point(|run| run.start < map.start);
                space.runs.insert(at, PageRun { start: map.start, data: run });
                bridge.bases.insert(space.process, map.start);
            }
            map.backing = Backing::Anonymous;
            map.offset = 0;
            map.shared = false;
        }
    }
    for task in tasks {
        let Some(base) = bridge.bases.get(&task.process) else { continue };
        let offset = task.registers.rip.wrapping_sub(*base);
        let inside = bridge.functions.keys().find(|start| (**start + 1..**start + LEN).contains(&offset));
        bridge.busy.extend(inside.map(|start| (task.process, *start)));
    }
    section.bridge = Some(bridge);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_vdso_of_here_are_found() {
        let code = here(&Proc::open().unwrap()).unwrap().unwrap();
        let found = functions(&code).unwrap();
        for name in ["clock_gettime", "gettimeofday", "time", "getcpu"] {
            assert!(found.iter().any(|(other, _)| other == name), "{name} in {found:?}");
        }
    }

    #[test]
    fn each_function_goes_where_it_is_served() {
        let code = here(&Proc::open().unwrap()).unwrap().unwrap();
        let mut bridge = Bridge::new(code.clone(), &code).unwrap();
        bridge.bases.insert(5, 0x7000_0000);
        let patches = bridge.patches(5, 0x9000_0000);
        assert_eq!(patches.len(), bridge.functions.len());
        assert!(patches.iter().all(|(at, bytes)| at % 8 == 0 && bytes.len() % 8 == 0));
        let all = functions(&code).unwrap();
        let (_, time) = all.iter().find(|(name, _)| name == "time").unwrap();
        assert_eq!(bridge.functions[time], Instead::Jump(*time));
        assert_eq!(instead("time", &[]), Instead::Call(libc::SYS_time));
        assert_eq!(instead("getrandom", &all), Instead::Call(libc::SYS_getrandom));
        assert_eq!(instead("sgx_enter_enclave", &[]), Instead::Fail);
        bridge.busy.push((5, *time));
        assert_eq!(bridge.patches(5, 0x9000_0000).len(), bridge.functions.len() - 1);
        assert!([Instead::Jump(0), Instead::Call(1), Instead::Fail].iter().all(|instead| instead.code(0).len() <= LEN as usize));
    }
}
