//! The threads that share the work of packing: started before there is any, awake as long as a small image takes, and gone before
//! the process ends.
//!
//! A processor that sleeps takes up to a tenth of a millisecond to wake up, and all that is to be done takes five. In a virtual
//! machine that is not all: its kernel may take a processor that sleeps for one that the host has given to somebody else
//! (`available_idle_cpu`, `kernel/sched/core.c`), and then a new thread stays in the queue of the one that started it up to the
//! next tick, 1 to 10 ms later. So the threads are told where to go, and do not sleep.

use std::ffi::OsStr;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder, Yield};
use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// What a thread's first pieces of work take of the memory. malloc(3) gives a thread memory of its own, which grows by one page
/// and one system call at a time, and much faster for a piece like this.
const MEMORY: usize = 96 << 10;

/// So many threads beside the first one stay awake: more would find nothing to do in a small image.
const WAKEFUL: usize = 2;

/// How long they do, at most. Who needs longer does not notice that a thread has to be woken up.
const AWAKE: Duration = Duration::from_millis(10);

static POOL: Mutex<Option<ThreadPool>> = Mutex::new(None);
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Work for a thread that has nothing else to do: does a portion, and gives whether there is more.
type Spare = Box<dyn FnMut() -> bool + Send>;
static SPARE: Mutex<Option<Spare>> = Mutex::new(None);

/// Starts them where the arguments, which nobody has looked at yet, are those of a command with work for all.
pub(crate) fn start_early() {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new("initramfs")) {
        start();
    }
}

/// Makes this thread one of them: else each piece of work is handed over to a thread that has to be woken up for it, while this one
/// waits. Where no threads can be had, this one does all.
fn start() {
    let allowed = sched_getaffinity(None).ok();
    let pool = ThreadPoolBuilder::new()
        .use_current_thread()
        .start_handler(move |_| begin(allowed.as_ref()))
        .build();
    if let Some(allowed) = &allowed {
        send_away(allowed);
    }
    let started = Instant::now();
    if let Ok(pool) = &pool {
        pool.spawn_broadcast(move |thread| {
            if (1..=WAKEFUL).contains(&thread.index()) {
                stay_awake(started);
            }
        });
    }
    *lock(&POOL) = pool.ok();
}

/// Ends them, without waiting: a process ends sooner without threads that sleep.
pub(crate) fn end() {
    HAS_ENDED.store(true, Ordering::Relaxed);
    drop(lock(&POOL).take());
}

/// Gives work to threads that have nothing else to do, until it is done or the result is dropped.
pub(crate) fn when_idle(work: impl FnMut() -> bool + Send + 'static) -> WhenIdle {
    *lock(&SPARE) = Some(Box::new(work));
    WhenIdle
}

/// See [`when_idle`].
pub(crate) struct WhenIdle;

impl Drop for WhenIdle {
    fn drop(&mut self) {
        *lock(&SPARE) = None;
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

fn stay_awake(started: Instant) {
    while !HAS_ENDED.load(Ordering::Relaxed) && started.elapsed() < AWAKE {
        if !matches!(rayon::yield_now(), Some(Yield::Executed)) && !do_spare_work() {
            // Another process may have more to do.
            thread::yield_now();
        }
    }
}

fn do_spare_work() -> bool {
    let mut spare = lock(&SPARE);
    let has_done = spare.as_mut().is_some_and(|work| work());
    if !has_done {
        *spare = None;
    }
    has_done
}

/// A panic elsewhere leaves what is here as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
