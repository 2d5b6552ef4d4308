// Package entity is the data model of Sluice: a closed set of value kinds,
// ordered dictionaries, exact numbers, the JSON and transit wire form, the
// content hash and the total order of values.
//
// A [Value] is 24 bytes and copied freely. Its text, elements and members live
// in an [Arena] or on the heap and never change once the value is made, so
// values may be shared between goroutines for as long as their arena is not
// reset. A value that must outlive its arena is detached with [Value.Clone].
//
// The package imports nothing of Sluice.
package entity
