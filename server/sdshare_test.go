package server_test

import (
	"encoding/json"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
)

// feed is what readers take of a feed.
type feed struct {
	Links []struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Entries []struct {
		Title    string `xml:"title"`
		Updated  string `xml:"updated"`
		Resource string `xml:"http://www.sdshare.org/2012/core/ resource"`
		Link     struct {
			Href string `xml:"href,attr"`
		} `xml:"link"`
	} `xml:"http://www.w3.org/2005/Atom entry"`
}

// feedAt reads a feed.
func feedAt(t *testing.T, address string) (f feed) {
	t.Helper()
	status, text := do(t, "GET", address, "")
	if err := xml.Unmarshal([]byte(text), &f); err != nil || status != 200 {
		t.Fatalf("%s: %d %s: %v", address, status, text, err)
	}
	return f
}

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
	c := feedAt(t, s.URL+"/api/datasets/in/sdshare-collection")
	if len(c.Links) != 1 || c.Links[0].Rel != "http://www.sdshare.org/2012/core/fragmentsfeed" {
		t.Fatalf("%+v", c)
	}
	f := feedAt(t, c.Links[0].Href)
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
	later := feedAt(t, c.Links[0].Href+"?since="+url.QueryEscape(f.Entries[1].Updated))
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

// publishedFeeds is a node with publishers that have feeds.
func publishedFeeds(t *testing.T) string {
	t.Helper()
	e, s := node(t, inMemory(t), `[{"_id": "node", "type": "metadata", "namespaces": {"default": {"x": "http://x.org/"}}},
		{"_id": "in", "type": "pipe", "source": {"type": "embedded", "entities": [
			{"_id": "x:1", "x:name": "Ada"}, {"_id": "x:2", "x:name": "Bob"}, {"_id": "x:3", "x:name": "Cy", "x:hidden": true}, {"_id": "x:4", "_deleted": true}]}},
		{"_id": "plain", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"type": "http_endpoint"}},
		{"_id": "shaped", "type": "pipe", "source": {"type": "dataset", "dataset": "in"}, "sink": {"type": "http_endpoint"},
		 "transform": {"type": "dtl", "rules": {"default": [["if", "_S.x:hidden", ["filter", false]],
			["create", ["dict", "_id", ["concat", "_S._id", "-card"], "x:of", "_S._id"]],
			["add", "_id", ["concat", "_S._id", "/", "_B.lang"]], ["copy", "x:name"]]}}},
		{"_id": "fixed", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "x:9", "x:n": 1}]}, "sink": {"type": "http_endpoint"},
		 "transform": {"type": "dtl", "rules": {"default": [["add", "_id", "x:10"], ["copy", "x:n"]]}}},
		{"_id": "strange", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "unknown:1"}]}, "sink": {"type": "http_endpoint"}}]`)
	if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	return s.URL + "/api/publishers/"
}

// told is what the feed and the fragments it leads to say.
func told(t *testing.T, address string) string {
	t.Helper()
	out := ""
	for _, e := range feedAt(t, address).Entries {
		status, text := do(t, "GET", e.Link.Href, "")
		if status != 200 {
			t.Errorf("%s: %d", e.Link.Href, status)
		}
		out += e.Resource + "\n" + text
	}
	return out
}

func TestSDShareOfPublishers(t *testing.T) {
	api := publishedFeeds(t)
	c := feedAt(t, api+"shaped/sdshare-collection?lang=en&since=5")
	if len(c.Links) != 1 || c.Links[0].Href != api+"shaped/sdshare-fragments?lang=en" {
		t.Fatalf("%+v", c.Links)
	}
	const name, of = " <http://x.org/name> ", " <http://x.org/of> "
	ada, bob := "http://x.org/1/en", "http://x.org/2/en"
	bobs := "http://x.org/2-card\n<http://x.org/2-card>" + of + "\"x:2\".\n" + bob + "\n<" + bob + ">" + name + "\"Bob\".\n"
	gone := "http://x.org/4-card\nhttp://x.org/4/en\n"
	for _, c := range []struct{ address, want string }{
		{c.Links[0].Href, "http://x.org/1-card\n<http://x.org/1-card>" + of + "\"x:1\".\n" + ada + "\n<" + ada + ">" + name + "\"Ada\".\n" + bobs + gone},
		{c.Links[0].Href + "&since=0", bobs + gone},
		{c.Links[0].Href + "&since=0&limit=1", bobs},
		{c.Links[0].Href + "&since=2999-01-01T00:00:00Z", ""},
		{api + "plain/sdshare-fragments?since=1", "http://x.org/3\n<http://x.org/3>" + name + "\"Cy\".\n<http://x.org/3> <http://x.org/hidden> \"true\"^^<http://www.w3.org/2001/XMLSchema#boolean>.\nhttp://x.org/4\n"},
		{api + "fixed/sdshare-fragments", "http://x.org/10\n<http://x.org/10> <http://x.org/n> \"1\"^^<http://www.w3.org/2001/XMLSchema#integer>.\n"},
	} {
		if got := told(t, c.address); got != c.want {
			t.Errorf("%s\n%swant\n%s", c.address, got, c.want)
		}
	}
	for path, want := range map[string]int{"none/sdshare-collection": 404, "in/sdshare-fragments": 405, "plain/sdshare-fragments?since=soon": 400,
		"plain/sdshare-fragments?limit=x": 400, "plain/sdshare-fragments/x:77": 200, "strange/sdshare-fragments": 500, "strange/sdshare-fragments/unknown:1": 500} {
		if got, text := do(t, "GET", api+path, ""); got != want {
			t.Errorf("%s: %d %s, want %d", path, got, text, want)
		}
	}
}

// Readers who take a few entries at once, of a dataset or a publisher, and go on where
// the feed says so, or from the time of the last entry, get what one gets who takes all.
func TestSDShareGoesOn(t *testing.T) {
	api := publishedFeeds(t)
	for _, base := range []string{api + "shaped/sdshare-fragments?lang=en", api + "plain/sdshare-fragments?", strings.Replace(api, "publishers", "datasets", 1) + "in/sdshare-fragments?"} {
		want, got := "", ""
		all := feedAt(t, base)
		for _, e := range all.Entries {
			want += e.Resource + "\n"
		}
		for next := base + "&limit=1"; next != ""; {
			f := feedAt(t, next)
			next = ""
			for _, e := range f.Entries {
				got += e.Resource + "\n"
			}
			if len(f.Links) == 1 && f.Links[0].Rel == "next" {
				next = f.Links[0].Href
			}
		}
		if got != want || want == "" {
			t.Errorf("%s\n%swant\n%s", base, got, want)
		}
		last := all.Entries[len(all.Entries)-1]
		later := feedAt(t, base+"&since="+url.QueryEscape(last.Updated))
		if n := len(later.Entries); n == 0 || later.Entries[n-1].Resource != last.Resource {
			t.Errorf("%s: since its last entry there are %+v", base, later.Entries)
		}
	}
}

// The links of a feed that is read by a shareable link can be read by it, too.
func TestSDShareByLink(t *testing.T) {
	api := publishedFeeds(t)
	_, text := do(t, "POST", api+"plain/shareable-links", `{"exp": 4000000000, "description": ""}`)
	var made struct{ URLs []string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || len(made.URLs) != 3 {
		t.Fatal(text, err)
	}
	c := feedAt(t, made.URLs[1])
	for _, href := range []string{c.Links[0].Href, feedAt(t, c.Links[0].Href).Entries[0].Link.Href} {
		if !strings.Contains(href, "shareable_link=") {
			t.Errorf("%s lacks the link", href)
		}
		if status, text := do(t, "GET", strings.Replace(href, "shareable_link=", "shareable_link=x", 1), ""); status != 403 {
			t.Errorf("%s: %d %s", href, status, text)
		}
	}
}
