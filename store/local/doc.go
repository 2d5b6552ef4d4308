// Package local is the embedded engine behind package store: one process, one
// data folder, no server.
//
// Segment files in log/ are the truth: append-only, checksummed, and synced
// before a batch counts. One group commit is one frame, so a torn tail is cut
// off whole. index/ is a Pebble database that only says where things stand in
// the log; it is written without waiting for the disk and can be deleted at
// any time, at the price of a rebuild.
//
// See docs/adr/0003-store.md for why it is built this way.
package local
