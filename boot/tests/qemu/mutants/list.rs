//! Faults of the scheduler that give right results, only late or unfair, and the test that finds each.

use super::switch::Edit;
use super::{Finder, Mutant};
use Edit::{Code, Value};
use Finder::{Machine, Unit};

const SCHEDULE: &str = "runtime/src/proc/schedule.rs";
const SYSCALL: &str = "runtime/src/proc/syscall.rs";
const PREEMPT: &str = "runtime/src/proc/preempt.rs";
const HANDOVER: &str = "runtime/src/proc/handover.rs";
const SYSMON: &str = "runtime/src/proc/sysmon.rs";
const STEAL: &str = "runtime/src/proc/steal.rs";

const fn of(name: &'static str, finder: Finder, file: &'static str, edits: &'static [Edit]) -> Mutant {
    Mutant { name, finder, file, edits }
}

/// All of them.
pub const MUTANTS: [Mutant; 31] = [
    of(
        "go_wakes_nobody",
        Machine("smp2::an_idle_p_is_found"),
        "runtime/src/proc/newproc.rs",
        &[Code(
            "count(pp, 1);\n        «queue_next_and_release(gp, mp, newg);»",
            "super::runqput::runqput((*mp).p, newg, true); releasem(gp);",
        )],
    ),
    of(
        "ready_wakes_nobody",
        Machine("smp2::an_idle_p_is_found"),
        HANDOVER,
        &[Code("queue_and_wake(mp, gp, true);", "super::runqput::runqput((*mp).p, gp, true);")],
    ),
    of(
        "finder_of_work_wakes_nobody",
        Machine("smp4::every_idle_p_is_woken"),
        "runtime/src/proc/spinning.rs",
        &[Code("count_out();\n    «wakep();»", "")],
    ),
    of(
        "thief_leaves_runnext",
        Machine("smp2::an_idle_p_is_found"),
        STEAL,
        &[Value("p2.runq.steal_into(&(*pp).runq, last)", "p2.runq.steal_into(&(*pp).runq, false)")],
    ),
    of(
        "thief_leaves_timers",
        Machine("smp2::a_timer_fires_beside_a_hog"),
        STEAL,
        &[Value("last && p2.timers.wake_time_before_sleep() != 0", "false")],
    ),
    of(
        "poller_is_not_woken",
        Machine("smp2::a_timer_fires_beside_a_hog"),
        "runtime/src/proc/poller.rs",
        &[Code("«if too_late(when) {\n        interrupt();\n    }»\n    true\n}", "")],
    ),
    of(
        "mutex_never_starves",
        Machine("smp1::a_mutex_goes_to_who_starves"),
        "runtime/src/sync/rawmutex.rs",
        &[Value("starving || nanotime() - since > STARVATION_THRESHOLD_NS", "starving")],
    ),
    of(
        "park_gives_runnext_a_slice",
        Machine("smp1::a_pair_shares_a_slice"),
        SCHEDULE,
        &[Value("execute(mp, gp, true)", "execute(mp, gp, false)")],
    ),
    of(
        "queue_gives_runnext_a_slice",
        Machine("smp1::a_pair_shares_a_slice_beside_timers"),
        "runtime/src/proc/runq.rs",
        &[Value("(next, true)", "(next, false)")],
    ),
    of(
        "readied_goroutine_goes_last",
        Machine("smp1::who_is_readied_runs_next"),
        HANDOVER,
        &[Code("queue_and_wake(mp, gp, true);", "queue_and_wake(mp, gp, false);")],
    ),
    of(
        "global_queue_has_no_turn",
        Machine("smp1::the_global_queue_has_its_turn"),
        SCHEDULE,
        &[Value("tick.is_multiple_of(61) && RUNQ_SIZE.load(Ordering::Relaxed) != 0", "false")],
    ),
    of(
        "end_ignores_timers",
        Machine("smp1::timers_have_their_turn"),
        SCHEDULE,
        &[Value("«(*pp).timers.is_empty()» && ATTENTION.load(Ordering::Relaxed) == 0 && !is_turn", "true")],
    ),
    of(
        "park_ignores_the_global_queue",
        Machine("smp1::parking_looks_at_the_global_queue"),
        SCHEDULE,
        &[Value("RUNQ_SIZE.load(Ordering::Relaxed) == 0", "true")],
    ),
    of(
        "yielder_goes_before_sleepers",
        Machine("smp1::sleepers_go_before_who_yields"),
        SCHEDULE,
        &[Value("tick.is_multiple_of(61) && RUNQ_SIZE.load(Ordering::Relaxed) == 1", "false")],
    ),
    of(
        "own_timers_have_no_turn",
        Machine("smp1::timers_have_their_turn"),
        SCHEDULE,
        &[Value("poll_until <= now", "false")],
    ),
    of(
        "handoffp_starts_no_m",
        Machine("smp1::a_blocking_call_leaves_its_queue"),
        SYSCALL,
        &[Code(
            "if !p.runq.is_empty() || RUNQ_SIZE.load(Ordering::SeqCst) != 0 {\n        return startm(pp, false);\n    }",
            "unsafe { sched::lock().pidle_put(pp) };\nreturn;",
        )],
    ),
    of(
        "handoffp_has_nobody_look",
        Machine("smp2::an_idle_p_is_found"),
        SYSCALL,
        &[Value("NMSPINNING.load(Ordering::SeqCst) + NPIDLE.load(Ordering::SeqCst) == 0", "false")],
    ),
    of(
        "handoffp_leaves_the_timers",
        Machine("smp1::a_blocking_call_leaves_its_timers"),
        SYSCALL,
        &[
            Value("NMSPINNING.load(Ordering::SeqCst) + NPIDLE.load(Ordering::SeqCst) == 0", "false"),
            Value("NPIDLE.load(Ordering::SeqCst) == gomaxprocs() as i32 - 1", "false"),
        ],
    ),
    of(
        "returning_call_interrupts_nobody",
        Machine("smp1::a_call_returns_beside_a_lone_hog"),
        SYSCALL,
        &[Code("signal_lone();", "")],
    ),
    of(
        "sysmon_takes_nothing",
        Machine("smp1::sysmon_takes_the_queue_of_a_call"),
        SYSMON,
        &[Value("pp.try_take_from_syscall(PStatus::Idle)", "false")],
    ),
    of(
        "sysmon_is_not_woken",
        Machine("smp1::sysmon_takes_the_queue_of_a_call"),
        SYSMON,
        &[Value("SLEEPING.load(Ordering::SeqCst)", "false")],
    ),
    of(
        "sysmon_counts_no_idle_rounds",
        Unit("sysmon_slows_down_while_there_is_nothing_to_do"),
        SYSMON,
        &[Value("self.idle.saturating_add(1)", "self.idle")],
    ),
    of(
        "slice_start_is_not_renewed",
        Machine("smp1::hogs_take_turns_of_a_slice"),
        SCHEDULE,
        &[Code(
            "«(*pp).slice_start.store(port::cputicks(), Ordering::Relaxed);»\n        }\n        super::preempt::slice_begins",
            "",
        )],
    ),
    of(
        "yield_leaves_a_spent_slice",
        Machine("smp1::who_is_woken_at_the_end_of_a_slice_has_a_whole_one"),
        SCHEDULE,
        &[Code("«(*pp).slice_start.store(port::cputicks(), Ordering::Relaxed);»\n        let tick", "")],
    ),
    of(
        "slice_ends_with_any_interrupt",
        Machine("smp1::hogs_take_turns_of_a_slice"),
        PREEMPT,
        &[Value("(ran_ns(&*pp) < slice_ns() && !schedseed::is_on())", "false")],
    ),
    of(
        "slice_begins_when_armed",
        Machine("smp1::a_slice_counts_from_its_beginning"),
        PREEMPT,
        &[Value("now + slice - ran_ns(pp).clamp(0, slice)", "now + slice")],
    ),
    of(
        "queueing_arms_no_slice",
        Machine("smp1::a_slice_counts_from_its_beginning"),
        PREEMPT,
        &[Value("if «is_lone(pp)» {\n            arm((*pp).m, pp);", "false")],
    ),
    of(
        "timer_arms_no_slice",
        Machine("smp1::a_timer_ends_a_lone_slice"),
        PREEMPT,
        &[Value("!pp.is_null() && (*pp).lone.load(Ordering::Relaxed)", "false")],
    ),
    of(
        "refused_preemption_is_dropped",
        Machine("smp1::a_refused_preemption_is_repeated"),
        PREEMPT,
        &[Code(
            "mp.slice_armed.store(true, Ordering::Relaxed);\n        set_timer(mp, port::nanotime() + (RETRY_NS << doublings.min(DOUBLINGS)));",
            "",
        )],
    ),
    of(
        "refused_preemption_never_slows",
        Machine("smp1::a_refused_preemption_comes_less_often"),
        PREEMPT,
        &[Value("let doublings = «refusals.saturating_sub(STEADY_RETRIES)»;", "0")],
    ),
    of(
        "room_is_not_checked",
        Machine("smp1::no_preemption_without_room"),
        PREEMPT,
        &[Value("sp - gp.stack.lo > need && port::stack_back(gp.stack, sp - need, sp)", "true")],
    ),
];
