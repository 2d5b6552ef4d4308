package systems

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/internal/jsonpos"
)

// answers are responses in order, each a function of the request.
type answers []func(q *http.Request) (int, io.Reader)

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(q *http.Request) (*http.Response, error) {
	f := (*a)[0]
	*a = (*a)[1:]
	status, body := f(q)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body), Request: q}, nil
}

func says(status int, body string) func(*http.Request) (int, io.Reader) {
	return func(*http.Request) (int, io.Reader) { return status, strings.NewReader(body) }
}

func fetching(t *testing.T, more string, a *answers) *REST {
	t.Helper()
	n, errs := jsonpos.Parse("s.json", []byte(`{"_id": "s", "type": "system:rest", "url_pattern": "https://example.com/%s", "worker_threads": 1`+more+`}`))
	if errs != nil {
		t.Fatal(errs)
	}
	s, diags := NewSet(Standard()...).Build(Env{ID: "s", Node: n, Transport: a,
		Secret: func(name string) (string, bool) { return "the-" + name, true }})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s.(*REST)
}

// TestOpen checks what is sent, that a refused request gives its slot back,
// and that errors show no secret.
func TestOpen(t *testing.T) {
	a := &answers{
		func(q *http.Request) (int, io.Reader) {
			body, _ := io.ReadAll(q.Body)
			return 200, strings.NewReader(q.Method + " " + q.URL.String() + " " + q.Header.Get("Authorization") + " " +
				q.Header.Get("X-Own") + " " + q.Header.Get("X-Both") + " " + string(body))
		},
		says(429, ""), says(429, ""), says(200, "late"),
		says(500, "the-password is wrong"),
		says(200, "whole"),
		func(*http.Request) (int, io.Reader) {
			return 200, io.MultiReader(strings.NewReader("part"), iotest.ErrReader(io.ErrUnexpectedEOF))
		},
	}
	r := fetching(t, `, "authentication": "basic", "username": "u", "password": "$SECRET(password)", "rate_limiting_retries": 2, "rate_limiting_delay": 0,
		"headers": {"X-Own": "$SECRET(own)", "X-Both": "system"}`, a)
	for _, want := range []string{"POST https://example.com/x?a=1&b=c+d Basic dTp0aGUtcGFzc3dvcmQ= the-own mine {}",
		"late", `error: system "s": POST https://example.com/x?a=1&b=c+d answered 500 Internal Server Error: *** is wrong`, "whole", "error: the response broke off before its end"} {
		if got := opened(r, Fetch{Method: "POST", URL: "x", Params: map[string]string{"b": "c d", "a": "1"}, Header: map[string]string{"x-both": "mine"}, Body: []byte("{}")}); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func opened(r *REST, f Fetch) string {
	res, err := r.Open(context.Background(), f)
	if err != nil {
		return "error: " + err.Error()
	}
	body, err := io.ReadAll(res.Body)
	if closed := errors.Join(res.Body.Close(), res.Body.Close()); closed != nil {
		return "error: " + closed.Error()
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return string(body)
}

// waiting reads nothing until its request is given up.
type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

// TestOpenSilent checks that a body which stops coming ends by itself, that a
// slow reader is no silence, and that who gives up is told so.
func TestOpenSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(q *http.Request) (int, io.Reader) {
			return 200, io.MultiReader(strings.NewReader("x"), waiting{q.Context()})
		}
		r := fetching(t, `, "read_timeout": 10`, &answers{silent, silent})
		res, err := r.Open(t.Context(), Fetch{URL: "x"})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := res.Body.Read(b); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		begun := time.Now()
		if _, err := res.Body.Read(b); !errors.Is(err, errSilent) || time.Since(begun) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		res.Body.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if res, err = r.Open(ctx, Fetch{URL: "x"}); err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.ReadAll(res.Body); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("its caller gave up: %v", err)
		}
	})
}
