package entity

import "unsafe"

// StringIn is the text that stands in b, without a copy: b must not change while the
// text or a part of it is in use.
func StringIn(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// BytesIn is what s consists of, without a copy, for those who only read it. Whoever
// writes to it breaks the program.
func BytesIn(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
