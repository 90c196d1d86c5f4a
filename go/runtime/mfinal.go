// Finalizers. The kernel knows which objects have some and queues them; here they are checked and called.

package runtime

import (
	"internal/abi"
	"internal/goarch"
	"internal/runtime/atomic"
	"unsafe"
)

// Kinds of what hangs on an object, as runtime/src/goabi/collect.rs knows them.
const (
	gzFinalizer = 0
	gzCleanup   = 1
	gzSampled   = 2
)

// Objects of less than this without pointers share blocks.
const gzTinyBlock = 16

// gzsystem counts the goroutines that are not the program's.
var gzsystem atomic.Int32

// gzfing is 1 when there is a goroutine that calls finalizers.
var gzfing atomic.Uint32

// gzfinalized counts the finalizers that were called.
var gzfinalized atomic.Uint64

// gzoutside says whether p leads to memory of the program that is not allocated.
func gzoutside(p uintptr) bool {
	if p == uintptr(unsafe.Pointer(&zerobase)) {
		return true
	}
	for md := &firstmoduledata; md != nil; md = md.next {
		if md.noptrdata <= p && p < md.enoptrdata || md.data <= p && p < md.edata ||
			md.bss <= p && p < md.ebss || md.noptrbss <= p && p < md.enoptrbss {
			return true
		}
	}
	return false
}

// SetFinalizer has finalizer called with obj, in a goroutine of its own, when nobody else can reach obj.
func SetFinalizer(obj any, finalizer any) {
	// Or the compiler, which sees no pointer kept, puts the object on a stack.
	obj, finalizer = abi.Escape(obj), abi.Escape(finalizer)
	e, f := efaceOf(&obj), efaceOf(&finalizer)
	if e._type == nil {
		throw("runtime.SetFinalizer: first argument is nil")
	}
	if e._type.Kind() != abi.Pointer {
		throw("runtime.SetFinalizer: first argument is " + toRType(e._type).string() + ", not pointer")
	}
	elem := (*ptrtype)(unsafe.Pointer(e._type)).Elem
	if elem == nil {
		throw("nil elem type!")
	}
	base, size := gzFindObject(uintptr(e.data))
	if base == 0 {
		if gzoutside(uintptr(e.data)) {
			// It never dies.
			return
		}
		throw("runtime.SetFinalizer: pointer not in allocated block")
	}
	tiny := size == gzTinyBlock && !elem.Pointers() && elem.Size_ < gzTinyBlock
	if uintptr(e.data) != base && !tiny {
		throw("runtime.SetFinalizer: pointer not at beginning of allocated block")
	}
	if f._type == nil {
		gzRemoveSpecial(gzFinalizer, uintptr(e.data), 0)
		return
	}
	if f._type.Kind() != abi.Func {
		throw("runtime.SetFinalizer: second argument is " + toRType(f._type).string() + ", not a function")
	}
	ft := (*functype)(unsafe.Pointer(f._type))
	refuse := "runtime.SetFinalizer: cannot pass " + toRType(e._type).string() + " to finalizer " + toRType(f._type).string()
	if ft.IsVariadic() {
		throw(refuse + " because dotdotdot")
	}
	if ft.InCount != 1 || !gztakes(ft.InSlice()[0], e._type, elem) {
		throw(refuse)
	}
	results := uintptr(0)
	for _, t := range ft.OutSlice() {
		results = alignUp(results, uintptr(t.Align_)) + t.Size_
	}
	results = alignUp(results, goarch.PtrSize)
	if gzfing.CompareAndSwap(0, 1) {
		gzsystem.Add(1)
		go runFinalizers()
	}
	what := [4]uintptr{uintptr(f.data), results, uintptr(unsafe.Pointer(ft.InSlice()[0])), uintptr(unsafe.Pointer(e._type))}
	if gzAddSpecial(gzFinalizer, e.data, &what) == ^uint64(0) {
		throw("runtime.SetFinalizer: finalizer already set")
	}
	KeepAlive(obj)
	KeepAlive(finalizer)
}

// gztakes says whether a function's parameter can be a pointer of type t to elem.
func gztakes(param, t, elem *_type) bool {
	switch {
	case param == t:
		return true
	case param.Kind() == abi.Pointer:
		return (param.Uncommon() == nil || t.Uncommon() == nil) && (*ptrtype)(unsafe.Pointer(param)).Elem == elem
	case param.Kind() == abi.Interface:
		methods := (*interfacetype)(unsafe.Pointer(param))
		return len(methods.Methods) == 0 || assertE2I2(methods, t) != nil
	}
	return false
}

// runFinalizers is the goroutine that calls finalizers. Its name is known to tracebacks.
func runFinalizers() {
	for {
		gzrunfinalizer()
	}
}

// gzrunfinalizer waits for one finalizer and calls it. In a frame of its own, where nothing stays of the object.
//
//go:noinline
func gzrunfinalizer() {
	var due [5]uintptr
	gzNextReady(gzFinalizer, &due)
	obj, param := unsafe.Pointer(due[0]), (*_type)(unsafe.Pointer(due[3]))
	var regs abi.RegArgs
	at := unsafe.Pointer(&regs.Ints)
	if param.Kind() == abi.Pointer {
		*(*unsafe.Pointer)(at) = obj
	} else {
		e := (*eface)(at)
		e._type, e.data = (*_type)(unsafe.Pointer(due[4])), obj
		if methods := (*interfacetype)(unsafe.Pointer(param)); len(methods.Methods) != 0 {
			(*iface)(at).tab = assertE2I(methods, e._type)
		}
	}
	size := unsafe.Sizeof((any)(nil)) + due[2]
	frame := mallocgc(size, nil, true)
	fingStatus.Or(fingRunningFinalizer)
	reflectcall(nil, unsafe.Pointer(due[1]), frame, uint32(size), uint32(size), uint32(size), &regs)
	fingStatus.And(^fingRunningFinalizer)
	gzfinalized.Add(1)
	due, regs = [5]uintptr{}, abi.RegArgs{}
}
