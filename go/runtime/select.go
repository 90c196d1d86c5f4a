// select: the kernel's. scase is known to the compiler.

package runtime

import "unsafe"

type scase struct {
	c    *hchan
	elem unsafe.Pointer
}

func block() { gzPark(gzWaitSelectNoCases) }

// The kernel's numbers of reasons to wait.
const (
	gzWaitSelectNoCases = 3
	gzWaitSemacquire    = 7
	gzWaitMutexLock     = 10
	gzWaitRWMutexRLock  = 11
	gzWaitRWMutexLock   = 12
	gzWaitWaitGroup     = 13

	gzWaitSynctestWaitGroup = 18
)

func selectsetpc(pc *uintptr) {}

//go:noescape
func selectgo(cas0 *scase, order0 *uint16, pc0 *uintptr, nsends, nrecvs int, block bool) (int, bool)

// A reflect.runtimeSelect.
type runtimeSelect struct {
	dir int // 1: send, 2: receive, 3: default
	typ unsafe.Pointer
	ch  *hchan
	val unsafe.Pointer
}

//go:linkname reflect_rselect reflect.rselect
func reflect_rselect(cases []runtimeSelect) (int, bool) {
	n := len(cases)
	if n == 0 {
		block()
	}
	// Sends come first, from the front, receives from the back.
	list, at, order := make([]scase, n), make([]int, n), make([]uint16, 2*n)
	sends, recvs, other := 0, 0, -1
	for i := range cases {
		k := &cases[i]
		j := 0
		switch k.dir {
		case 1:
			j = sends
			sends++
		case 2:
			recvs++
			j = n - recvs
		default:
			other = i
			continue
		}
		list[j] = scase{k.ch, k.val}
		at[j] = i
	}
	if sends+recvs == 0 {
		if other < 0 {
			block()
		}
		return other, false
	}
	copy(list[sends:], list[n-recvs:])
	copy(at[sends:], at[n-recvs:])
	i, ok := selectgo(&list[0], &order[0], nil, sends, recvs, other < 0)
	if i < 0 {
		return other, false
	}
	// Of a send nothing is received.
	return at[i], ok && i >= sends
}
