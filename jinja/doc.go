// Package jinja is the template language of Sluice: Jinja2 as Python's
// jinja2 3.1 understands it, strict about undefined names, without a loader,
// without reflection and with a bound on everything a template can spend.
//
// [Compile] reads a template once; the [Template] may then be rendered by any
// number of goroutines at a time. What a template sees are [Value]s, a closed
// set of Python's kinds, looked up by name in [Vars]; what it may call are the
// functions, filters and tests of the language and of the [Set]s handed to
// Compile. [StdSet] holds the ones of the manual.
//
// [CompileValidation] compiles a validation_expression, which decides whether
// a webhook gets in: [Validation.Check] asks it, and [Validation.Probe] tells
// beforehand whether it would let a forged request in.
//
// There is no loader: include, import and extends are errors at compile time,
// and a block is a part of its template.
package jinja
