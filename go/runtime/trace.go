// The execution trace of package runtime/trace: none. The kernel has its own.

package runtime

import _ "unsafe"

func StartTrace() error { return errorString("execution traces are not supported") }
func StopTrace()        {}
func ReadTrace() []byte { return nil }

//go:nosplit
func traceEnabled() bool { return false }

//go:linkname traceAdvance
func traceAdvance(stopTrace bool) {}

//go:linkname traceClockNow
func traceClockNow() traceTime { return traceTime(nanotime()) }

//go:linkname traceClockUnitsPerSecond runtime/trace.runtime_traceClockUnitsPerSecond
func traceClockUnitsPerSecond() uint64 { return 1e9 }

//go:linkname trace_userLog runtime/trace.userLog
func trace_userLog(id uint64, category, message string) {}

//go:linkname trace_userRegion runtime/trace.userRegion
func trace_userRegion(id, mode uint64, name string) {}

//go:linkname trace_userTaskCreate runtime/trace.userTaskCreate
func trace_userTaskCreate(id, parentID uint64, taskType string) {}

//go:linkname trace_userTaskEnd runtime/trace.userTaskEnd
func trace_userTaskEnd(id uint64) {}
