// Names of kept files that other packages use, whose directives stood in files left out.

package runtime

import _ "unsafe"

//go:linkname write
//go:linkname cgoAlwaysFalse
//go:linkname overflowError
//go:linkname divideError
//go:linkname haveHighResSleep
