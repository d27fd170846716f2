//! The threads that share the work of packing, started before there is any.
//!
//! A processor that sleeps takes a tenth of a millisecond to wake up, and what is to be done takes five. In a virtual machine
//! that is not all: to its kernel a processor that sleeps looks like one that the host has given to somebody else
//! (`available_idle_cpu`, `kernel/sched/core.c`), so that a new thread stays in the queue of the one that started it, up to the
//! next tick, 1 to 10 ms later. So the threads are told where to go.

use std::ffi::OsStr;
use std::hint::black_box;

use rayon::ThreadPoolBuilder;
use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// What a thread's first pieces of work take of the memory. malloc(3) gives a thread memory of its own, which grows by one page
/// and one system call at a time, and much faster for a piece like this.
const MEMORY: usize = 96 << 10;

/// Starts them where the arguments, which nobody has looked at yet, are those of a command with work for all.
pub(crate) fn start_early() {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new("initramfs")) {
        start();
    }
}

/// Makes this thread one of them: else each piece of work is handed over to a thread that has to be woken up for it, while this one
/// waits.
fn start() {
    let allowed = sched_getaffinity(None).ok();
    let pool = ThreadPoolBuilder::new()
        .use_current_thread()
        .start_handler(move |_| begin(allowed.as_ref()))
        .build();
    // Where no threads can be had, the work is done by one. They end with the process.
    std::mem::forget(pool);
    if let Some(allowed) = &allowed {
        send_away(allowed);
    }
}

/// What each thread does first, while the arguments are read.
fn begin(allowed: Option<&CpuSet>) {
    if let Some(allowed) = allowed {
        // It is where it should be, and may go elsewhere now.
        let _ = sched_setaffinity(None, allowed);
    }
    drop(black_box(Vec::<u8>::with_capacity(MEMORY)));
    // The answer is kept for all threads. It takes a dozen CPUID instructions, each of which a virtual machine's host answers.
    #[cfg(target_arch = "x86_64")]
    black_box(std::arch::is_x86_feature_detected!("avx2"));
}

/// Moves all other threads of this process to other processors than this one's, if there are any.
fn send_away(allowed: &CpuSet) {
    let mut elsewhere = *allowed;
    elsewhere.unset(sched_getcpu());
    if elsewhere.count() == 0 {
        return;
    }
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return;
    };
    let threads = threads.flatten().filter_map(|thread| {
        let number = thread.file_name().to_str()?.parse().ok()?;
        Pid::from_raw(number).filter(|thread| *thread != gettid())
    });
    for thread in threads {
        // It would get there by itself, later.
        let _ = sched_setaffinity(Some(thread), &elsewhere);
    }
}
