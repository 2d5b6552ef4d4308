package enginetest

import (
	"fmt"
	"testing"
)

// A full run that reads nothing fails where the source, or else the node, says
// so, and deletes nothing then. Incremental runs may always find nothing.
func TestIfSourceEmpty(t *testing.T) {
	for _, c := range []struct {
		source, node string
		fails        bool
	}{
		{``, ``, false},
		{`, "if_source_empty": "fail"`, ``, true},
		{``, `"fail"`, true},
		{``, `"accept"`, false},
		{`, "if_source_empty": "accept"`, `"fail"`, false},
		{`, "if_source_empty": "fail"`, `"accept"`, true},
	} {
		global := ``
		if c.node != "" {
			global = `, "global_defaults": {"if_source_empty": ` + c.node + `}`
		}
		st := memory(t)
		put(t, st, "in", numbered(1, 3, 1), true)
		e := open(t, st, parse(t, fmt.Sprintf(`[{"_id": "node", "type": "metadata"%s},
			{"_id": "out", "type": "pipe", "source": {"type": "dataset", "dataset": "in", "subset": ["eq", "_S.n", 1]%s}}]`, global, c.source)))
		runPipe(t, e, false)
		runPipe(t, e, false)
		before := live(t, st, "out")
		if err := st.Drop(t.Context(), "in"); err != nil {
			t.Fatal(err)
		}
		put(t, st, "in", nil, true)
		p, _ := e.Pipe("out")
		_, err := p.Run(t.Context(), true)
		if after := live(t, st, "out"); (err != nil) != c.fails || c.fails && after != before || !c.fails && after != "" {
			t.Errorf("source %s, node %s: %v, leaving\n%s", c.source, c.node, err, after)
		}
	}
}
