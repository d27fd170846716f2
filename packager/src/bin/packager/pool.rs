//! The threads that share the work of packing: started before there is any, awake as long as a small image takes, and gone before
//! the process ends.
//!
//! A processor that sleeps takes up to a tenth of a millisecond to wake up, and all that is to be done takes five. In a virtual
//! machine that is not all: its kernel may take a processor that sleeps for one that the host has given to somebody else
//! (`available_idle_cpu`, `kernel/sched/core.c`), and then a thread stays in the queue of the one that started it, or woke it up, until
//! the next tick, 1 to 10 ms later. So the threads are told where to run, and do not sleep, for that long.

use std::ffi::OsStr;
use std::fs::DirEntry;
use std::hint::{self, black_box};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
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

/// How long they do, at most. Longer work does not notice the cost of waking a thread.
const AWAKE: Duration = Duration::from_millis(10);

/// Longer than a portion of spare work takes.
const PORTION: Duration = Duration::from_micros(100);

static POOL: Mutex<Option<ThreadPool>> = Mutex::new(None);
static PLACES: Mutex<Option<Places>> = Mutex::new(None);
static HAS_ENDED: AtomicBool = AtomicBool::new(false);

/// Work for a thread that has nothing else to do: does a portion, and gives whether there is more.
type Spare = Box<dyn FnMut() -> bool + Send>;
static SPARE: Mutex<Option<Spare>> = Mutex::new(None);

/// Starts the threads where the arguments, which nobody has looked at yet, are those of a command with work for all.
pub(crate) fn start_early() {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new("initramfs")) {
        start();
    }
}

/// Makes this thread one of the pool's: else each piece of work is handed over to a thread that has to be woken up for it, while this one
/// waits. Where no threads can be had, this one does all.
fn start() {
    let pool = ThreadPoolBuilder::new()
        .num_threads(number())
        .use_current_thread()
        .start_handler(|_| begin())
        .build();
    // Where one cannot be started, this one does all: it is one of them already.
    let Ok(pool) = pool else { return };
    if pool.current_num_threads() > 1 {
        *lock(&PLACES) = Places::take();
    }
    let started = Instant::now();
    pool.spawn_broadcast(move |thread| {
        if (1..=WAKEFUL).contains(&thread.index()) {
            stay_awake(started);
            leave_places();
        }
    });
    *lock(&POOL) = Some(pool);
}

/// Lets the work of a command be shared with as many threads as can be had. Where one cannot be started, this one does all: it is one
/// of them already.
pub(crate) fn share() {
    if let Ok(pool) = ThreadPoolBuilder::new().use_current_thread().build() {
        *lock(&POOL) = Some(pool);
    }
}

/// How many threads there are to be; 0 stands for as many as rayon takes by itself, which reads about a control group's limit of
/// processor time first. That takes longer than it saves where there are two processors anyway.
fn number() -> usize {
    let is_told = std::env::var_os("RAYON_NUM_THREADS").is_some();
    let allowed = sched_getaffinity(None).map_or(0, |allowed| allowed.count() as usize);
    match allowed {
        1 | 2 if !is_told => allowed,
        _ => 0,
    }
}

/// Lets all threads run anywhere again. To be called before long work: a thread that does it cannot check the clock, and a library's
/// threads would stay where the one runs that starts them.
pub(crate) fn leave_places() {
    if let Some(places) = lock(&PLACES).take() {
        places.leave();
    }
}

/// Ends the threads, without waiting: a process ends sooner without threads that sleep.
pub(crate) fn end() {
    drop(lock(&PLACES).take());
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
        // Where a portion is being done just now, it ends sooner than this thread would wake up.
        let asked = Instant::now();
        while let Err(TryLockError::WouldBlock) = SPARE.try_lock()
            && asked.elapsed() < PORTION
        {
            hint::spin_loop();
        }
        *lock(&SPARE) = None;
    }
}

/// What each thread does first, while the arguments are read.
fn begin() {
    drop(black_box(Vec::<u8>::with_capacity(MEMORY)));
    // The answer is kept for all threads. It takes a dozen CPUID instructions, each of which a virtual machine's host answers.
    #[cfg(target_arch = "x86_64")]
    black_box(std::arch::is_x86_feature_detected!("avx2"));
}

/// Where the threads run: the first one where it is, all others elsewhere.
struct Places {
    threads: Vec<Pid>,
    /// Where all may run.
    allowed: CpuSet,
}

impl Places {
    /// `None` where there is only one processor, and nothing has changed. If the kernel refuses, its scheduler places the threads.
    fn take() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let processor = sched_getcpu();
        let mut here = CpuSet::new();
        here.set(processor);
        let mut elsewhere = allowed;
        elsewhere.unset(processor);
        if elsewhere.count() == 0 {
            return None;
        }
        let number = |thread: DirEntry| thread.file_name().to_str()?.parse().ok();
        let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten();
        let threads: Vec<_> = threads
            .filter_map(number)
            .filter_map(Pid::from_raw)
            .collect();
        let first = gettid();
        for &thread in threads.iter().filter(|&&thread| thread != first) {
            let _ = sched_setaffinity(Some(thread), &elsewhere);
        }
        let _ = sched_setaffinity(None, &here);
        Some(Self { threads, allowed })
    }

    fn leave(self) {
        for thread in self.threads {
            let _ = sched_setaffinity(Some(thread), &self.allowed);
        }
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
