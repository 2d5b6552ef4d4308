package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/store"
)

// A pipe that reads from another node runs as soon as that one has something new,
// though its own schedule is far away; also after both were started anew.
func TestSignalFromAfar(t *testing.T) {
	p := newPair(t, 1, func(p *pair) (a, b string) {
		p.b.url = p.b.door.URL
		return `[]`, fmt.Sprintf(`[`+urlSystem+`, {"_id": "copy", "type": "pipe", "source": {"type": "json", "system": "other",
			"supports_since": true, "is_chronological": true, "supports_signalling": true, "url": "datasets/data/entities?history=false"},
			"pump": {"schedule_interval": 1000000}}]`, p.a.door.URL)
	})
	for n := range 3 {
		p.a.start(-1, true)
		p.b.start(-1, true)
		w := p.b.disk.Watch()
		p.a.e.Start()
		p.b.e.Start()
		p.a.put([]store.Op{doc(n, 1)}, false)
		for len(p.b.live("copy")) <= n {
			if _, err := w.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
	}
	post := func(path, token string) int {
		res, err := http.Post(p.b.door.URL+path, "application/json", strings.NewReader(fmt.Sprintf(`{"token": %q}`, token)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	token, _, err := p.b.disk.State(t.Context(), "signal/copy")
	if err != nil || len(token) != 48 {
		t.Fatalf("token %q %v", token, err)
	}
	for path, want := range map[string]int{"/api/pipes/copy/webhook": 200, "/api/pipes/none/webhook": 404} {
		if got := post(path, string(token)); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
		if got := post(path, "x"+string(token[1:])); got != 404 {
			t.Errorf("%s with another token: %d", path, got)
		}
	}
	for query, want := range map[string]int{"webhook=" + url.QueryEscape("http://127.0.0.1:1/x"): 400, "webhook=x&token=t": 400,
		"webhook=" + url.QueryEscape("http://127.0.0.1:1/x") + "&token=t&since=x": 400, "since=4": 200} {
		q, _ := http.NewRequest(http.MethodOptions, p.a.door.URL+"/api/datasets/data/entities?"+query, nil)
		res, err := http.DefaultClient.Do(q)
		if err != nil || res.StatusCode != want {
			t.Errorf("%s: %v %v, want %d", query, res, err, want)
		}
		res.Body.Close()
	}
}
