package systems

import (
	"fmt"
	"strconv"
	"strings"
)

// StatusSet is a set of HTTP status codes, as `200-299,404` writes it.
type StatusSet struct{ ranges [][2]int }

// ParseStatusSet reads single codes and inclusive ranges between 100 and 599,
// separated by commas without spaces.
func ParseStatusSet(s string) (StatusSet, error) {
	var set StatusSet
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, err := parseStatusRange(part)
		if err != nil {
			return StatusSet{}, err
		}
		set.ranges = append(set.ranges, [2]int{lo, hi})
	}
	return set, nil
}

func parseStatusRange(part string) (lo, hi int, err error) {
	first, last, isRange := strings.Cut(part, "-")
	if !isRange {
		last = first
	}
	lo, errLo := strconv.Atoi(first)
	hi, errHi := strconv.Atoi(last)
	switch {
	case part != strings.TrimSpace(part):
		return 0, 0, fmt.Errorf("%q has a space; write codes and ranges like 200-299,404", part)
	case errLo != nil || errHi != nil:
		return 0, 0, fmt.Errorf("%q is no status code; write codes and ranges like 200-299,404", part)
	case lo < 100 || hi > 599:
		return 0, 0, fmt.Errorf("%q is outside of the status codes 100 to 599", part)
	case lo > hi:
		return 0, 0, fmt.Errorf("the range %q runs backwards", part)
	}
	return lo, hi, nil
}

// Has tells whether the code is in the set.
func (s StatusSet) Has(code int) bool {
	for _, r := range s.ranges {
		if r[0] <= code && code <= r[1] {
			return true
		}
	}
	return false
}

// Overlaps tells whether the sets share a code.
func (s StatusSet) Overlaps(t StatusSet) bool {
	for _, a := range s.ranges {
		for _, b := range t.ranges {
			if a[0] <= b[1] && b[0] <= a[1] {
				return true
			}
		}
	}
	return false
}

// IsZero tells that the set was never given.
func (s StatusSet) IsZero() bool { return s.ranges == nil }

// String returns the set as it is written.
func (s StatusSet) String() string {
	var b strings.Builder
	for i, r := range s.ranges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(r[0]))
		if r[1] != r[0] {
			b.WriteString("-" + strconv.Itoa(r[1]))
		}
	}
	return b.String()
}

// okStatus is what a response may have unless the configuration says more.
func okStatus() StatusSet { return StatusSet{[][2]int{{200, 299}}} }
