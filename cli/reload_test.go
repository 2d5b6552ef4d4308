package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/store"
)

// narrow is a store on a disk that may be full.
type narrow struct {
	store.Store
	full, fuller atomic.Bool // nothing can be written; nor opened
}

func (n *narrow) Append(ctx context.Context, b *store.Batch) (store.Pending, error) {
	if n.full.Load() {
		return nil, store.ErrFull
	}
	return n.Store.Append(ctx, b)
}

func (n *narrow) Create(ctx context.Context, dataset string) (store.Info, error) {
	info, err := n.Store.Info(ctx, dataset)
	if n.fuller.Load() || n.full.Load() && errors.Is(err, store.ErrNoDataset) {
		return info, store.ErrFull
	}
	return n.Store.Create(ctx, dataset)
}

// A changed configuration that finds no room on the disk leaves the one before running,
// and is taken up when there is room; nobody hears less than that the node waits.
func TestReloadOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pipes"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(pipes string) {
		if err := os.WriteFile(filepath.Join(dir, "pipes", "a.conf.json"), []byte("["+pipes+"]"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const one, two = `{"_id": "one", "type": "pipe", "source": {"type": "http_endpoint"}}`, `, {"_id": "two", "type": "pipe", "source": {"type": "dataset", "dataset": "one"}}`
	write(one)
	var told bytes.Buffer
	s := &stdio{err: &told, out: &told}
	flags := nodeFlags{Dir: dir, Profile: "test"}
	n, err := flags.open(t.Context(), s)
	if err != nil {
		t.Fatal(err, told.String())
	}
	disk := &narrow{Store: n.o.Store}
	n.o.Store = disk
	l, err := newLive(t.Context(), flags, n, s, "http://x")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	ask := func(r *http.Request) string {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		return w.Body.String()
	}
	post := func() string {
		return ask(httptest.NewRequest(http.MethodPost, "http://127.0.0.1/api/receivers/one/entities", strings.NewReader(`{"_id": "1"}`)))
	}
	get := func() string { return ask(httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/pipes/one", nil)) }
	n.Start()
	write(one + two)
	disk.full.Store(true)
	refused, fatal := l.reload(t.Context())
	if fatal != nil || !errors.Is(refused, store.ErrFull) || !strings.Contains(told.String(), "goes on with the configuration it had") ||
		!strings.Contains(get(), `"is-valid-config":true`) || !strings.Contains(post(), "no space left") || len(l.node.Pipes()) != 1 {
		t.Fatalf("%v, %v, %s, %s: %s", refused, fatal, get(), post(), told.String())
	}
	disk.fuller.Store(true)
	done := make(chan error, 1)
	go func() {
		_, fatal := l.reload(t.Context())
		done <- fatal
	}()
	for until := time.Now().Add(time.Minute); !strings.Contains(post(), "waits for room"); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("callers are not told that the node waits")
		}
	}
	disk.full.Store(false)
	disk.fuller.Store(false)
	if err := <-done; err != nil || post() != "{}\n" {
		t.Fatalf("%v, %s: %s", err, post(), told.String())
	}
	if refused, fatal := l.reload(t.Context()); refused != nil || fatal != nil || len(l.node.Pipes()) != 2 || post() != "{}\n" {
		t.Errorf("%v, %v: %s", refused, fatal, told.String())
	}
}

// What found no room is tried again, rarer and rarer, until something else comes of it.
func TestPatience(t *testing.T) {
	var p patience
	if p.after(errRefused); p.due() || p.wait != 0 {
		t.Error("a configuration with errors is tried again")
	}
	for _, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		if p.after(store.ErrFull); p.wait != want*time.Second || p.due() {
			t.Errorf("it waits %s, not %d s", p.wait, want)
		}
	}
	if p.at = time.Now(); !p.due() {
		t.Error("it is never tried again")
	}
	if p.after(nil); p.due() || p.wait != 0 {
		t.Error("it is tried again although it runs")
	}
}

// The circuit breaker of configurations holds back one that lacks much, if the one
// before asks for it.
func TestConfigBreaker(t *testing.T) {
	conf := func(breaker string, pipes int) *config.Config {
		text := `[{"_id": "node", "type": "metadata"` + breaker + `}`
		for i := range pipes {
			text += fmt.Sprintf(`, {"_id": "p%d", "type": "pipe"}`, i)
		}
		c, _ := config.Parse("c.json", []byte(text+"]"), config.Options{})
		return c
	}
	const on = `, "global_defaults": {"use_config_circuit_breaker": true}`
	for _, c := range []struct {
		breaker       string
		before, after int
		refused       bool
	}{
		{on, 20, 9, true}, {on, 20, 10, false}, {on, 200, 188, false}, {on, 108, 97, true}, {"", 20, 0, false}, {on, 9, 0, false},
	} {
		err := lacks(conf(c.breaker, c.before), conf("", c.after))
		if (err != nil) != c.refused {
			t.Errorf("%d pipes after %d, %q: %v", c.after, c.before, c.breaker, err)
		}
	}
}
