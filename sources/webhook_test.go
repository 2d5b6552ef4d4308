package sources

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/webhooks"
)

func hookSource(path, header string) *webhookSource {
	return &webhookSource{cfg: &webhookConfig{Signature: "none", IDPath: path, IDHeader: header}, env: Env{Now: func() time.Time { return time.Unix(0, 0) }}}
}

// M-7: bodies by their content type, headers in small letters, and ids by path,
// header or scheme.
func TestWebhookEvent(t *testing.T) {
	for _, c := range []struct{ path, header, kind, body, want, id string }{
		{"", "", "application/json; charset=utf-8", `{"a": [1, 2.50, "~:x"]}`, `{"a":[1,2.50,"~:x"]}`, "w1"},
		{"", "", "application/cloudevents+json", `[]`, `[]`, "w1"},
		{"", "", "application/x-www-form-urlencoded", "b=1&a=x+y&b=2", `{"a":"x y","b":["1","2"]}`, "w1"},
		{"", "", `multipart/form-data; boundary=B`, "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\ny\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../p.txt\"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xff\r\n--B--\r\n",
			`{"a":["x\r\ny","/w=="],"f":{"filename":"p.txt","content_type":"text/plain","size":2,"content":"aGk="}}`, "w1"},
		{"id", "", `multipart/form-data; boundary=B`, "--B\nContent-Disposition: form-data; name=id\n\n7\n--B\nContent-Disposition: form-data; name=g; filename=g\n\n\n--B--", `{"id":"7","g":{"filename":"g","content_type":"application/octet-stream","size":0,"content":""}}`, "7"},
		{"", "", "text/plain", "plain", `"plain"`, "w1"},
		{"", "", "", "\xff\x00", `"/wA="`, "w1"},
		{"", "", "application/json", "", `null`, "w1"},
		{"e.id", "", "application/json", `{"e": {"id": 7}}`, `{"e":{"id":7}}`, "7"},
		{"e.id", "", "application/json", `{"e": {"id": {}}}`, `{"e":{"id":{}}}`, ""},
		{"e.id", "", "application/json", `[1]`, `[1]`, ""},
		{"", "X-Id", "text/plain", `t`, `"t"`, "x1"},
		{"", "X-None", "text/plain", `t`, `"t"`, ""},
	} {
		s := hookSource(c.path, c.header)
		q := Request{URL: "http://x/?token=hush&v=1", Body: []byte(c.body), Header: http.Header{"Content-Type": {c.kind}, "Webhook-Id": {"w1"}, "X-Id": {"x1"}, "Cookie": {"hush"}}}
		kept := s.Kept(q)
		e, id, err := s.Event(q, kept, entity.NewArena())
		if err != nil {
			t.Errorf("%q: %v", c.body, err)
			continue
		}
		body, _ := e.Get("body")
		if diff := cmp.Diff(c.want, string(entity.AppendPlain(nil, body))); diff != "" || id != c.id {
			t.Errorf("%q has the id %q, want %q; %s", c.body, id, c.id, diff)
		}
		if text := string(entity.AppendPlain(nil, e)); !strings.Contains(text, `"webhook-id":"w1"`) || !strings.Contains(text, `"params":{"token":"***","v":"1"}`) || strings.Contains(text+kept.URL, "hush") {
			t.Error(text, kept.URL)
		}
	}
}

// What says it is a form and is none is refused.
func TestWebhookNoForm(t *testing.T) {
	for kind, body := range map[string]string{
		"application/x-www-form-urlencoded": "a=%zz", "multipart/form-data": "x", "multipart/form-data; boundary=B": "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
		"multipart/form-data; boundary=C": "--C\r\nContent-Disposition: form-data; name=" + strings.Repeat("n", 600) + "\r\n\r\nx\r\n--C--",
		"multipart/form-data; boundary=D": strings.Repeat("--D\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n", 1001) + "--D--",
	} {
		v, err := bodyOf(Request{Body: []byte(body), Header: http.Header{"Content-Type": {kind}}}, entity.NewArena())
		if err == nil || !strings.Contains(err.Error(), "form") {
			t.Errorf("%s: %s %v", kind, v, err)
		}
	}
}

// No request makes it panic, or an id that cannot be kept.
func FuzzWebhookEvent(f *testing.F) {
	f.Add("application/json", `{"e":{"id":1}}`, "e.id", "")
	f.Add("application/x-www-form-urlencoded", "a=%zz", "", "X-Id")
	f.Add("multipart/form-data", "\xff", "..", "Webhook-Id")
	f.Add("multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nx\r\n--B--", "a", "")
	f.Fuzz(func(t *testing.T, kind, body, path, header string) {
		s := hookSource(path, header)
		q := Request{Body: []byte(body), Header: http.Header{"Content-Type": {kind}, "Webhook-Id": {body}}}
		_, id, err := s.Event(q, &webhooks.Request{ID: "r"}, entity.NewArena())
		if err == nil && len(id) > 512 {
			t.Errorf("an id of %d bytes", len(id))
		}
	})
}
