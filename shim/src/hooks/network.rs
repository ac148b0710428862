//! Credentials on Unix sockets (unix(7)).

use core::ffi::c_void;

use libc::{c_int, c_uint, cmsghdr, mmsghdr, msghdr, size_t, socklen_t, ssize_t, timespec, ucred};

use autopod_namespace::Table;

use crate::init::pod;
use crate::sys::errno::fail;
use crate::sys::next::next;
use crate::sys::scratch::Scratch;
use crate::translate;

/// Calls `on` with each SCM_CREDENTIALS among the control messages.
unsafe fn credentials(message: *const msghdr, mut on: impl FnMut(*mut ucred)) {
    // SAFETY: the CMSG macros stay within msg_control and msg_controllen.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let cmsghdr { cmsg_len, cmsg_level, cmsg_type, .. } = *header;
            let whole = cmsg_len >= libc::CMSG_LEN(size_of::<ucred>() as u32) as usize;
            if cmsg_level == libc::SOL_SOCKET && cmsg_type == libc::SCM_CREDENTIALS && whole {
                on(libc::CMSG_DATA(header).cast());
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

unsafe fn received(table: Table, message: *mut msghdr) {
    // SAFETY: the kernel filled the message in.
    unsafe {
        credentials(message, |sender| (*sender).pid = translate::back(table, (*sender).pid));
    }
}

/// Calls `send` with a message in which the credentials are the host's. The program's own memory is left alone: it may
/// be read-only, or another thread's message too.
///
/// # Safety
/// `message` is one for sendmsg(2).
unsafe fn with_host_credentials<R>(
    table: Table,
    message: *const msghdr,
    send: impl FnOnce(Result<*const msghdr, i32>) -> R,
) -> R {
    // SAFETY: the caller's.
    unsafe {
        let mut names = false;
        if !message.is_null() && (*message).msg_controllen > 0 {
            credentials(message, |_| names = true);
        }
        if !names {
            return send(Ok(message));
        }
        let len = (*message).msg_controllen;
        let Some(mut scratch) = Scratch::new(len) else { return send(Err(libc::ENOBUFS)) };
        let copy = scratch.bytes();
        core::ptr::copy_nonoverlapping((*message).msg_control.cast(), copy.as_mut_ptr(), len);
        let mut own = *message;
        own.msg_control = copy.as_mut_ptr().cast();
        let mut outcome = Ok(&raw const own);
        credentials(&own, |sender| match translate::task(table, (*sender).pid) {
            Ok(host) => (*sender).pid = host,
            // Naming a task that does not exist is as forbidden as naming another's.
            Err(_) => outcome = Err(libc::EPERM),
        });
        send(outcome)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    let real = next!("sendmsg", fn(c_int, *const msghdr, c_int) -> ssize_t);
    // SAFETY: the caller's.
    unsafe {
        let Some(table) = pod() else { return real(fd, message, flags) };
        with_host_credentials(table, message, |message| match message {
            Ok(message) => real(fd, message, flags),
            Err(errno) => fail(errno) as ssize_t,
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's.
    unsafe {
        let len = next!("recvmsg", fn(c_int, *mut msghdr, c_int) -> ssize_t)(fd, message, flags);
        if let Some(table) = pod().filter(|_| len >= 0 && (*message).msg_controllen > 0) {
            received(table, message);
        }
        len
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int {
    let real = next!("sendmmsg", fn(c_int, *mut mmsghdr, c_uint, c_int) -> c_int);
    // SAFETY: the caller's `count` messages.
    unsafe {
        let Some(_) = pod() else { return real(fd, messages, count, flags) };
        let mut names = false;
        for at in 0..count as usize {
            let message = &raw const (*messages.add(at)).msg_hdr;
            if (*message).msg_controllen > 0 {
                credentials(message, |_| names = true);
            }
        }
        if !names {
            return real(fd, messages, count, flags);
        }
        // One by one; after the first, an error only ends the batch (sendmmsg(2)).
        for at in 0..count {
            let message = messages.add(at as usize);
            let len = sendmsg(fd, &raw const (*message).msg_hdr, flags);
            if len < 0 {
                return if at == 0 { -1 } else { at as c_int };
            }
            (*message).msg_len = len as c_uint;
        }
        count as c_int
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    // SAFETY: the caller's `count` messages.
    unsafe {
        let got = next!("recvmmsg", fn(c_int, *mut mmsghdr, c_uint, c_int, *mut timespec) -> c_int)(
            fd, messages, count, flags, timeout,
        );
        if let Some(table) = pod() {
            for at in 0..got.max(0) as usize {
                let message = &raw mut (*messages.add(at)).msg_hdr;
                if (*message).msg_controllen > 0 {
                    received(table, message);
                }
            }
        }
        got
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn getsockopt(
    fd: c_int,
    level: c_int,
    option: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let done =
            next!("getsockopt", fn(c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int)(fd, level, option, value, len);
        if level != libc::SOL_SOCKET || option != libc::SO_PEERCRED || done != 0 {
            return done;
        }
        if let Some(table) = pod().filter(|_| *len as size_t >= size_of::<i32>()) {
            // The id is the first field.
            let id = value.cast::<i32>();
            id.write_unaligned(translate::back(table, id.read_unaligned()));
        }
        done
    }
}
