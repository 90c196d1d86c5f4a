// Timers: the kernel's.

package runtime

import "unsafe"

//go:linkname timeSleep time.Sleep
func timeSleep(ns int64) {
	if ns > 0 {
		gzSleep(ns)
	}
}

// time.runtimeNow and time.runtimeNano are in gzero_amd64.s.

//go:linkname time_runtimeIsBubbled time.runtimeIsBubbled
func time_runtimeIsBubbled() bool { return getg().bubble != nil }

//go:linkname crypto_internal_fips140deps_time_monoTime crypto/internal/fips140deps/time.monoTime
func crypto_internal_fips140deps_time_monoTime() (mono int64) { return nanotime() }

// timeTimer begins as time.Timer and time.Ticker do; then comes what the kernel has of it (runtime/src/goabi/time.rs).
type timeTimer struct {
	c    unsafe.Pointer // <-chan time.Time
	init bool

	kernel [10]uintptr
	f      func(arg any, seq uintptr, delay int64)
	arg    any
	// Of a channel's timer: a channel with room for one value, which f is made to send to when a receiver takes the value.
	scratch *hchan
}

// newTimer makes a timer that calls f(arg) at when, and then each period. If c is not nil, f sends the time to it, and arg is c: then the kernel makes c a
// channel without a buffer whose sender is the timer itself, so that len and cap are 0 and no value is old (runtime/src/chan/timer_chan.rs).
//
//go:linkname newTimer time.newTimer
func newTimer(when, period int64, f func(arg any, seq uintptr, delay int64), arg any, c *hchan) *timeTimer {
	t := new(timeTimer)
	t.f = f
	t.arg = arg
	if c != nil {
		ct := (*chantype)(unsafe.Pointer(efaceOf(&arg)._type))
		t.scratch = makechan(ct, 1)
		efaceOf(&t.arg).data = unsafe.Pointer(t.scratch)
		c.owner = unsafe.Pointer(t)
	}
	t.init = true
	gzTimerInit(&t.kernel, t, when, period, c)
	return t
}

// timerFire is called by the kernel, on a scheduler's stack, when t goes off: with elem, a receiver's room, for a channel's timer.
func timerFire(t *timeTimer, delay int64, elem unsafe.Pointer) {
	t.f(t.arg, 0, delay)
	if elem != nil {
		gzChanrecvNB(t.scratch, elem)
	}
}

//go:linkname stopTimer time.stopTimer
func stopTimer(t *timeTimer) bool

//go:linkname resetTimer time.resetTimer
func resetTimer(t *timeTimer, when, period int64) bool
