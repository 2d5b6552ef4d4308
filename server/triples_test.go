package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/server"
)

// An rdfStep is a post of N-Triples with query parameters, or a look at a dataset if
// it has no kind; and what the answer has.
type rdfStep struct{ path, kind, body, want string }

const triplesKind = "application/n-triples"

func playRDF(t *testing.T, at string, steps []rdfStep) {
	t.Helper()
	for i, s := range steps {
		var resp *http.Response
		var err error
		if s.kind == "" {
			resp, err = http.Get(at + s.path)
		} else {
			resp, err = http.Post(at+s.path, s.kind, strings.NewReader(s.body))
		}
		if got := ask(t, resp, err); !strings.Contains(got, s.want) {
			t.Errorf("step %d, %s: the answer %s\nshould have %s", i+1, s.path, got, s.want)
		}
	}
}

// into is where RDF about resources is posted to.
func into(pipe string, resources ...string) string {
	return "/api/receivers/" + pipe + "/sdshare-push-receiver?" + url.Values{"resource": resources}.Encode()
}

const ada, bob = "http://x.org/ada", "http://x.org/bob"

// What was said of resources is replaced by what is said now, all of a request or
// nothing.
func TestSDSharePush(t *testing.T) {
	conf, _ := config.Parse("conf.json", []byte(`[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}},
		{"_id": "picky", "type": "pipe", "source": {"type": "http_endpoint"}, "transform": {"type": "dtl", "rules": {"default": [
			["copy", "*"], ["if", ["eq", ["path", ["list", "<http://x.org/name>"], "_S."], "Bob"], ["fail!", "no"]]]}}},
		{"_id": "proven", "type": "pipe", "source": {"type": "http_endpoint", "validation_expression":
			"{% if request_headers['X-Sig'] == b64encode(hmacsha256digest(secret('key'), request_body)) %}{% else %}who are you{% endif %}"}},
		{"_id": "out", "type": "pipe", "source": {"type": "embedded", "entities": []}},
		{"_id": "hook", "type": "pipe", "source": {"type": "webhook", "signature": "github", "secret": "$SECRET(key)"}}]`), config.Options{})
	conf.Secrets.Beside(func(string) (string, bool) { return "k", true })
	_, s := nodeOf(t, inMemory(t), conf)
	const dump = "/api/datasets/in/entities"
	both := "<" + ada + "> <http://x.org/name> \"Ada\" .\n<" + bob + "> <http://x.org/name> \"Bob\" .\n"
	playRDF(t, s.URL, []rdfStep{
		{into("in", ada, bob) + "&graph=http://x.org/g", triplesKind, both, "200 {}"},
		{into("in", bob, ada), "Text/Plain; charset=UTF-8", both, "200 {}"}, // changes nothing
		{dump, "", "", `200 [{"_id":"<http://x.org/ada>","<http://x.org/name>":"Ada","_updated":0,`},
		{dump + "?since=0", "", "", `200 [{"_id":"<http://x.org/bob>","<http://x.org/name>":"Bob","_updated":1,`},
		{dump + "?since=1", "", "", `200 []`},
		{into("in", ada, bob), triplesKind, "<" + ada + "> <http://x.org/age> \"36\" .", "200 {}"},
		{dump + "?since=1", "", "", `200 [{"_id":"<http://x.org/ada>","<http://x.org/age>":"36","_updated":2,`},
		{dump + "?since=2", "", "", `200 [{"_id":"<http://x.org/bob>","_deleted":true,"_updated":3,`},

		// Nothing of these is stored.
		{into("in", ada, bob), triplesKind, both + "<" + bob + "> <name> \"B\" .", `400 {"error":{"message":"line 3, column 20: an IRI begins with a scheme, such as http:","status":400}}`},
		{into("in", ada), triplesKind, both, `400 {"error":{"message":"line 2, column 1: no parameter resource names`},
		{into("in"), triplesKind, both, `400 {"error":{"message":"the request needs a parameter resource`},
		{into("in", "ada"), triplesKind, "", `400 {"error":{"message":"resource is a whole IRI`},
		{into("in", ada) + "&resource=http://x.org/100%", triplesKind, "", `400 {"error":{"message":"the parameters of the address`},
		{into("in", ada) + "&is_full=true&sequence_id=1&request_id=1", triplesKind, "", `400 {"error":{"message":"a full sync is posted as JSON`},
		{into("in", ada), "application/json", `{"_id": "a"}`, "415 "},
		{into("in", ada), "application/x-www-form-urlencoded", both, "415 "},
		{into("in", ada), "text/plain; charset=latin1", both, "415 "},
		{into("in", ada), "none", both, "415 "},
		{into("nowhere", ada), triplesKind, "", "404 "},
		{into("out", ada), triplesKind, "", "405 "},
		{into("in", ada), "", "", `405 {"error":{"message":"RDF is posted; this was GET"`},
		{into("hook", ada), triplesKind, "", `405 {"error":{"message":"the pipe takes no RDF`},
		{into("picky", ada, bob), triplesKind, both, "422 "},
		{"/api/datasets/picky/entities", "", "", "200 []"},
		{into("proven", ada), triplesKind, both, "403 "},
		{dump + "?since=3", "", "", `200 []`},

		{into("picky", ada), triplesKind, both[:strings.Index(both, "\n")], "200 {}"},
		{"/api/datasets/picky/entities", "", "", `200 [{"_id":"<http://x.org/ada>","<http://x.org/name>":"Ada",`},
	})
	mac := hmac.New(sha256.New, []byte("k"))
	mac.Write([]byte(both))
	for sig, want := range map[string]string{base64.StdEncoding.EncodeToString(mac.Sum(nil)): "200 {}", "other": "403 "} {
		q, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+into("proven", ada, bob), strings.NewReader(both))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("X-Sig", sig)
		q.Header.Set("Content-Type", triplesKind)
		resp, err := http.DefaultClient.Do(q)
		if got := ask(t, resp, err); !strings.HasPrefix(got, want) {
			t.Errorf("signed with %q: %s", sig, got)
		}
	}
}

// RDF is held back as everything else is while a circuit breaker is tripped.
func TestSDSharePushTripped(t *testing.T) {
	_, s := node(t, inMemory(t), `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}, "sink": {"circuit_breaker_threshold_count": 1}}]`)
	play(t, s.URL, []step{
		{"/api/receivers/in/entities?is_full=true&sequence_id=1&request_id=1&is_first=true", `[{"_id": "a"}, {"_id": "b"}]`, `503 {"error":{"message":"circuit breaker tripped`},
	})
	playRDF(t, s.URL, []rdfStep{
		{into("in", ada), triplesKind, "", `503 {"error":{"message":"does not run: the circuit breaker of dataset \"in\" has tripped`},
		{"/api/datasets/in/entities", "", "", "200 []"},
	})
}

func TestSDSharePushIsBounded(t *testing.T) {
	e, _ := node(t, inMemory(t), `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}}]`)
	s := httptest.NewServer(server.New(e, server.Options{MaxBody: 10}))
	defer s.Close()
	playRDF(t, s.URL, []rdfStep{
		{into("in", ada), triplesKind, "# 34567890", "200 {}"},
		{into("in", ada), triplesKind, "# 345678901", `413 {"error":{"message":"the body is larger than 10 bytes"`},
	})
}

// What a feed tells of a resource can be posted as it is: it becomes the same entity
// with whole IRIs for names, and the feed of that says the same.
func TestSDSharePushTakesFeeds(t *testing.T) {
	e, s := node(t, inMemory(t), `[{"_id": "node", "type": "metadata", "namespaces": {"default": {"x": "http://x.org/"}}},
		{"_id": "from", "type": "pipe", "source": {"type": "embedded", "entities": [{"_id": "x:a b/æ", "x:text": "~x \"\\\n\u0000 æ😀", "x:empty": "", "x:to": "~:x:2",
			"rdf:type": "~rhttp://x.org/T", "x:n": [1, "~f2.50", 2.5, true], "x:none": null, "x:day": "~t2020-01-02", "x:at": "~t2020-01-02T03:04:05.6Z", "x:b": "~bAAEC",
			"x:line": [{"x:n": 1, "x:of": {"x:n": 2}}, {"x:n": 1, "x:of": {"x:n": 3}}], "x:large": 123456789012345678901234567890}]}},
		{"_id": "to", "type": "pipe", "source": {"type": "http_endpoint"}}]`)
	if _, err := e.RunAll(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	entry := feedAt(t, s.URL+"/api/datasets/from/sdshare-fragments").Entries[0]
	_, said := do(t, "GET", entry.Link.Href, "")
	playRDF(t, s.URL, []rdfStep{
		{into("to", entry.Resource), triplesKind, said, "200 {}"},
		{"/api/datasets/to/entities", "", "", `200 [{"_id":"<http://x.org/a%20b/æ>","<http://x.org/text>":"~x \"\\\n\u0000 æ😀","<http://x.org/empty>":"",` +
			`"<http://x.org/to>":"~rhttp://x.org/2","<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>":"~rhttp://x.org/T","<http://x.org/n>":[true,1,"~f2.50",2.5],` +
			`"<http://x.org/day>":"~t2020-01-02","<http://x.org/at>":"~t2020-01-02T03:04:05.6Z","<http://x.org/b>":"~bAAEC",` +
			`"<http://x.org/line>":[{"<http://x.org/n>":1,"<http://x.org/of>":{"<http://x.org/n>":2}},{"<http://x.org/n>":1,"<http://x.org/of>":{"<http://x.org/n>":3}}],` +
			`"<http://x.org/large>":123456789012345678901234567890,"_updated":0,`},
	})
	again := feedAt(t, s.URL+"/api/datasets/to/sdshare-fragments").Entries[0]
	if again.Resource != entry.Resource {
		t.Errorf("%s became %s", entry.Resource, again.Resource)
	}
	_, back := do(t, "GET", again.Link.Href, "")
	playRDF(t, s.URL, []rdfStep{
		{into("to", again.Resource), triplesKind, back, "200 {}"},
		{"/api/datasets/to/entities?since=0", "", "", "200 []"}, // it is no change
	})
}

// Large requests take turns, and all come through.
func TestLargeRDFTakesTurns(t *testing.T) {
	_, s := node(t, inMemory(t), `[{"_id": "in", "type": "pipe", "source": {"type": "http_endpoint"}}]`)
	large := strings.Repeat("<"+ada+"> <http://x.org/name> \"Ada\" .\n", 1<<20/40)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			resp, err := http.Post(s.URL+into("in", ada), triplesKind, strings.NewReader(large))
			if got := ask(t, resp, err); !strings.Contains(got, "200 {}") {
				t.Errorf("the answer %s", got)
			}
		})
	}
	all.Wait()
}
