package jinja

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func lines(t *testing.T, file string) []string {
	data, err := os.ReadFile(filepath.Join(caseDir, "validation", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for l := range strings.Lines(string(data)) {
		if l = strings.TrimSuffix(l, "\n"); l != "" && l[0] != '#' {
			out = append(out, l)
		}
	}
	return out
}

func hostAt(unix int64) *Host {
	return &Host{Now: func() time.Time { return time.Unix(unix, 0) }}
}

// TestProbe tells signed expressions from those that let forgeries in.
func TestProbe(t *testing.T) {
	for _, src := range lines(t, "signed.txt") {
		if f, ok := probe(t, src); ok {
			t.Errorf("%s\n must pass, but: %s", src, f)
		}
	}
	for _, src := range lines(t, "unsigned.txt") {
		if _, ok := probe(t, src); !ok {
			t.Errorf("%s\n accepts forgeries, and the probe found none", src)
		}
	}
}

func probe(t *testing.T, src string) (string, bool) {
	v, err := CompileValidation(src, Options{Host: hostAt(1738756240)})
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	f, ok := v.Probe(t.Context())
	return f.Message, ok
}

func TestProbeSaysWhatGotIn(t *testing.T) {
	v, err := CompileValidation(`{{ '' if request_headers['X-Auth'] == 'hunter2' else 'no' }}`, Options{
		Pos: func(int) (string, int, int) { return "pipe.conf.json", 7, 30 },
	})
	if err != nil {
		t.Fatal(err)
	}
	f, ok := v.Probe(t.Context())
	if !ok || f.Rule != "auth/accepts-unsigned" || !strings.Contains(f.Message, `header x-auth "hunter2"`) {
		t.Errorf("finding %+v", f)
	}
	if f.Span.File != "pipe.conf.json" || f.Span.Start.Line != 7 || f.Span.Start.Col != 30 {
		t.Errorf("place %+v", f.Span)
	}
}

func testSecrets(_ context.Context, name string) (string, error) {
	known := map[string]string{
		"github": "It's a Secret to Everybody", "stripe": "whsec_test_secret",
		"standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "ed25519": "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
		"plain": "s3cr3t", "empty": "", "other": "whsec_b3RoZXI=",
	}
	if s, ok := known[name]; ok {
		return s, nil
	}
	return "", UnknownSecret(name, []string{"github", "stripe", "standard", "plain"})
}

// The vectors of each scheme's own documentation.
var signed = []struct {
	name, expr, body string
	at               int64
	headers          map[string]string
}{
	{"github", `{{ '' if request_headers['X-Hub-Signature-256'] == 'sha256=' ~ hexencode(hmacsha256digest(secret('github'), request_body)) else 'bad' }}`,
		"Hello, World!", 0, map[string]string{"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
	{"stripe", `{{ '' if stripe_signature(secret('stripe')) else 'bad' }}`, `{"id":"evt_1","object":"event"}`, 1492774577 + 299,
		map[string]string{"Stripe-Signature": "t=1492774577,v1=00,v1=654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543"}},
	{"standard", `{{ '' if standard_webhook(secret('standard')) else 'bad' }}`, `{"test": 2432232314}`, 1614265330 - 299,
		map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
			"webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}},
	{"svix", `{{ '' if standard_webhook([secret('other'), secret('standard')]) else 'bad' }}`, `{"test": 2432232314}`, 1614265330,
		map[string]string{"svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "svix-timestamp": "1614265330",
			"svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}},
	{"ed25519", `{{ '' if standard_webhook(secret('ed25519'), tolerance=60) else 'bad' }}`, `{"test": 2432232314}`, 1614265330,
		map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
			"webhook-signature": "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ=="}},
	{"ed25519 in parts", `{{ '' if ed25519_verify(secret('ed25519'), request_headers['webhook-signature'][4:], request_headers['webhook-id'], '.', request_headers['webhook-timestamp'], '.', request_body) else 'bad' }}`,
		`{"test": 2432232314}`, 0, map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
			"webhook-signature": "v1a,yoUrgEkc12aGqm0n4Sydmdz55xJfTz4AsAgieHFjmkR7LJtqVCZOQYzvvHjI5kAey+r4iaBGxTFRrl2iBQxtDQ=="}},
	{"plain", `{{ '' if request_headers['x-SECRET'] == secret('plain') else 'bad' }}`, "", 0, map[string]string{"X-Secret": "s3cr3t"}},
}

func check(t *testing.T, expr string, at int64, r Request) (bool, string, error) {
	v, err := CompileValidation(expr, Options{Host: hostAt(at)})
	if err != nil {
		t.Fatal(err)
	}
	return v.Check(t.Context(), r, testSecrets)
}

func headers(m map[string]string) http.Header {
	h := http.Header{}
	for k, v := range m {
		h.Set(k, v)
	}
	return h
}

func TestSignatures(t *testing.T) {
	for _, c := range signed {
		r := Request{Headers: headers(c.headers), Body: []byte(c.body)}
		if ok, text, err := check(t, c.expr, c.at, r); !ok {
			t.Errorf("%s: a right signature is refused: %q %v", c.name, text, err)
		}
		r.Body = append(r.Body, ' ')
		if ok, _, _ := check(t, c.expr, c.at, r); ok && c.name != "plain" {
			t.Errorf("%s: another body is accepted", c.name)
		}
		r.Body = []byte(c.body)
		for name := range c.headers {
			wrong := r.Headers.Clone()
			wrong.Set(name, wrong.Get(name)+"x")
			if ok, _, _ := check(t, c.expr, c.at, Request{Headers: wrong, Body: r.Body}); ok {
				t.Errorf("%s: another %s is accepted", c.name, name)
			}
			wrong.Del(name)
			if ok, _, _ := check(t, c.expr, c.at, Request{Headers: wrong, Body: r.Body}); ok {
				t.Errorf("%s: a request without %s is accepted", c.name, name)
			}
		}
		for _, late := range []int64{c.at + 1000, c.at - 1000} {
			if ok, _, _ := check(t, c.expr, late, r); ok && c.at != 0 {
				t.Errorf("%s: accepted %d s off", c.name, late-c.at)
			}
		}
	}
}

// TestHeadersKnowNoCase goes through every form of access.
func TestHeadersKnowNoCase(t *testing.T) {
	h := http.Header{"X-Auth": {"v"}, "Token": {"w"}, "X-Two": {"a", "b"}}
	for _, expr := range []string{
		`request_headers['x-auth'] == 'v'`, `request_headers['X-AUTH'] == 'v'`, `request_headers.get('x-aUTH') == 'v'`,
		`'X-auth' in request_headers`, `'x-auth' in request_headers.keys()`, `request_headers.token == 'w'`, `request_headers.TOKEN == 'w'`,
		`request_headers['x-two'] == 'a, b'`, `'x-none' not in request_headers`, `request_headers['x-none'] is not defined`,
		`request_headers|length == 3`, `request_headers.get('x-none') is none`,
		`'{0[x-auth]}'.format(request_headers) == 'v'`, `'%(x-AUTH)s' % request_headers == 'v'`,
		`request_params.a == '1'`, `request_params['b'] == ['1', '2']`, `request_params.A is not defined`, `url == 'u'`, `request_body == 'b'.encode()`,
	} {
		r := Request{URL: "u", Headers: h, Params: url.Values{"a": {"1"}, "b": {"1", "2"}}, Body: []byte("b")}
		if ok, text, err := check(t, "{{ '' if "+expr+" else 'no' }}", 0, r); !ok {
			t.Errorf("%s does not hold: %q %v", expr, text, err)
		}
	}
}

// TestCheckRefuses holds what must never get in, whatever the expression.
func TestCheckRefuses(t *testing.T) {
	r := Request{Headers: http.Header{"X": {""}}}
	for expr, want := range map[string]string{
		`{{ '' if request_headers['X'] == secret('empty') else 'no' }}`: "is empty",
		`{{ secret('empty') }}`:                                                          "is empty",
		`{{ secret('plain') }}`:                                                          "show a secret",
		`{{ secret('plain')|upper|replace('S', '') }}`:                                   "show a secret",
		`{{ 'no' ~ b64encode(secret('plain')) }}`:                                        "show a secret",
		`{{ [secret('plain')] }}`:                                                        "show a secret",
		`{{ {'a': secret('plain')}|tojson }}`:                                            "show a secret",
		`{{ '%s' % secret('plain') }}`:                                                   "show a secret",
		`{{ '{}'.format(secret('plain')) }}`:                                             "show a secret",
		`{{ secret('plain')[1:] }}`:                                                      "show a secret",
		`{{ secret('plain').split('3')[0] }}`:                                            "show a secret",
		`{{ secret('plain')|list|join }}`:                                                "show a secret",
		`{% for c in secret('plain') %}{{ c }}{% endfor %}`:                              "show a secret",
		`{% set x %}{{ secret('plain') }}{% endset %}{{ x }}`:                            "show a secret",
		`{% filter upper %}{{ secret('plain') }}{% endfilter %}`:                         "show a secret",
		`{% macro m() %}{{ secret('plain') }}{% endmacro %}{{ m() }}`:                    "show a secret",
		`{{ hexencode(hmacsha256digest(secret('plain'), request_body)) }}`:               "show a secret",
		`{{ hmacsha256digest('', request_body) }}`:                                       "not empty",
		`{{ '' if request_headers['Y'] == secret('plain') else 'no' }}`:                  "no attribute 'Y'",
		`{{ secret('plian') }}`:                                                          `did you mean "plain"`,
		`{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}`: "steps",
		`{{ '' if nosuchfunc('x') else '' }}`:                                            "'nosuchfunc' is undefined",
		`{{ request_headers[secret('plain')] }}`:                                         "no such element",
		`{{ request_headers|map(secret('plain'))|list }}`:                                "there is no filter",
		`{{ '' if requst_headers.x else '' }}`:                                           "did you mean `request_headers`?",
	} {
		ok, _, err := check(t, expr, 0, r)
		if ok || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: ok %v, %v; want %q", expr, ok, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error shows a secret: %v", expr, err)
		}
	}
	if ok, text, err := check(t, "{{ 'no' }}", 0, r); ok || text != "no" || err != nil {
		t.Errorf("a text gives %v %q %v", ok, text, err)
	}
	if ok, _, _ := check(t, "\n \n", 0, r); ok {
		t.Error("white space is accepted")
	}
}

func TestCheckSurvivesPanic(t *testing.T) {
	v, err := CompileValidation(`{{ boom() }}`, Options{Sets: []Set{{Funcs: map[string]*Func{
		"boom": NewFunc("", func(*Call) Value { panic("boom") }),
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := v.Check(t.Context(), Request{}, nil); ok || err == nil {
		t.Errorf("a panic gives %v %v", ok, err)
	}
}

// TestSecuritySuite runs the suite's expressions as validations: none accepts
// where Python does not.
func TestSecuritySuite(t *testing.T) {
	for _, c := range loadCases(t, filepath.Join(caseDir, "security.json")) {
		v, err := CompileValidation(c.Template, Options{Host: conformanceHost()})
		if err != nil {
			continue
		}
		got, _ := renderCase(t, c)
		vars, _ := ParseVars(c.Vars)
		text, err := v.t.RenderWith(t.Context(), vars, conformanceHost())
		if accepted := err == nil && text == ""; accepted && (c.Expected.OK == nil || *c.Expected.OK != "") {
			t.Errorf("case %d: %s accepts, Python does not (%q)", c.ID, c.Template, got)
		}
	}
}

func TestConcurrentChecks(t *testing.T) {
	v, err := CompileValidation(`{% set n = namespace(x=0) %}{% for i in range(9) %}{% set n.x = n.x + i %}{% endfor %}{{ '' if request_headers['X-Secret'] == secret('plain') and n.x == 36 else 'bad' }}`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 8)
	for i := range 8 {
		go func() {
			h := headers(map[string]string{"X-Secret": []string{"s3cr3t", "wrong"}[i%2]})
			for range 200 {
				if ok, _, err := v.Check(t.Context(), Request{Headers: h}, testSecrets); err != nil || ok != (i%2 == 0) {
					done <- errors.Join(err, errors.New("wrong answer"))
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
