package systems_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/systems/vendortest"
)

func TestOddConfigurations(t *testing.T) {
	set := systems.NewSet(systems.Standard()...)
	for _, typ := range set.Types() {
		vendortest.Odd(t, typ.Name, typ.Config(), func(n *jsonpos.Node) diag.List {
			_, diags := set.Build(systems.Env{ID: "s", Node: n})
			return diags
		})
	}
}

func TestSet(t *testing.T) {
	one, two := systems.Type{Name: "a", Doc: "1"}, systems.Type{Name: "a", Doc: "2"}
	set := systems.NewSet(one, systems.Type{Name: "b"}, two)
	if got, ok := set.Lookup("a"); !ok || got.Doc != "2" || !slices.Equal(set.Names(), []string{"a", "b"}) {
		t.Errorf("of one name the last counts: %v, %v", got, set.Names())
	}
	for _, name := range systems.Documented() {
		if _, ok := systems.NewSet(systems.Standard()...).Lookup(name); ok {
			t.Errorf("%s is there and listed as not there yet", name)
		}
	}
}

// rest builds a system against a server, and the pipe that calls its only
// operation.
func rest(t *testing.T, url string, env systems.Env) (*systems.REST, *systems.Pipe) {
	t.Helper()
	env.ID = "s"
	env.Node = node(t, `{"_id":"s","type":"system:rest","url_pattern":"`+url+`/%s","worker_threads":2,
		"operations":{"get":{"url":"x/{{ _id }}","method":"GET","headers":{"X-Id":"{{ entity._id }}"}}}}`)
	sys, diags := systems.NewSet(systems.Standard()...).Build(env)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, diags := systems.CompilePipe(systems.PipeConfig{Node: node(t, `{}`), System: "s", Operation: "get"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return sys.(*systems.REST), p
}

func node(t *testing.T, s string) *jsonpos.Node {
	t.Helper()
	n, errs := jsonpos.Parse("x.json", []byte(s))
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	return n
}

func TestManyAtOnce(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "%q", q.URL.Path+" "+q.Header.Get("X-Id"))
		mu.Lock()
		now--
		mu.Unlock()
	}))
	defer s.Close()
	r, p := rest(t, s.URL, systems.Env{Transport: s.Client().Transport})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id := strconv.Itoa(i)
			e := entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString(id)})
			for page, err := range r.Do(context.Background(), systems.Call{Pipe: p, Entity: e}) {
				if err != nil || page.Result.Text() != "/x/"+id+" "+id {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	if most > 2 {
		t.Errorf("%d calls at once with 2 worker_threads", most)
	}
}

func TestBounds(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", 1001))
	}))
	defer s.Close()
	r, p := rest(t, s.URL, systems.Env{Transport: s.Client().Transport, MaxResponse: 1000})
	e := entity.NewDict(entity.Member{Key: "_id", Value: entity.NewString("1")})
	for _, err := range r.Do(context.Background(), systems.Call{Pipe: p, Entity: e}) {
		if err == nil || !strings.Contains(err.Error(), "larger than 1000 bytes") {
			t.Errorf("got %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range r.Do(ctx, systems.Call{Pipe: p, Entity: e}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

// tokens is a TokenStore in memory.
type tokens map[string]string

func (t tokens) LoadToken(_ context.Context, system string) (string, error) { return t[system], nil }

func (t tokens) SaveToken(_ context.Context, system, token string) error {
	t[system] = token
	return nil
}

// TestTokensSurvive: a refresh token that was replaced serves after a restart.
func TestTokensSurvive(t *testing.T) {
	for name, auth := range map[string]string{
		"oauth2": `"oauth2":{"client_id":"me","client_secret":"cs","token_url":"{s}/token","refresh_token":"r0"}`,
		"custom_auth": `"headers":{"Authorization":"Bearer {{ token.access_token }}"},
			"custom_auth":{"get_token_operation":"fetch","expires_in_expression":"3600","initial_refresh_token":{"refresh_token":"r0"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			asked := []string{}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if q.URL.Path == "/token" {
					asked = append(asked, q.FormValue("refresh_token"))
					fmt.Fprintf(w, `{"access_token":"a%d","refresh_token":"r%d"}`, len(asked), len(asked))
					return
				}
				asked = append(asked, q.Header.Get("Authorization"))
			}))
			defer s.Close()
			saved := tokens{}
			for range 2 {
				callOnce(t, s.URL, strings.ReplaceAll(auth, "{s}", s.URL), systems.Env{Transport: s.Client().Transport, Tokens: saved})
			}
			want := []string{"r0", "Bearer a1", "r1", "Bearer a3"}
			if !slices.Equal(asked, want) {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	}
}

func callOnce(t *testing.T, url, auth string, env systems.Env) {
	t.Helper()
	env.ID = "s"
	env.Node = node(t, `{"_id":"s","type":"system:rest","url_pattern":"`+url+`/%s",`+auth+`,"operations":{
		"get":{"url":"x","method":"GET"},
		"fetch":{"url":"token","method":"POST","payload-type":"form","payload":{"refresh_token":"{{ token.refresh_token }}"}}}}`)
	sys, diags := systems.NewSet(systems.Standard()...).Build(env)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, _ := systems.CompilePipe(systems.PipeConfig{Node: node(t, `{}`), System: "s", Operation: "get"})
	for _, err := range sys.(*systems.REST).Do(context.Background(), systems.Call{Pipe: p}) {
		if err != nil {
			t.Fatal(err)
		}
	}
}
