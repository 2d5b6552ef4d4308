package stdlib_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/dtl"
	"github.com/sluiceio/sluice/entity"
)

// FuzzDatePattern: no pattern, zone or time does harm, and what a pattern that
// says all of a time writes and reads is written the same again.
func FuzzDatePattern(f *testing.F) {
	l := lib(f)
	for _, p := range []string{"%Y-%m-%dT%H:%M:%S.%fZ", "%d/%m/%y %I:%M %p", "%j %U %w %a %A %b %B", "%s", "%%%Y", "%Y%m%d%z", "%c|%x|%X|%Z", "", "%", "%Q", "%-d", "%N"} {
		f.Add(p, "Europe/Oslo", int64(1_700_000_000), int64(123_456_789), "2024-02-29")
	}
	f.Fuzz(func(t *testing.T, pattern, zone string, seconds, nanos int64, text string) {
		if len(pattern)+len(text) > 200 || !json.Valid([]byte(quoted(pattern))) {
			return
		}
		at := entity.NewDatetime(time.Unix(seconds%10_000_000_000, nanos).UTC())
		run := func(call string, v entity.Value) entity.Value {
			source := `["` + call + `",` + quoted(zone) + `,` + quoted(pattern) + `,"_S.v"]`
			e, _ := dtl.CompileExpr(node(t, "e", []byte(source)), nil, dtl.Options{Lib: l})
			if e == nil {
				return entity.Value{} // the pattern is refused
			}
			r, err := dtl.NewRun(e.Program(), &dtl.MemHost{}).Eval(t.Context(), e, entity.NewDict(entity.Member{Key: "v", Value: v}), entity.NewDict(), entity.NewArena())
			if err != nil {
				return entity.Value{}
			}
			return r
		}
		run("datetime-parse", entity.NewString(strings.ToValidUTF8(text, "?")))
		once := run("datetime-format", at)
		read := run("datetime-parse", once)
		if read.IsNull() || !unambiguous(pattern) {
			return
		}
		if again := run("datetime-format", read); !entity.Equal(again, once) {
			t.Errorf("%q in %q: %s is written as %s, read as %s and written as %s", pattern, zone, at, once, read, again)
		}
	})
}

// unambiguous tells whether a pattern says all of a time, to the second, once.
func unambiguous(pattern string) bool {
	for _, d := range []string{"%Y", "%m", "%d", "%H", "%M", "%S"} {
		if strings.Count(pattern, d) != 1 {
			return false
		}
	}
	return !strings.ContainsAny(pattern, "peIyz") && strings.Count(pattern, "%f") <= 1
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
