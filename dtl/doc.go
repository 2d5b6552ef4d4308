// Package dtl is the rule language: JSON arrays as expressions and transforms,
// compiled once to closures and run over batches of entities.
//
// The package knows no function by name. A [Lib] of functions is handed in;
// dtl/stdlib has the documented ones, written through the same exported API as
// anybody's own. A compiled [Program] is immutable and shared; each goroutine
// runs it through its own [Run].
package dtl
