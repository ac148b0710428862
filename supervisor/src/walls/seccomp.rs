//! The seccomp filter of a pod (seccomp(2)), made of the table of system calls.
//!
//! The kernel remembers which calls a filter allows whatever their arguments are, and does not run it for them (seccomp_filter of the
//! kernel's documentation): these cost next to nothing. For the others it is a search in halves, as a chain of several hundred comparisons
//! would be felt.
use super::Walls;
use super::ioctls;
use super::table::{Action, Condition, Row, Rule};

/// One instruction of classic BPF (struct sock_filter).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jump_true: u8,
    pub jump_false: u8,
    pub value: u32,
}

/// A filter.
pub type Program = Vec<Instruction>;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// AUDIT_ARCH_X86_64
const X86_64: u32 = 0xc000_003e;
/// Bit 30 marks calls of the x32 ABI, which come under the same architecture.
const FIRST_X32: u32 = 0x4000_0000;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

fn plain(code: u16, value: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, value }
}

fn branch(code: u16, value: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, value }
}

/// The filter for a pod. Allows nothing that the table does not know.
pub fn compile(rows: &[Row], walls: &Walls) -> Program {
    let mut program = vec![
        plain(LOAD, ARCHITECTURE),
        branch(JUMP_EQUAL, X86_64, 1, 0),
        plain(RETURN, refusal(libc::ENOSYS)),
        plain(LOAD, NUMBER),
        branch(JUMP_AT_LEAST, FIRST_X32, 0, 1),
        plain(RETURN, refusal(libc::ENOSYS)),
    ];
    program.extend(search(&ranges(rows, walls)));
    program
}

/// What to do from each number on, up to the next.
fn ranges(rows: &[Row], walls: &Walls) -> Vec<(u32, Program)> {
    let unknown = vec![plain(RETURN, refusal(libc::ENOSYS))];
    let mut ranges: Vec<(u32, Program)> = Vec::new();
    let mut from = |number, verdict: Program| match ranges.last() {
        Some((_, last)) if *last == verdict => {}
        _ => ranges.push((number, verdict)),
    };
    let mut next = 0;
    for row in rows {
        if row.number > next {
            from(next, unknown.clone());
        }
        from(row.number, verdict(&row.rule_for(walls)));
        next = row.number + 1;
    }
    from(next, unknown);
    ranges
}

fn verdict(rule: &Rule) -> Program {
    let refused = refusal(rule.errno.number());
    match rule.action {
        Action::Allow | Action::Unprivileged => vec![plain(RETURN, ALLOW)],
        Action::Refuse => vec![plain(RETURN, refused)],
        Action::Listed => listed(ioctls::requests(), refused),
        Action::Check => {
            let (conditions, then, otherwise) = match rule.refuse_if.is_empty() {
                true => (&rule.allow_if, ALLOW, refused),
                false => (&rule.refuse_if, refused, ALLOW),
            };
            let mut program: Program = conditions.iter().flat_map(|condition| test(condition, then)).collect();
            program.push(plain(RETURN, otherwise));
            program
        }
    }
}

/// A search for the request of ioctl(2), its second argument; `otherwise` is the verdict for those that are not listed.
fn listed(requests: &[ioctls::Request], otherwise: u32) -> Program {
    let verdict = |request: &ioctls::Request| match request.action {
        ioctls::Action::Allow => vec![plain(RETURN, ALLOW)],
        ioctls::Action::Refuse => vec![plain(RETURN, refusal(libc::EPERM))],
    };
    let otherwise = vec![plain(RETURN, otherwise)];
    let mut ranges = vec![(0, otherwise.clone())];
    for request in requests.iter().filter(|request| !request.any_size) {
        // one that follows the last directly takes its end's place
        ranges.retain(|(from, _)| *from != request.number);
        if ranges.last().is_none_or(|(_, last)| *last != verdict(request)) {
            ranges.push((request.number, verdict(request)));
        }
        ranges.push((request.number + request.count, otherwise.clone()));
    }
    // the lower half comes first on this machine
    let load = plain(LOAD, ARGUMENTS + 8);
    let mut program = Vec::new();
    for request in requests.iter().filter(|request| request.any_size) {
        program.extend([load, plain(AND, !ioctls::SIZE), branch(JUMP_EQUAL, request.number, 0, 1)]);
        program.extend(verdict(request));
    }
    program.push(load);
    program.extend(search(&ranges));
    program
}

/// Returns `verdict` if the condition holds, else goes on.
fn test(condition: &Condition, verdict: u32) -> Program {
    // the lower half comes first on this machine
    let mut program = vec![plain(LOAD, ARGUMENTS + 8 * condition.argument)];
    let then = condition.and.as_ref().map_or_else(|| vec![plain(RETURN, verdict)], |and| test(and, verdict));
    if let Some(bits) = condition.any {
        program.push(branch(JUMP_ANY_BIT, bits, 0, then.len() as u8));
        program.extend_from_slice(&then);
    }
    program.extend(condition.mask.map(|mask| plain(AND, mask)));
    for value in &condition.values {
        program.push(branch(JUMP_EQUAL, *value, 0, then.len() as u8));
        program.extend_from_slice(&then);
    }
    program
}

fn search(ranges: &[(u32, Program)]) -> Program {
    let [(_, only)] = ranges else {
        let (lower, upper) = ranges.split_at(ranges.len() / 2);
        let (below, above) = (search(lower), search(upper));
        let mut program = match u8::try_from(above.len()) {
            Ok(distance) => vec![branch(JUMP_AT_LEAST, upper[0].0, 0, distance)],
            // conditional jumps reach no further than 255
            Err(_) => vec![branch(JUMP_AT_LEAST, upper[0].0, 1, 0), plain(JUMP, above.len() as u32)],
        };
        program.extend(above);
        program.extend(below);
        return program;
    };
    only.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::confine;
    use crate::sys::process::system_call;
    use crate::walls::{Profile, table};

    /// What calls answer to a thread that is held so. (Filters are a thread's.)
    fn answers(walls: Walls, calls: &[(libc::c_long, [usize; 5])]) -> Vec<i32> {
        let calls = calls.to_vec();
        std::thread::spawn(move || {
            nix::sys::prctl::set_no_new_privs().unwrap();
            confine::set_filter(&compile(table::rows(), &walls)).unwrap();
            calls.into_iter().map(|(number, arguments)| system_call(number, arguments) as i32).collect()
        })
        .join()
        .unwrap()
    }

    fn answer(profile: Profile, number: libc::c_long, arguments: [usize; 5]) -> i32 {
        answers(Walls { profile, ..Walls::default() }, &[(number, arguments)])[0]
    }

    const NOWHERE: usize = usize::MAX;
    const UNKNOWN: libc::c_long = 0x3fff_ffff;

    #[test]
    fn calls_are_refused_that_make_no_sense_in_a_pod() {
        // without the filter each of these fails for its arguments, with another error
        for number in [
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_userfaultfd,
            libc::SYS_keyctl,
            libc::SYS_open_by_handle_at,
            libc::SYS_fsopen,
            libc::SYS_finit_module,
            libc::SYS_pivot_root,
        ] {
            let answer = answer(Profile::Default, number, [NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE]);
            assert_eq!(answer, -libc::EPERM, "call {number}");
        }
    }

    #[test]
    fn unknown_calls_and_other_abis_do_not_exist() {
        let x32_getpid = libc::SYS_getpid | 0x4000_0000;
        for number in [libc::SYS_clone3, libc::SYS_io_uring_setup, 337, 423, 470, 1000, UNKNOWN, x32_getpid] {
            assert_eq!(answer(Profile::Default, number, [0; 5]), -libc::ENOSYS, "call {number}");
        }
    }

    #[test]
    fn arguments_decide() {
        const NEWNS: usize = libc::CLONE_NEWNS as usize;
        let bad_fd = u32::MAX as usize;
        let cases: [(libc::c_long, [usize; 5], i32); 16] = [
            (libc::SYS_unshare, [NEWNS, 0, 0, 0, 0], libc::EPERM),
            (libc::SYS_unshare, [libc::CLONE_NEWTIME as usize, 0, 0, 0, 0], libc::EPERM),
            (libc::SYS_unshare, [0; 5], 0),
            (libc::SYS_clone, [libc::CLONE_NEWUSER as usize | libc::CLONE_FS as usize, 0, 0, 0, 0], libc::EPERM),
            // a pair that the kernel itself refuses
            (libc::SYS_clone, [(libc::CLONE_THREAD) as usize, 0, 0, 0, 0], libc::EINVAL),
            (libc::SYS_ioctl, [bad_fd, libc::TIOCSTI as usize, 0, 0, 0], libc::EPERM),
            // the kernel does not look at the upper half
            (libc::SYS_ioctl, [bad_fd, libc::TIOCSTI as usize | 1 << 32, 0, 0, 0], libc::EPERM),
            (libc::SYS_mknod, [NOWHERE, 0o020600, 0, 0, 0], libc::EPERM),
            (libc::SYS_mknod, [NOWHERE, 0o060600, 0, 0, 0], libc::EPERM),
            (libc::SYS_mknod, [NOWHERE, 0o010600, 0, 0, 0], libc::EFAULT),
            (libc::SYS_mknodat, [bad_fd, NOWHERE, 0o060600, 0, 0], libc::EPERM),
            (libc::SYS_mknodat, [bad_fd, NOWHERE, 0o100600, 0, 0], libc::EFAULT),
            (libc::SYS_socket, [17, 3, 0, 0, 0], libc::EAFNOSUPPORT),
            (libc::SYS_socket, [38, 5, 0, 0, 0], libc::EAFNOSUPPORT),
            (libc::SYS_socket, [1, 99, 0, 0, 0], libc::EINVAL),
            (libc::SYS_read, [bad_fd, 0, 0, 0, 0], libc::EBADF),
        ];
        for (number, arguments, errno) in cases {
            assert_eq!(answer(Profile::Default, number, arguments), -errno, "call {number} {arguments:x?}");
        }
    }

    /// By a descriptor that is none: what comes to the kernel is answered by EBADF.
    #[test]
    fn requests_of_ioctl_are_allowed_that_are_listed() {
        let listed = ioctls::requests();
        let expected = |request: u32| {
            let is = |one: &&ioctls::Request| match one.any_size {
                true => request & !ioctls::SIZE == one.number,
                false => (one.number..one.number + one.count).contains(&request),
            };
            match listed.iter().find(is).map(|one| one.action) {
                Some(ioctls::Action::Allow) => -libc::EBADF,
                Some(ioctls::Action::Refuse) => -libc::EPERM,
                None => -libc::ENOTTY,
            }
        };
        let around =
            |one: &ioctls::Request| [one.number.wrapping_sub(1), one.number, one.number + one.count - 1, one.number + one.count];
        let mut requests: Vec<u32> = listed.iter().flat_map(around).collect();
        // as whole ranges: terminals, sockets; then devices of which no pod shall know, and other sizes of what has grown
        requests.extend((0x5400..0x5500).chain(0x8900..0x8a00));
        requests.extend([
            0,
            u32::MAX,
            0xae01,
            0x4c80,
            0x4c00,
            0x1277,
            0x2285,
            0xc040_ff0b,
            0xffff_ff0b,
            0x8040_ff0b,
            0xc040_ff0c,
        ]);
        // the kernel does not look at the upper half
        for upper in [0, 1usize << 32, 0xffff_ffff << 32] {
            let calls: Vec<_> = requests
                .iter()
                .map(|&request| (libc::SYS_ioctl, [u32::MAX as usize, request as usize | upper, 0, 0, 0]))
                .collect();
            for profile in [Profile::Default, Profile::Strict] {
                let given = answers(Walls { profile, ..Walls::default() }, &calls);
                for (&request, answer) in requests.iter().zip(given) {
                    assert_eq!(answer, expected(request), "{request:#x} with {upper:#x} under {profile}");
                }
            }
        }
    }

    #[test]
    fn the_strict_profile_refuses_tracing() {
        let calls =
            [(libc::SYS_ptrace, [0x4206, 1, 0, 0, 0]), (libc::SYS_kcmp, [0; 5]), (libc::SYS_personality, [0x40000, 0, 0, 0, 0])];
        assert_eq!(answers(Walls { profile: Profile::Strict, ..Walls::default() }, &calls), [-libc::EPERM; 3]);
        assert_ne!(answer(Profile::Default, libc::SYS_kcmp, [0; 5]), -libc::EPERM);
        assert!(answer(Profile::Strict, libc::SYS_personality, [0xffff_ffff, 0, 0, 0, 0]) >= 0);
    }

    #[test]
    fn an_option_allows_io_uring() {
        let walls = Walls { profile: Profile::Default, io_uring: true, ..Walls::default() };
        assert_ne!(answers(walls, &[(libc::SYS_io_uring_setup, [0, NOWHERE, 0, 0, 0])]), [-libc::ENOSYS]);
    }

    #[test]
    fn every_jump_lands_inside() {
        for profile in [Profile::Default, Profile::Strict] {
            let program = compile(table::rows(), &Walls { profile, ..Walls::default() });
            assert!(program.len() < 4096, "{}", program.len());
            for (at, i) in program.iter().enumerate() {
                let farthest = if i.code == JUMP { i.value as usize } else { i.jump_true.max(i.jump_false).into() };
                assert!(at + 1 + farthest < program.len() || i.code == RETURN, "{at}: {i:?}");
            }
        }
    }
}
