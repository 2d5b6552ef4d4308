package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// check compares an engine's output with the expected lines: members in any
// order, numbers within 1e-9 of their size.
func check(task string, lines [][]byte, e engine) error {
	want, err := expected(task, lines)
	if err != nil {
		return err
	}
	for i, line := range lines {
		got, err := e(nil, line)
		if err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(want[i]) == 0 && len(got) == 0 {
			continue
		}
		var g, w any
		if err := json.Unmarshal(got, &g); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if err := json.Unmarshal(want[i], &w); err != nil {
			return err
		}
		if !same(g, w) {
			return fmt.Errorf("line %d: got %s, want %s", i+1, got, want[i])
		}
	}
	return nil
}

// expected are the results of a task; those of T6 the hand-written ones, which
// all must agree with.
func expected(task string, lines [][]byte) ([][]byte, error) {
	if task != eventTask {
		return readLines(strings.ToLower(task) + ".expected.ndjson")
	}
	e, err := handEngine(task)
	want := make([][]byte, len(lines))
	for i := 0; i < len(lines) && err == nil; i++ {
		want[i], err = e(nil, lines[i])
	}
	return want, err
}

func same(a, b any) bool {
	switch a := a.(type) {
	case object:
		b, ok := b.(object)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !same(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= 1e-9*max(1, math.Abs(b))
	default:
		return a == b
	}
}
