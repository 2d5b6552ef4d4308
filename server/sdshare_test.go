package server_test

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
)

// A reader who follows the feeds from the collection to the fragments gets each
// resource, and by since only those that changed later.
func TestSDShare(t *testing.T) {
	e, s := node(t, inMemory(t), `[{"_id": "node", "type": "metadata", "namespaces": {"default": {"x": "http://x.org/"}}},
		{"_id": "in", "type": "pipe", "source": {"type": "embedded", "entities": [
			{"_id": "x:a b/c", "x:name": "Ada <1>", "x:knows": "~:x:2", "x:n": 5}, {"_id": "x:2", "_deleted": true}]}},
		{"_id": "strange", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "unknown:1"}]}}]`)
	if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	type feed struct {
		Links []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
		Entries []struct {
			Updated  string `xml:"updated"`
			Resource string `xml:"http://www.sdshare.org/2012/core/ resource"`
			Link     struct {
				Href string `xml:"href,attr"`
			} `xml:"link"`
		} `xml:"http://www.w3.org/2005/Atom entry"`
	}
	get := func(address string) (f feed) {
		t.Helper()
		status, text := do(t, "GET", address, "")
		if err := xml.Unmarshal([]byte(text), &f); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, text, err)
		}
		return f
	}
	c := get(s.URL + "/api/datasets/in/sdshare-collection")
	if len(c.Links) != 1 || c.Links[0].Rel != "http://www.sdshare.org/2012/core/fragmentsfeed" {
		t.Fatalf("%+v", c)
	}
	f := get(c.Links[0].Href)
	if len(f.Entries) != 2 || f.Entries[0].Resource != "http://x.org/a%20b/c" || f.Entries[1].Resource != "http://x.org/2" {
		t.Fatalf("%+v", f)
	}
	status, text := do(t, "GET", f.Entries[0].Link.Href, "")
	want := "<http://x.org/a%20b/c> <http://x.org/name> \"Ada <1>\".\n<http://x.org/a%20b/c> <http://x.org/knows> <http://x.org/2>.\n" +
		"<http://x.org/a%20b/c> <http://x.org/n> \"5\"^^<http://www.w3.org/2001/XMLSchema#integer>.\n"
	if status != 200 || text != want {
		t.Errorf("%d %s", status, text)
	}
	if status, text := do(t, "GET", f.Entries[1].Link.Href, ""); status != 200 || text != "" {
		t.Errorf("what is deleted says %d %s", status, text)
	}
	later := get(c.Links[0].Href + "?since=" + url.QueryEscape(f.Entries[1].Updated))
	if len(later.Entries) != 1 || later.Entries[0].Resource != "http://x.org/2" {
		t.Errorf("%+v", later)
	}
	for path, want := range map[string]int{"none/sdshare-collection": 404, "none/sdshare-fragments": 404, "in/sdshare-fragments?since=soon": 400,
		"in/sdshare-fragments/x:9": 404, "none/sdshare-fragments/x": 404, "strange/sdshare-fragments": 500, "strange/sdshare-fragments/unknown:1": 500} {
		if got, text := do(t, "GET", s.URL+"/api/datasets/"+path, ""); got != want || !strings.Contains(text, `"error"`) {
			t.Errorf("%s: %d %s, want %d", path, got, text, want)
		}
	}
}
