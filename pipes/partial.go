package pipes

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/sources"
)

// shifted moves a continuation back by delta: a whole number by so much, a time
// by so many seconds, each part of one that has several; false if it is none
// of these.
func shifted(since string, delta int64) (string, bool) {
	if parts, ok := composite(since); ok {
		for key, at := range parts {
			if parts[key] = at - delta; parts[key] < 0 {
				delete(parts, key) // from the beginning
			}
		}
		return compose(parts), true
	}
	if strings.Contains(since, ",") {
		return shiftedList(since, delta)
	}
	if n, err := strconv.ParseInt(since, 10, 64); err == nil {
		if n -= delta; n < 0 {
			return "", true
		}
		return strconv.FormatInt(n, 10), true
	}
	return shiftedTime(since, delta)
}

// shiftedList moves each element of a list, as the node API takes it.
func shiftedList(since string, delta int64) (string, bool) {
	parts := strings.Split(since, ",")
	for i, part := range parts {
		moved, ok := shifted(strings.TrimSpace(part), delta)
		if !ok {
			return "", false
		}
		if moved == "" {
			moved = "-1"
		}
		parts[i] = moved
	}
	return strings.Join(parts, ","), true
}

// moment takes a time apart: what stands around date and time of day stays as
// it is, fractions and zone included.
var moment = regexp.MustCompile(`^(~t)?(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d:\d\d)(.*))?$`)

func shiftedTime(since string, delta int64) (string, bool) {
	m := moment.FindStringSubmatch(since)
	if m == nil {
		return "", false
	}
	layout, text := time.DateOnly, m[2]
	if m[4] != "" {
		layout, text = time.DateTime, m[2]+" "+m[4]
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return "", false
	}
	moved := t.Add(-time.Duration(delta) * time.Second).Format(layout)
	return m[1] + strings.Replace(moved, " ", m[3], 1) + m[5], true
}

// composite reads the continuation of a source of several datasets.
func composite(since string) (map[string]int64, bool) {
	parts := map[string]int64{}
	if !strings.HasPrefix(since, "{") || json.Unmarshal([]byte(since), &parts) != nil {
		return nil, false
	}
	return parts, true
}

func compose(parts map[string]int64) string {
	if len(parts) == 0 {
		return ""
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return "" // numbers by text always marshal
	}
	return string(text)
}

// further returns the continuation that is further on. A partial rescan must
// not move the offset back.
func further(a, b string) string {
	x, okX := composite(a)
	y, okY := composite(b)
	if okX && okY {
		for _, key := range slices.Collect(maps.Keys(y)) {
			x[key] = max(x[key], y[key])
		}
		return compose(x)
	}
	if sources.Newer(b, a) {
		return b
	}
	return a
}
