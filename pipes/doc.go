// Package pipes compiles one pipe of the configuration into source, transforms
// and sink, and runs it: the pump reads, transforms and writes batches, saves
// how far it came in the same commit, and tells the execution log.
package pipes
