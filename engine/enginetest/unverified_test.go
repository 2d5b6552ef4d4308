package enginetest

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// verify_ssl of global_defaults is for systems that do not say it themselves.
func TestVerifySSLOfNode(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[{"_id": "1"}]`)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	for _, c := range []struct {
		node, system string
		read         bool
	}{
		{"", "", false}, {`, "global_defaults": {"verify_ssl": false}`, "", true}, {`, "global_defaults": {"verify_ssl": true}`, "", false},
		{`, "global_defaults": {"verify_ssl": false}`, `, "verify_ssl": true`, false}, {`, "global_defaults": {"verify_ssl": true}`, `, "verify_ssl": false`, true},
	} {
		e := open(t, memory(t), parse(t, `[{"_id": "node", "type": "metadata"`+c.node+`}, {"_id": "s", "type": "system:url", "base_url": "`+srv.URL+`"`+c.system+`},
			{"_id": "p", "type": "pipe", "source": {"type": "json", "system": "s", "url": "/"}}]`))
		p, _ := e.Pipe("p")
		if stats, err := p.Run(t.Context(), false); (err == nil && stats.Read == 1) != c.read {
			t.Errorf("node %q, system %q: %d read, %v", c.node, c.system, stats.Read, err)
		}
	}
}
