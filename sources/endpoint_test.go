package sources

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
)

type endpointCase struct {
	Name          string
	Source        json.RawMessage
	Secrets       map[string]string
	SystemSecrets map[string]string `json:"system_secrets"`
	Finding       string
	Requests      []struct {
		Headers map[string]string
		Params  string
		Body    string
		Verdict string
	}
	Bodies []struct {
		Body     string
		Entities []string
		Error    string
	}
}

func TestEndpoint(t *testing.T) {
	b, err := os.ReadFile("../testdata/components/endpoint.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []endpointCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { runEndpoint(t, c) })
	}
}

func runEndpoint(t *testing.T, c endpointCase) {
	node, errs := jsonpos.Parse("source.json", c.Source)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	src, diags := NewSet(Standard()...).Build(Env{
		Node: node, Context: context.Background(), Now: time.Now, Secret: lookup(c.Secrets),
		System: func(string) systems.System { return holder{c.SystemSecrets, c.Secrets} },
	})
	if c.Finding != "" {
		if src != nil || len(diags) != 1 || diags[0].Rule != c.Finding || diags[0].Span.Start.Line != 1 {
			t.Fatalf("got %v, want %s", diags, c.Finding)
		}
		return
	}
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	r := src.(Receiver)
	for i, q := range c.Requests {
		if got := verdict(t, r, q.Headers, q.Params, q.Body); got != q.Verdict {
			t.Errorf("request %d is %s, want %s", i, got, q.Verdict)
		}
	}
	for _, body := range c.Bodies {
		got, err := r.Decode([]byte(body.Body), entity.NewArena())
		if err != nil || body.Error != "" {
			if err == nil || err.Error() != body.Error {
				t.Errorf("%s: error %v, want %s", body.Body, err, body.Error)
			}
			continue
		}
		texts := []string{}
		for _, e := range got {
			texts = append(texts, e.String())
		}
		if !slices.Equal(texts, body.Entities) {
			t.Errorf("%s: %q, want %q", body.Body, texts, body.Entities)
		}
	}
}

type holder struct{ own, node map[string]string }

func (holder) ID() string { return "shop" }

func (h holder) Secret(name string) (string, bool) {
	if v, ok := h.own[name]; ok {
		return v, true
	}
	v, ok := h.node[name]
	return v, ok
}

func lookup(m map[string]string) systems.SecretFunc {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func verdict(t *testing.T, r Receiver, headers map[string]string, params, body string) string {
	t.Helper()
	q := Request{URL: "http://node/api/receivers/p/entities", Header: http.Header{}, Body: []byte(body)}
	q.Params, _ = url.ParseQuery(params)
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(`{"a": 1}`))
	for name, value := range headers {
		q.Header.Set(name, strings.ReplaceAll(value, "{hmac}", base64.StdEncoding.EncodeToString(mac.Sum(nil))))
	}
	v := r.Check(context.Background(), q)
	text := "refused"
	if v.Accepted {
		text = "accepted"
	}
	if v.Checked {
		text += ", checked"
	}
	if v.Err != nil {
		return text + " with an error"
	}
	if v.Text != "" {
		text += ": " + v.Text
	}
	return text
}
