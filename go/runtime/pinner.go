// Pinner keeps objects where they are, which they always are, and alive.

package runtime

import (
	"internal/abi"
	"unsafe"
)

// Pinner holds objects until Unpin.
type Pinner struct{ *pinner }

type pinner struct{ refs []unsafe.Pointer }

// Pin keeps the object that pointer leads to.
func (p *Pinner) Pin(pointer any) {
	e := efaceOf(&pointer)
	if e._type == nil {
		panic(errorString("runtime.Pinner: argument is nil"))
	}
	if k := e._type.Kind(); k != abi.Pointer && k != abi.UnsafePointer {
		panic(errorString("runtime.Pinner: argument is not a pointer: " + toRType(e._type).string()))
	}
	if p.pinner == nil {
		p.pinner = new(pinner)
	}
	p.refs = append(p.refs, e.data)
}

// Unpin lets them go.
func (p *Pinner) Unpin() {
	if p.pinner != nil {
		p.refs = nil
	}
}
