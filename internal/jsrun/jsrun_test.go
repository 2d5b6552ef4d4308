package jsrun_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/internal/jsrun"
)

var update = flag.Bool("update", false, "rewrite the expected results")

// TestMain is a worker if it is called as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "js-worker" {
		if err := jsrun.Work(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func bundle(t testing.TB, text string) string {
	t.Helper()
	script, problems := jsrun.Bundle("handle.js", func(name string) ([]byte, error) {
		if name == "handle.js" {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	})
	if script == "" {
		t.Fatal(problems)
	}
	return script
}

// patience is a bound of time that only what hangs comes to, however busy the
// machine is.
const patience = time.Minute

// newPool is a pool that is patient, also with those who wait for a worker.
func newPool(t testing.TB, o jsrun.Options) *jsrun.Pool {
	t.Helper()
	o.Time, o.Wait = patience, patience
	p := jsrun.NewPool(o)
	t.Cleanup(p.Close)
	return p
}

// run runs a function of a script as a pool of its own would.
func run(t testing.TB, p *jsrun.Pool, name, script, args string) (jsrun.Result, error) {
	t.Helper()
	return p.Call(t.Context(), jsrun.Call{For: name, Script: script, Names: []string{"handle"}, Args: []byte(args)})
}

// hostile are scripts that want more than they get, or want to reach others.
func hostile() map[string][2]string {
	return map[string][2]string{
		"endless loop":       {"time", `export default () => { for (;;) {} }`},
		"loop of promises":   {"time", `export default async () => { for (;;) await null }`},
		"loop at the top":    {"time", `for (;;) {} export default () => 1`},
		"getter loop":        {"time", `export default () => ({ get x() { for (;;) {} } })`},
		"toJSON loop":        {"time", `export default () => ({ toJSON() { for (;;) {} } })`},
		"thenable loop":      {"time", `export default () => ({ then() { for (;;) {} } })`},
		"error's getter":     {"time", `export default () => { throw { get message() { for (;;) {} } } }`},
		"one native step":    {"time", `export default () => /(?=a)(a+)+$/.test('a'.repeat(60) + 'b')`},
		"caught and looped":  {"time", `export default () => { for (;;) { try { for (;;) {} } catch (e) {} finally { for (;;) {} } } }`},
		"lists":              {"memory", `export default () => { const a = []; for (;;) a.push(new Array(1e6)) }`},
		"doubled text":       {"memory", `export default () => { let s = 'x'; for (;;) s += s }`},
		"repeat":             {"memory", `export default () => 'x'.repeat(1e9).length`},
		"one step beyond":    {"memory", `export default () => 'x'.repeat(2e8).length`},
		"fill":               {"memory", `export default () => Array(1e9).fill().length`},
		"array buffer":       {"memory", `export default () => new ArrayBuffer(4e9).byteLength`},
		"padding":            {"memory", `export default () => 'x'.padStart(2e9, 'y').length`},
		"buffers":            {"memory", `export default () => Buffer.alloc(3e8).toString('hex').length`},
		"keys":               {"memory", `export default () => { const o = {}; for (let i = 0; ; i++) o['a long key to fill it ' + i] = [i] }`},
		"nested":             {"memory", `export default () => { let a = []; for (let i = 0; i < 3e6; i++) a = [a]; return a }`},
		"huge output":        {"output", `export default () => 'x'.repeat(5 << 20)`},
		"recursion":          {"RangeError", `export default function f() { return f() }`},
		"thrown promise":     {"Error", `export default async () => { throw Promise.reject(new Error('no')) }`},
		"a promise of never": {"Error", `export default () => new Promise(() => {})`},
		"no function":        {"TypeError", `export const x = 1`},
		"a module":           {"Error", `const load = require; export default () => load('fs')`},
		"revoked proxy":      {"Error", `export default () => { const p = Proxy.revocable({}, {}); p.revoke(); throw p.proxy }`},
		"prototypes": {"", `Object.prototype.toJSON = function () { return 'mine' }; Array.prototype.map = null; Promise.prototype.then = null;
			JSON.stringify = () => 'no'; globalThis.crypto = 1; Object.defineProperty = null; globalThis.x = 1;
			export default async () => ({ a: 1 })`},
	}
}

// A script that goes beyond its bounds is ended, whatever it does, and the next
// call finds nothing of it.
func TestHostile(t *testing.T) {
	p := newPool(t, jsrun.Options{Workers: 4})
	clean := bundle(t, `export default () => [typeof x, typeof crypto.createHmac, [1].map(v => v + 1), ({}).toJSON === undefined]`)
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			limit := patience
			if c[0] == "time" {
				limit = 200 * time.Millisecond
			}
			_, err := p.Call(t.Context(), jsrun.Call{For: name, Script: bundle(t, c[1]), Names: []string{"handle"}, Args: []byte("{}"), Time: limit})
			var over *jsrun.ExceededError
			var thrown *jsrun.Thrown
			switch {
			case errors.As(err, &over) && over.What == c[0]:
			case errors.As(err, &thrown) && thrown.Name == c[0]:
			case err == nil && c[0] == "":
			default:
				t.Errorf("got %v, want %q", err, c[0])
			}
			r, err := run(t, p, "clean", clean, `{}`)
			if err != nil || string(r.Value) != `["undefined","function",[2],true]` {
				t.Errorf("afterwards: %s %v", r.Value, err)
			}
		})
	}
}

// While hostile scripts of several owners run as often as they may, those of
// others are answered as before.
func TestOthersGoOn(t *testing.T) {
	p := newPool(t, jsrun.Options{Workers: 6})
	good := bundle(t, `export default async ({ n }) => n + 1`)
	ctx, stop := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	var ended atomic.Int64
	for name, text := range map[string]string{"a": `export default () => { for (;;) {} }`, "b": `export default () => 'x'.repeat(1e9)`} {
		script := bundle(t, text)
		for range 4 {
			attackers.Go(func() {
				for ctx.Err() == nil {
					if _, err := p.Call(ctx, jsrun.Call{For: name, Script: script, Args: []byte("{}"), Time: time.Second}); err == nil {
						t.Error("a hostile script came to its end")
					}
					ended.Add(1)
				}
			})
		}
	}
	slowest, failed := time.Duration(0), 0
	for i := 0; i < 100 || ended.Load() < 4; i++ {
		begun := time.Now()
		r, err := run(t, p, "good", good, fmt.Sprintf(`{"n": %d}`, i))
		slowest = max(slowest, time.Since(begun))
		if err != nil || string(r.Value) != fmt.Sprint(i+1) {
			failed++
			t.Errorf("call %d: %s %v", i, r.Value, err)
		}
	}
	stop()
	attackers.Wait()
	t.Logf("the slowest good call took %v beside %d hostile ones", slowest, ended.Load())
}

// Nothing of a call is seen by another one, and calls do not wait for one another.
func TestParallel(t *testing.T) {
	p := newPool(t, jsrun.Options{Workers: 4})
	script := bundle(t, `let calls = 0; export default ({ n }) => { globalThis.seen = (globalThis.seen || 0) + 1; calls++; return [n, seen, calls] }`)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			r, err := run(t, p, "one", script, fmt.Sprintf(`{"n": %d}`, i))
			if want := fmt.Sprintf("[%d,1,1]", i); err != nil || string(r.Value) != want {
				t.Errorf("got %s %v, want %s", r.Value, err, want)
			}
		})
	}
	all.Wait()
}

// Questions are answered side by side, and an answer that is an error is thrown.
func TestHost(t *testing.T) {
	p := newPool(t, jsrun.Options{Workers: 2})
	script := bundle(t, `export default async ({ apiClient, externalApiClient, engineApiClient }) => {
		const both = await Promise.all([apiClient.get('a', { q: 1 }), externalApiClient.post('b', { x: 2 }, { returnFullResponse: true })]);
		let failed; try { await apiClient.get('bad') } catch (e) { failed = [e.name, e.message, e.status] }
		let bytes = await apiClient.get('bytes', null, { responseType: 'arraybuffer' });
		let other; try { await engineApiClient.get('x') } catch (e) { other = e.message }
		return [both, failed, new Uint8Array(bytes)[2], other]
	}`)
	var meet sync.WaitGroup
	meet.Add(2)
	host := func(_ context.Context, q []byte) []byte {
		var ask struct{ Method, Path string }
		if err := json.Unmarshal(q, &ask); err != nil {
			t.Error(err)
		}
		switch ask.Path {
		case "bad":
			return []byte(`{"status": 418, "error": {"name": "Error", "message": "teapot"}}`)
		case "bytes":
			return []byte(`{"status": 200, "base64": "AAEC"}`)
		}
		meet.Done()
		meet.Wait()
		return fmt.Appendf(nil, `{"status": 201, "headers": {"h": "v"}, "data": %s}`, q)
	}
	r, err := p.Call(t.Context(), jsrun.Call{Script: script, Names: []string{"f"}, Args: []byte(`{}`), Host: host})
	want := `[[{"method":"GET","path":"a","query":{"q":1}},{"status":201,"headers":{"h":"v"},"data":{"method":"POST","path":"b","data":{"x":2}}}],["Error","teapot",418],2,"there is no engine of the vendor here"]`
	if err != nil || string(r.Value) != want {
		t.Errorf("got  %s %v\nwant %s", r.Value, err, want)
	}
}

// A worker that waits for its host ends with its caller.
func TestCallerGone(t *testing.T) {
	p := newPool(t, jsrun.Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	host := func(ctx context.Context, _ []byte) []byte { cancel(); <-ctx.Done(); return []byte(`{}`) }
	_, err := p.Call(ctx, jsrun.Call{Script: bundle(t, `export default ({ apiClient }) => apiClient.get('x')`), Names: []string{"f"}, Args: []byte(`{}`), Host: host})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r, err := run(t, p, "next", bundle(t, `export default () => 1`), `{}`); err != nil || string(r.Value) != "1" {
		t.Errorf("afterwards: %s %v", r.Value, err)
	}
}

// Calls that wait for a worker hold few bytes together, and leave room when they go
// on or give up.
func TestWaitingBytes(t *testing.T) {
	p := newPool(t, jsrun.Options{Workers: 1, WaitingBytes: 100})
	script := bundle(t, `export default ({ apiClient }) => apiClient.get('x')`)
	call := func(ctx context.Context, host func(context.Context, []byte) []byte) error {
		_, err := p.Call(ctx, jsrun.Call{Script: script, Names: []string{"f"}, Args: []byte(`{"pad": "` + strings.Repeat("x", 50) + `"}`), Host: host})
		return err
	}
	answer := func(context.Context, []byte) []byte { return []byte(`{"data": 1}`) }
	for range 2 { // the second time nothing is left of the first
		asked, goOn := make(chan bool), make(chan bool)
		var calls sync.WaitGroup
		calls.Go(func() {
			if err := call(t.Context(), func(context.Context, []byte) []byte {
				close(asked)
				<-goOn
				return []byte(`{"data": 1}`)
			}); err != nil {
				t.Error(err)
			}
		})
		<-asked
		givenUp, giveUp := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		for range 2 {
			go func() { errs <- call(givenUp, answer) }()
		}
		if err := <-errs; !errors.Is(err, jsrun.ErrBusy) { // of two there is room for one
			t.Error(err)
		}
		giveUp()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		calls.Go(func() {
			if err := call(t.Context(), answer); err != nil {
				t.Error(err)
			}
		})
		close(goOn)
		calls.Wait()
	}
}

// TestLibrary runs the lines of testdata/library.txt: an expression, an arrow,
// and what it is, as JSON.
func TestLibrary(t *testing.T) {
	const name = "testdata/library.txt"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, jsrun.Options{Workers: 1})
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		expr, want, ok := strings.Cut(line, " → ")
		if !ok && (line == "" || strings.HasPrefix(line, "//")) {
			out.WriteString(line + "\n")
			continue
		}
		r, err := run(t, p, "", bundle(t, "export default async () => ("+expr+")"), `{}`)
		got := string(r.Value)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want && !*update {
			t.Errorf("%s\n got %s\nwant %s", expr, got, want)
		}
		out.WriteString(expr + " → " + got + "\n")
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBundle reads folders of several files; the result is what the function
// returns, or what is wrong.
func TestBundle(t *testing.T) {
	const name = "testdata/bundle.txtar"
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, jsrun.Options{Workers: 1})
	cases := map[string]map[string][]byte{}
	for _, f := range a.Files {
		dir, file, _ := strings.Cut(f.Name, "/")
		if cases[dir] == nil {
			cases[dir] = map[string][]byte{}
		}
		cases[dir][file] = f.Data
	}
	for i, f := range a.Files {
		dir, file, _ := strings.Cut(f.Name, "/")
		if file != "want" {
			continue
		}
		entry := "handle.js"
		if cases[dir]["handle.ts"] != nil {
			entry = "handle.ts"
		}
		got := bundled(t, p, entry, cases[dir])
		if *update {
			a.Files[i].Data = []byte(got)
		} else if got != string(f.Data) {
			t.Errorf("%s: got\n%swant\n%s", dir, got, f.Data)
		}
	}
	if *update {
		if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func bundled(t *testing.T, p *jsrun.Pool, entry string, files map[string][]byte) string {
	var b strings.Builder
	script, problems := jsrun.Bundle(entry, func(name string) ([]byte, error) {
		if data, ok := files[name]; ok && name != "want" {
			return data, nil
		}
		return nil, os.ErrNotExist
	})
	for _, p := range problems {
		fmt.Fprintf(&b, "%s:%d:%d: %s\n", p.File, p.Line, p.Col, p.Message)
	}
	if script != "" {
		r, err := run(t, p, "", script, `{"data": {"n": 20}}`)
		fmt.Fprintf(&b, "%s", r.Value)
		if err != nil {
			fmt.Fprintf(&b, "error: %v", err)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// FuzzBundle: whatever is written, there is a script or a problem.
func FuzzBundle(f *testing.F) {
	for _, c := range hostile() {
		f.Add(c[1])
	}
	f.Fuzz(func(t *testing.T, text string) {
		script, problems := jsrun.Bundle("f.ts", func(name string) ([]byte, error) {
			if name == "f.ts" {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if script == "" && len(problems) == 0 {
			t.Error("neither a script nor a problem")
		}
	})
}

func BenchmarkCall(b *testing.B) {
	p := jsrun.NewPool(jsrun.Options{})
	b.Cleanup(p.Close)
	script := bundle(b, "export default async function handle({ data }) { return { events: [{ payload: data, selector: `user_id:${data.from_user_id}` }], response: { status: 201, data: 'Webhook received' } } }")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := run(b, p, "", script, `{"data":{"from_user_id":42,"type":"task.created","task":{"id":"t-1"}},"headers":{"content-type":"application/json"},"query":{}}`); err != nil {
				b.Error(err)
			}
		}
	})
}
