// Package urlquery makes queries of addresses fit to be sent.
package urlquery

import (
	"fmt"
	"strings"
)

// Escape escapes what must not stand in the line of a request, and leaves the rest
// as somebody wrote it.
func Escape(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`{}\\", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
