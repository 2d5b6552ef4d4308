// Package jsrun runs JavaScript that others wrote: one function, one argument,
// one result, within bounds of time, memory and size.
//
// [Bundle] makes one script of a file and what it imports. A [Pool] runs
// functions of such scripts in processes of their own, each of which runs one
// call at a time, in a runtime that was made before the call came and is thrown
// away after it. What goes beyond its bounds ends its process, which costs its
// caller an error and nobody else anything. The only ways out of a runtime are
// its result, what it wrote to the console, and [Call.Host].
//
// To measure what a JavaScript handler costs: a node with an integration of
// package dialects/membrane receives at the address that GET
// /integrations/{id}/global-webhooks tells; the same without JavaScript is a
// pipe with the source webhook. Without HTTP, [Pool.Call] is the call alone.
package jsrun
