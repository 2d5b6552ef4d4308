package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// find returns an entity of a dataset, nil if it is not there.
func (t *tour) find(ctx context.Context, dataset, id string) (map[string]any, error) {
	all, err := t.node.entities(ctx, dataset)
	if errors.Is(err, errNotFound) {
		return nil, nil // not made yet
	}
	i := slices.IndexFunc(all, func(e map[string]any) bool { return e["_id"] == id })
	if i < 0 {
		return nil, err
	}
	return all[i], err
}

// holds tells whether an entity has all the values given.
func holds(e, want map[string]any) bool {
	for key, v := range want {
		if e[key] != v {
			return false
		}
	}
	return e != nil
}

// table prints the columns given of a dataset, those that any entity has.
func (t *tour) table(ctx context.Context, dataset string, columns ...string) error {
	all, err := t.node.entities(ctx, dataset)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["_id"]), fmt.Sprint(b["_id"])) })
	columns = slices.DeleteFunc(append([]string{"_id"}, columns...), func(c string) bool {
		return !slices.ContainsFunc(all, func(e map[string]any) bool { return e[c] != nil })
	})
	rows := [][]string{columns}
	for _, e := range all {
		rows = append(rows, row(e, columns))
	}
	say("\n   %s", dataset)
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			fmt.Fprintf(&line, "  %-*s", width(rows, i), cell)
		}
		say("   %s", strings.TrimRight(line.String(), " "))
	}
	return nil
}

func row(e map[string]any, columns []string) []string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		if e[c] != nil {
			cells[i] = fmt.Sprint(e[c])
		}
	}
	if e["_deleted"] == true {
		cells = append(cells, "deleted")
	}
	return cells
}

func width(rows [][]string, column int) int {
	w := 0
	for _, r := range rows {
		if column < len(r) {
			w = max(w, len(r[column]))
		}
	}
	return w
}
